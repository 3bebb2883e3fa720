"""What the kernels of recurrent layers share: rows of sequences, and a weight that stays packed.

Products with the inputs are one large matrix product outside the kernels.  Inside, a thread owns
some rows of the batch for all times: what its next step needs it has made itself, so the threads
never wait for each other.  The states and the gates of the step at hand lie side by side in a
buffer of the thread's own, which stays in its first caches; the arrays of all times are read and
written a row at a time, so it does not matter whether the batch or the time comes first in memory.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from . import arena
from .dense import linear_backward
from .emit import array_at
from .host import CACHE, host
from .launch import barrier, share
from .layout import contiguous
from .microkernel import reduce_product
from .pack import pack_panels, size_of, width_of
from .pool import pool
from .rectangle import ROWS, edge_tile
from .workspace import workspace


@njit(cache=CACHE)
def pack_all(work, b, b_k, b_column, k, n, zero, thread, threads):  # type: ignore[no-untyped-def]
    """Pack the whole of B for ``own_rows``; every thread must call it.  Returns its end."""
    size, width = size_of(zero), width_of(zero)
    b_k, b_column = np.int64(b_k), np.int64(b_column)  # no packing for each constant stride
    panels = (n + width - 1) // width
    low, high = share(panels, thread, threads)
    if low < high:
        pack_panels(work + low * k * width * size, b + low * width * b_column * size,
                    b_k, b_column, k, min(n, high * width) - low * width, zero)
    barrier(threads)
    return work + panels * k * width * size


@njit(cache=CACHE)
def own_rows(c, a, rows, k, n, packed, tile, zero):  # type: ignore[no-untyped-def]
    """``C = A @ B`` for ``rows`` contiguous rows of A and C, with B packed."""
    size, width = size_of(zero), width_of(zero)
    for row in range(0, rows, ROWS):
        count = min(ROWS, rows - row)
        for column in range(0, n, width):
            place = c + (row * n + column) * size
            panel = packed + column * k * size
            if n - column >= width:
                reduce_product(zero, (count, place, n, a + row * k * size, k, 1, panel, width, k,
                                      1, 0, 0, 1, 0, 0, 0, 0))
            else:
                edge_tile(place, n, count, n - column, a + row * k * size, k, 1, panel, width, k,
                          0, 0, tile, zero)


@njit(cache=CACHE)
def own_buffers(end, most, gates, size, zero, thread):  # type: ignore[no-untyped-def]
    """A thread's states, gates and tile, for up to ``most`` rows: their addresses."""
    itemsize, width = size_of(zero), width_of(zero)
    states = end + thread * (most * (gates + size) + (ROWS + 1) * width) * itemsize
    return states, states + most * size * itemsize, states + most * (gates + size) * itemsize


@njit(cache=CACHE)
def row_at(buffer, row, width, zero):  # type: ignore[no-untyped-def]
    """A row of a buffer, as an array."""
    return array_at(buffer + row * width * size_of(zero), width, zero)


@njit(cache=CACHE)
def copy(target, source):  # type: ignore[no-untyped-def]
    """``target[:] = source``, as a loop, which is all that a short row needs."""
    for j in range(target.size):
        target[j] = source[j]


@njit(cache=CACHE)
def add(target, source):  # type: ignore[no-untyped-def]
    """``target[:] += source``."""
    for j in range(target.size):
        target[j] += source[j]


def launch_width(batch: int, gates: int, size: int, itemsize: int) -> tuple[int, int, int]:
    """Threads to use, most rows of one, and the scratch for all."""
    threads = min(pool.threads, batch)
    most = -(-batch // threads)
    width = host().lanes(itemsize) * host().vectors
    packed = max(size * -(-gates // width), gates * -(-size // width)) * width
    own = most * (gates + size) + (ROWS + 1) * width
    return threads, most, workspace(itemsize * (packed + threads * own))


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
