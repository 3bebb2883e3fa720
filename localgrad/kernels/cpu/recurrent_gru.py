"""GRU over whole sequences: ``h ← (1 − z) n + z h`` with ``n = tanh(w_in x + r (w_hn h + b_hn))``.

Built as the LSTM is (``recurrent``): a thread owns rows of the batch for all times.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from . import arena
from .dense import linear
from .emit import address
from .functions import sigmoid, tanh
from .host import CACHE
from .launch import parallel, share
from .layout import contiguous
from .microkernel import ACCUMULATE, prepare
from .pack import size_of, width_of
from .pool import pool
from .product import ROWS
from .recurrent import collected, ended, own_rows, pack_all, scratch, started
from .workspace import workspace


@njit(cache=CACHE)
def _gru_row(gates, from_state, before, state, inner):  # type: ignore[no-untyped-def]
    size = state.size
    r, z, n = gates[:size], gates[size:2 * size], gates[2 * size:]
    for j in range(2 * size):
        gates[j] = sigmoid(gates[j] + from_state[j])
    candidate = from_state[2 * size:]
    for j in range(size):
        inner[j] = candidate[j]
        n[j] = tanh(n[j] + r[j] * candidate[j])
    for j in range(size):
        state[j] = n[j] + z[j] * (before[j] - n[j])


@njit(cache=CACHE)
def _gru_task(  # type: ignore[no-untyped-def]
    gates, states, inner, w_hh, b_hh, from_state, work, thread, threads,
):
    times, batch, size = gates.shape[0], gates.shape[1], states.shape[2]
    zero = gates.dtype.type(0)
    itemsize, width = size_of(zero), width_of(zero)
    pack_all(work, address(w_hh), 1, size, size, 3 * size, zero, thread, threads)
    tile = work + (size * ((3 * size + width - 1) // width) + thread * (ROWS + 1)) \
        * width * itemsize
    low, high = share(batch, thread, threads)
    if low == high:
        return
    for t in range(times):
        for row in range(low, high):
            from_state[row] = b_hh
        own_rows(address(from_state[low:]), address(states[t, low:]), high - low, size, 3 * size,
                 work, tile, ACCUMULATE, zero)
        for row in range(low, high):
            _gru_row(gates[t, row], from_state[row], states[t, row], states[t + 1, row],
                     inner[t, row])


@njit(cache=CACHE)
def _gru(gates, states, inner, w_hh, b_hh, from_state, work, threads):  # type: ignore
    parallel(_gru_task, (gates, states, inner, w_hh, b_hh, from_state, work), threads)


@njit(cache=CACHE)
def _gru_back_row(gates, before, inner, dh, pulled, from_state):  # type: ignore[no-untyped-def]
    size = dh.size
    r, z, n = gates[:size], gates[size:2 * size], gates[2 * size:]
    one = gates.dtype.type(1)
    for j in range(size):
        slope = dh[j] * (one - z[j]) * (one - n[j] * n[j])
        pulled[2 * size + j] = slope
        from_state[2 * size + j] = slope * r[j]
        to_r = slope * inner[j] * r[j] * (one - r[j])
        pulled[j] = to_r
        from_state[j] = to_r
    for j in range(size):
        to_z = dh[j] * (before[j] - n[j]) * z[j] * (one - z[j])
        pulled[size + j] = to_z
        from_state[size + j] = to_z
        dh[j] *= z[j]


@njit(cache=CACHE)
def _gru_back_task(  # type: ignore[no-untyped-def]
    to_y, has_y, gates, states, inner, w_hh, dh, pulled, from_state, work, thread, threads,
):
    times, batch, size = gates.shape[0], gates.shape[1], states.shape[2]
    zero = gates.dtype.type(0)
    itemsize, width = size_of(zero), width_of(zero)
    pack_all(work, address(w_hh), size, 1, 3 * size, size, zero, thread, threads)
    tile = work + (3 * size * ((size + width - 1) // width) + thread * (ROWS + 1)) \
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
            _gru_back_row(gates[t, row], states[t, row], inner[t, row], state, pulled[t, row],
                          from_state[t, row])
        own_rows(address(dh[low:]), address(from_state[t, low:]), high - low, 3 * size, size,
                 work, tile, ACCUMULATE, zero)


@njit(cache=CACHE)
def _gru_back(  # type: ignore[no-untyped-def]
    to_y, has_y, gates, states, inner, w_hh, dh, pulled, from_state, work, threads,
):
    parallel(_gru_back_task,
             (to_y, has_y, gates, states, inner, w_hh, dh, pulled, from_state, work), threads)


def gru(
    x: np.ndarray, h: np.ndarray, w_ih: np.ndarray, w_hh: np.ndarray,
    b_ih: np.ndarray | None, b_hh: np.ndarray | None,
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, ...]]:
    """``h ← (1 − z) n + z h`` for x (time, batch, input), gates r, z, n.

    Returns (outputs, last h), and (gates, states, w_hn h + b_hn) for the way back.
    """
    prepare(x.dtype)
    gates = linear(x, w_ih, b_ih)
    states = started(x, h)
    size, threads = h.shape[1], min(pool.threads, h.shape[0])
    inner = arena.empty(states[1:].shape, x.dtype)
    bias = np.zeros(3 * size, x.dtype) if b_hh is None else contiguous(b_hh)
    _gru(gates, states, inner, contiguous(w_hh), bias, np.empty((h.shape[0], 3 * size), x.dtype),
         workspace(scratch(size, 3 * size, x.itemsize, threads)), threads)
    return (states[1:], states[-1].copy()), (gates, states, inner)


def gru_backward(
    upstream: Any, saved: Any, x: np.ndarray, w_ih: np.ndarray, w_hh: np.ndarray,
    b_ih: np.ndarray | None, b_hh: np.ndarray | None,
) -> list[Any]:
    """Downstreams of x, h, w_ih, w_hh, b_ih, b_hh; a part of ``upstream`` may be None."""
    gates, states, inner = saved
    to_y, to_h = upstream
    dh = ended(to_h, states)
    pulled = arena.empty(gates.shape, gates.dtype)
    from_state = arena.empty(gates.shape, gates.dtype)
    size, threads = dh.shape[1], min(pool.threads, dh.shape[0])
    given = gates[:0] if to_y is None else contiguous(to_y)
    _gru_back(given, to_y is not None, gates, states, inner, contiguous(w_hh), dh, pulled,
              from_state, workspace(scratch(3 * size, size, x.itemsize, threads)), threads)
    return collected(pulled, from_state, x, states, w_ih, w_hh, b_ih, b_hh, [dh])
