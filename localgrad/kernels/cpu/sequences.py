"""What the kernels of recurrent layers share: rows of sequences, and where their threads keep them.

A thread owns some rows of the batch for all times: what its next step needs it has made itself, so
the threads never wait for each other.  An LSTM's thread multiplies the inputs of some times at once
by their weight, and goes on from these products while they lie in its cache (``FedLaunch``); where
the weights do not fit there, and for a GRU, the product of all inputs comes before the kernel.
On the way back an LSTM's thread keeps the gates' gradients of some
times, and while they lie in its cache multiplies them by the states and inputs, for the weights'
gradients, and by the weight, for the inputs' (``BlockLaunch``); a GRU leaves that to large products
afterwards (``collected``).  The states and the gates of the step at hand lie side by side in a
buffer of the thread's own, which stays in its first caches; the arrays of all times are read and
written a row at a time, so it does not matter whether the batch or the time comes first in memory.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from . import arena
from .callee import callee
from .dense import linear_backward
from .emit import address, array_at
from .launch import share
from .layout import contiguous
from .pack import size_of
from .packed_weight import own_bytes, tiles_pay, weight_bytes
from .pool import pool
from .product import product, scratch_bytes
from .workspace import whole_lines, workspace

BLOCK = 256  # rows after which a thread adds to the weights' gradients, which are then moved
FED = 128  # rows of inputs that are multiplied at once
_CACHED = 3 << 16  # elements of both weights that, as tiles, take half of the second-level cache


@callee
def row_at(buffer, row, width, zero):  # type: ignore[no-untyped-def]
    """A row of a buffer, as an array."""
    return array_at(buffer + row * width * size_of(zero), width, zero)


@callee
def copy(target, source):  # type: ignore[no-untyped-def]
    """``target[:] = source``, as a loop, which is all that a short row needs."""
    for j in range(target.size):
        target[j] = source[j]


@callee
def add(target, source):  # type: ignore[no-untyped-def]
    """``target[:] += source``."""
    for j in range(target.size):
        target[j] += source[j]


class Launch(NamedTuple):
    """Where the threads of a recurrent kernel find their memory.

    A thread's own memory starts with the scratch of ``multiply_weight``.
    """

    threads: int
    weight: int  #: address of the packed weight
    tiled: int  #: whether it is packed in tiles too
    own: int  #: address of the first thread's own memory
    apart: int  #: bytes from one thread's own memory to the next one's
    rows: int  #: how far into its own memory a thread's rows lie
    products: int  #: and their products with the weight


class FedLaunch(NamedTuple):
    """A launch whose threads make the products with the inputs too, for some times at once."""

    threads: int
    weight: int
    tiled: int
    own: int
    apart: int
    rows: int
    products: int  #: of a block: those with its inputs, to which the ones with the states are added
    inputs: int  #: address of the inputs' packed weight, or 0: then their products come from before
    inputs_tiled: int
    fed: int  #: the block's inputs
    scratch: int  #: of the products with them
    block: int  #: times of a block


class BlockLaunch(NamedTuple):
    """A launch whose threads keep what several times make, for the weights' gradients."""

    threads: int
    weight: int
    tiled: int
    own: int
    apart: int
    slopes: int  #: how far into its own memory a thread's gradients of the gates lie
    others: int  #: and what they are multiplied by for the weights' gradients: states and inputs
    gradient: int  #: this thread's part of these
    scratch: int  #: of the products with a block
    block: int  #: how many rows there is room for


def launch_of(times: int, batch: int, k: int, n: int, itemsize: int) -> Launch:
    """A launch that multiplies rows of k by a weight (k, n) at all times."""
    threads = min(pool.threads, batch)
    most = -(-batch // threads)
    packed = weight_bytes(k, n, itemsize, threads)
    rows = own_bytes(most, k, n, itemsize)
    products = rows + whole_lines(most * k * itemsize)
    apart = products + whole_lines(most * n * itemsize)
    weight = workspace(packed + threads * apart)
    tiled = int(tiles_pay(times, most, k, n, threads, itemsize))
    return Launch(threads, weight, tiled, weight + packed, apart, rows, products)


def fed_launch_of(
    times: int, batch: int, inputs: int, size: int, gates: int, itemsize: int
) -> FedLaunch:
    """A launch from inputs and states of ``size`` to the gates."""
    threads = min(pool.threads, batch)
    most = -(-batch // threads)
    packed = weight_bytes(size, gates, itemsize, threads)
    more = weight_bytes(inputs, gates, itemsize, threads)
    block = min(max(FED // most, 1), times)
    if (inputs + size) * gates > _CACHED:
        more, inputs, block = 0, 0, 1
    rows = own_bytes(most, size, gates, itemsize)
    products = rows + whole_lines(most * size * itemsize)
    fed = products + whole_lines(block * most * gates * itemsize)
    scratch = fed + whole_lines(block * most * inputs * itemsize)
    apart = scratch + own_bytes(block * most, inputs, gates, itemsize)
    weight = workspace(packed + more + threads * apart)
    tiled = int(tiles_pay(times, most, size, gates, threads, itemsize))
    inputs_tiled = int(tiles_pay(times // block, block * most, inputs, gates, threads, itemsize))
    return FedLaunch(threads, weight, tiled, weight + packed + more, apart, rows, products,
                     weight + packed if more else 0, inputs_tiled, fed, scratch, block)


def block_launch_of(
    times: int, batch: int, gates: int, size: int, inputs: int, itemsize: int
) -> BlockLaunch:
    """A launch for the way back from the gates to states of ``size`` and to the inputs."""
    threads = min(pool.threads, batch)
    most = -(-batch // threads)
    block = min(max(BLOCK // most, 1), times) * most
    packed = weight_bytes(gates, size, itemsize, threads)
    slopes = own_bytes(most, gates, size, itemsize)
    others = slopes + whole_lines(block * gates * itemsize)
    gradient = others + whole_lines(block * (size + inputs) * itemsize)
    scratch = gradient + whole_lines(gates * (size + inputs) * itemsize)
    apart = scratch + max(scratch_bytes(block, size + inputs, itemsize),
                          scratch_bytes(gates, inputs, itemsize))
    weight = workspace(packed + threads * apart)
    tiled = int(tiles_pay(times, most, gates, size, threads, itemsize))
    return BlockLaunch(threads, weight, tiled, weight + packed, apart, slopes, others, gradient,
                       scratch, block)


@callee
def to_x(dx, slopes, held, t, low, high, w_ih, buffer, scratch, steps):  # type: ignore
    """``dx = slopes @ w_ih`` for a block of rows that ends with the time t."""
    gates, inputs = w_ih.shape
    zero = dx.dtype.type(0)
    _, time_step, row_step = steps
    product(slopes, gates, 1, address(w_ih), inputs, 1, buffer, inputs, held, gates, inputs, 0, 0,
            scratch, zero, 0, 1)
    count = high - low
    for number in range(held):
        time = t + held // count - 1 - number // count
        row = low + number % count
        copy(dx[time * time_step + row * row_step], row_at(buffer, number, inputs, zero))


@callee
def add_gradients(to_states, to_inputs, launch, thread, threads):  # type: ignore[no-untyped-def]
    """The weights' gradients: the sum of all threads' parts."""
    gates, size = to_states.shape
    wide = size + to_inputs.shape[1]
    zero = to_states.dtype.type(0)
    low, high = share(gates, thread, threads)
    for row in range(low, high):
        for other in range(threads):
            part = row_at(launch.own + other * launch.apart + launch.gradient, row, wide, zero)
            if other == 0:
                copy(to_states[row], part[:size])
                copy(to_inputs[row], part[size:])
            else:
                add(to_states[row], part[:size])
                add(to_inputs[row], part[size:])


def batch_comes_first(x: np.ndarray) -> bool:
    """Whether x of shape (time, batch, width) lies in memory as (batch, time, width)."""
    return not x.flags.c_contiguous and x.transpose(1, 0, 2).flags.c_contiguous


def steps_of(x: np.ndarray, batch_first: bool) -> tuple[int, int, int]:
    """The number of times; how many rows lie from one time to the next, and in the batch."""
    times, batch, _ = x.shape
    return (times, 1, times) if batch_first else (times, batch, 1)


def rows_of(array: np.ndarray, batch_first: bool) -> np.ndarray:
    """(time, batch, width) as rows in the given order; a copy where it lies otherwise."""
    memory = contiguous(array.transpose(1, 0, 2) if batch_first else array)
    return memory.reshape(-1, array.shape[2])


def sequence_of(rows: np.ndarray, like: np.ndarray, batch_first: bool) -> np.ndarray:
    """Rows in the given order as a view (time, batch, width)."""
    times, batch, _ = like.shape
    if batch_first:
        return rows.reshape(batch, times, rows.shape[1]).transpose(1, 0, 2)
    return rows.reshape(times, batch, rows.shape[1])


def plain(array: Any, dtype: np.dtype) -> Any:
    """An upstream as the kernels read it: of the layer's type and aligned."""
    if array is None or (array.dtype == dtype and array.flags.aligned):
        return array
    return np.array(array, dtype)


def ended(upstream: Any, h: np.ndarray) -> np.ndarray:
    """What comes to the last state, to be changed on the way back."""
    if upstream is None:
        return np.zeros(h.shape, h.dtype)
    return np.array(upstream, h.dtype, order="C")


def collected(
    from_input: np.ndarray, from_state: np.ndarray, x: np.ndarray, before: np.ndarray,
    w_ih: np.ndarray, w_hh: np.ndarray,
) -> tuple[Any, Any, Any]:
    """Downstreams of the rows of x, of w_ih and of w_hh, from the gates' gradients towards the
    input and towards the states ``before``."""
    dx, to_ih, _ = linear_backward(from_input, x, w_ih, (True, True, False))
    _, to_hh, _ = linear_backward(from_state, before, w_hh, (False, True, False))
    return dx, to_ih, to_hh


def total(bias: Any, sums: np.ndarray) -> Any:
    """The downstream of a bias, if there is one, from every thread's sum."""
    return None if bias is None else sums.sum(axis=0)


def empty_rows(x: np.ndarray, width: int) -> np.ndarray:
    """Uninitialised rows, one for every time and member of the batch."""
    return arena.empty((x.shape[0] * x.shape[1], width), x.dtype)
