"""LSTM and GRU over whole sequences, forward and backward, one launch for all times.

Products with the inputs are one large matrix product outside.  Inside, a thread owns some rows of
the batch for all times: what its next step needs it has made itself, so the threads never wait for
each other.  The recurrent weight is packed once.  Arguments and results are those of
``reference_recurrent``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from . import arena
from .dense import linear, linear_backward
from .emit import address
from .functions import sigmoid, tanh
from .host import CACHE, host
from .launch import barrier, parallel, share
from .layout import contiguous
from .microkernel import ACCUMULATE, prepare, reduce_product
from .pack import pack_panels, size_of, width_of
from .pool import pool
from .product import ROWS, edge_tile
from .workspace import workspace


@njit(cache=CACHE)
def pack_all(work, b, b_k, b_column, k, n, zero, thread, threads):  # type: ignore[no-untyped-def]
    """Pack the whole of B for ``own_rows``; every thread must call it."""
    size, width = size_of(zero), width_of(zero)
    low, high = share((n + width - 1) // width, thread, threads)
    if low < high:
        pack_panels(work + low * k * width * size, b + low * width * b_column * size,
                    b_k, b_column, k, min(n, high * width) - low * width, zero)
    barrier(threads)


@njit(cache=CACHE)
def own_rows(c, a, rows, k, n, packed, tile, flags, zero):  # type: ignore[no-untyped-def]
    """``C (+)= A @ B`` for ``rows`` contiguous rows of A and C, with B packed."""
    size, width = size_of(zero), width_of(zero)
    for row in range(0, rows, ROWS):
        count = min(ROWS, rows - row)
        for column in range(0, n, width):
            place = c + (row * n + column) * size
            panel = packed + column * k * size
            if n - column >= width:
                reduce_product(zero, (count, place, n, a + row * k * size, k, 1, panel, width, k,
                                      1, 0, 0, 1, 0, 0, 0, flags))
            else:
                edge_tile(place, n, count, n - column, a + row * k * size, k, 1, panel, width, k,
                          0, flags, tile, zero)


@njit(cache=CACHE)
def _lstm_row(gates, before, cell, state):  # type: ignore[no-untyped-def]
    size = cell.size
    i, f = gates[:size], gates[size:2 * size]
    g, o = gates[2 * size:3 * size], gates[3 * size:]
    for j in range(2 * size):
        gates[j] = sigmoid(gates[j])
    for j in range(size):
        g[j] = tanh(g[j])
    for j in range(size):
        o[j] = sigmoid(o[j])
    for j in range(size):
        cell[j] = f[j] * before[j] + i[j] * g[j]
    for j in range(size):
        state[j] = o[j] * tanh(cell[j])


@njit(cache=CACHE)
def _lstm_task(gates, states, cells, w_hh, work, thread, threads):  # type: ignore[no-untyped-def]
    times, batch, size = gates.shape[0], gates.shape[1], states.shape[2]
    zero = gates.dtype.type(0)
    itemsize, width = size_of(zero), width_of(zero)
    pack_all(work, address(w_hh), 1, size, size, 4 * size, zero, thread, threads)
    tile = work + (size * ((4 * size + width - 1) // width) + thread * (ROWS + 1)) \
        * width * itemsize
    low, high = share(batch, thread, threads)
    if low == high:
        return
    for t in range(times):
        own_rows(address(gates[t, low:]), address(states[t, low:]), high - low, size, 4 * size,
                 work, tile, ACCUMULATE, zero)
        for row in range(low, high):
            _lstm_row(gates[t, row], cells[t, row], cells[t + 1, row], states[t + 1, row])


@njit(cache=CACHE)
def _lstm(gates, states, cells, w_hh, work, threads):  # type: ignore[no-untyped-def]
    parallel(_lstm_task, (gates, states, cells, w_hh, work), threads)


@njit(cache=CACHE)
def _lstm_back_row(gates, before, cell, dh, dc, pulled):  # type: ignore[no-untyped-def]
    size = cell.size
    i, f = gates[:size], gates[size:2 * size]
    g, o = gates[2 * size:3 * size], gates[3 * size:]
    to_i, to_f = pulled[:size], pulled[size:2 * size]
    to_g, to_o = pulled[2 * size:3 * size], pulled[3 * size:]
    one = gates.dtype.type(1)
    for j in range(size):
        squashed = tanh(cell[j])
        to_o[j] = dh[j] * squashed * o[j] * (one - o[j])
        dc[j] += dh[j] * o[j] * (one - squashed * squashed)
    for j in range(size):
        to_i[j] = dc[j] * g[j] * i[j] * (one - i[j])
    for j in range(size):
        to_g[j] = dc[j] * i[j] * (one - g[j] * g[j])
    for j in range(size):
        to_f[j] = dc[j] * before[j] * f[j] * (one - f[j])
        dc[j] *= f[j]


@njit(cache=CACHE)
def _lstm_back_task(  # type: ignore[no-untyped-def]
    to_y, has_y, gates, cells, w_hh, dh, dc, pulled, work, thread, threads,
):
    times, batch, size = gates.shape[0], gates.shape[1], cells.shape[2]
    zero = gates.dtype.type(0)
    itemsize, width = size_of(zero), width_of(zero)
    pack_all(work, address(w_hh), size, 1, 4 * size, size, zero, thread, threads)
    tile = work + (4 * size * ((size + width - 1) // width) + thread * (ROWS + 1)) \
        * width * itemsize
    low, high = share(batch, thread, threads)
    if low == high:
        return
    for t in range(times - 1, -1, -1):
        for row in range(low, high):
            state = dh[row]
            if has_y:
                upstream = to_y[t, row]
                for j in range(size):
                    state[j] += upstream[j]
            _lstm_back_row(gates[t, row], cells[t, row], cells[t + 1, row], state, dc[row],
                           pulled[t, row])
        own_rows(address(dh[low:]), address(pulled[t, low:]), high - low, 4 * size, size,
                 work, tile, 0, zero)


@njit(cache=CACHE)
def _lstm_back(  # type: ignore[no-untyped-def]
    to_y, has_y, gates, cells, w_hh, dh, dc, pulled, work, threads,
):
    parallel(_lstm_back_task, (to_y, has_y, gates, cells, w_hh, dh, dc, pulled, work), threads)


def scratch(k: int, n: int, size: int, threads: int) -> int:
    """Bytes for a packed B of (k, n) and each thread's tile."""
    width = host().lanes(size) * host().vectors
    return size * width * (k * -(-n // width) + threads * (ROWS + 1))


def lstm(
    x: np.ndarray, h: np.ndarray, c: np.ndarray, w_ih: np.ndarray, w_hh: np.ndarray,
    b_ih: np.ndarray | None, b_hh: np.ndarray | None,
) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, ...]]:
    """``c ← f c + i g``, ``h ← o tanh c`` for x (time, batch, input), gates i, f, g, o.

    Returns (outputs, last h, last c), and (gates, states, cells) for the way back.
    """
    prepare(x.dtype)
    bias = b_ih if b_hh is None else b_hh if b_ih is None else b_ih + b_hh
    gates = linear(x, w_ih, bias)
    states, cells = started(x, h), started(x, c)
    threads = min(pool.threads, h.shape[0])
    size = h.shape[1]
    _lstm(gates, states, cells, contiguous(w_hh),
          workspace(scratch(size, 4 * size, x.itemsize, threads)), threads)
    return (states[1:], states[-1].copy(), cells[-1].copy()), (gates, states, cells)


def lstm_backward(
    upstream: Any, saved: Any, x: np.ndarray, w_ih: np.ndarray, w_hh: np.ndarray,
    b_ih: np.ndarray | None, b_hh: np.ndarray | None,
) -> list[Any]:
    """Downstreams of x, h, c, w_ih, w_hh, b_ih, b_hh; a part of ``upstream`` may be None."""
    gates, states, cells = saved
    to_y, to_h, to_c = upstream
    dh, dc = ended(to_h, states), ended(to_c, states)
    pulled = arena.empty(gates.shape, gates.dtype)
    threads = min(pool.threads, dh.shape[0])
    size = dh.shape[1]
    given = gates[:0] if to_y is None else contiguous(to_y)
    _lstm_back(given, to_y is not None, gates, cells, contiguous(w_hh), dh, dc, pulled,
               workspace(scratch(4 * size, size, x.itemsize, threads)), threads)
    return collected(pulled, pulled, x, states, w_ih, w_hh, b_ih, b_hh, [dh, dc])


def started(x: np.ndarray, begin: np.ndarray) -> np.ndarray:
    """Room for a state before and after every time, the first filled in."""
    states = arena.empty((x.shape[0] + 1, *begin.shape), x.dtype)
    states[0] = begin
    return states


def ended(upstream: Any, states: np.ndarray) -> np.ndarray:
    """What comes to the last state, to be changed on the way back."""
    if upstream is None:
        return np.zeros(states.shape[1:], states.dtype)
    return np.array(upstream, states.dtype, order="C")


def collected(
    from_input: np.ndarray, from_state: np.ndarray, x: np.ndarray, states: np.ndarray,
    w_ih: np.ndarray, w_hh: np.ndarray, b_ih: Any, b_hh: Any, begin: list[Any],
) -> list[Any]:
    """All downstreams, from the gates' gradients towards the input and towards the state."""
    dx, to_ih, bias = linear_backward(from_input, x, w_ih)
    again = from_state is not from_input and b_hh is not None
    _, to_hh, inner = linear_backward(from_state, states[:-1], w_hh, (False, True, again))
    second = inner if again else bias.copy() if b_hh is not None and bias is not None else None
    return [dx, *begin, to_ih, to_hh, None if b_ih is None else bias, second]
