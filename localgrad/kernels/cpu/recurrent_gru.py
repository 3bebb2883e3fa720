"""GRU over whole sequences: ``h ← (1 − z) n + z h`` with ``n = tanh(w_in x + r (w_hn h + b_hn))``.

Built as the LSTM is (``recurrent``, ``sequences``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from .callee import callee
from .dense import linear
from .emit import address, widest
from .functions import sigmoid, tanh
from .host import CACHE
from .launch import parallel, share
from .layout import contiguous
from .packed_weight import multiply_weight, pack_weight
from .packed_weight import prepare as prepare_weight
from .sequences import (
    add,
    batch_comes_first,
    collected,
    copy,
    empty_rows,
    ended,
    launch_of,
    plain,
    row_at,
    rows_of,
    sequence_of,
    steps_of,
    total,
)  # fmt: skip


@callee
def _gru_row(gates, from_state, b_hh, state, inner, y):  # type: ignore[no-untyped-def]
    widest()
    size = state.size
    z, n = gates[size:2 * size], gates[2 * size:]
    for j in range(2 * size):
        gates[j] = sigmoid(gates[j] + (from_state[j] + b_hh[j]))
    from_n, b_n = from_state[2 * size:], b_hh[2 * size:]
    for j in range(size):
        candidate = from_n[j] + b_n[j]
        inner[j] = candidate
        n[j] = tanh(n[j] + gates[j] * candidate)
    for j in range(size):
        value = n[j] + z[j] * (state[j] - n[j])
        state[j] = value
        y[j] = value


@callee
def _gru_task(  # type: ignore[no-untyped-def]
    gates, y, inner, h, w_hh, b_hh, steps, launch, thread, threads,
):
    batch, size = h.shape
    zero = h.dtype.type(0)
    times, time_step, row_step = steps
    own = launch.own + thread * launch.apart
    states, new = own + launch.rows, own + launch.products
    pack_weight(zero, (launch.weight, own, address(w_hh), 1, size, size, 3 * size, launch.tiled,
                       thread, threads))
    low, high = share(batch, thread, threads)
    for row in range(low, high):
        copy(row_at(states, row - low, size, zero), h[row])
    for t in range(times):
        multiply_weight(zero, (new, states, high - low, size, 3 * size, launch.weight, own, 0))
        for row in range(low, high):
            place = t * time_step + row * row_step
            from_state = row_at(new, row - low, 3 * size, zero)
            state = row_at(states, row - low, size, zero)
            _gru_row(gates[place], from_state, b_hh, state, inner[place], y[place])


@njit(cache=CACHE)
def _gru(gates, y, inner, h, w_hh, b_hh, steps, launch):  # type: ignore[no-untyped-def]
    parallel(_gru_task, (gates, y, inner, h, w_hh, b_hh, steps, launch), launch.threads)


@callee
def _gru_back_row(gates, before, inner, dh, pulled, slopes):  # type: ignore[no-untyped-def]
    """``pulled`` is what goes to the input's gates, ``slopes`` what goes to the state's."""
    widest()
    size = dh.size
    r, z, n = gates[:size], gates[size:2 * size], gates[2 * size:]
    to_z, to_n, through_r = slopes[size:2 * size], pulled[2 * size:], slopes[2 * size:]
    one = gates.dtype.type(1)
    for j in range(size):
        to_n[j] = dh[j] * (one - z[j]) * (one - n[j] * n[j])
    for j in range(size):
        through_r[j] = to_n[j] * r[j]
        slopes[j] = to_n[j] * inner[j] * r[j] * (one - r[j])
    for j in range(size):
        to_z[j] = dh[j] * (before[j] - n[j]) * z[j] * (one - z[j])
        dh[j] *= z[j]
    for j in range(2 * size):
        pulled[j] = slopes[j]


@callee
def _gru_back_task(  # type: ignore[no-untyped-def]
    to_y, has_y, gates, y, inner, h, w_hh, dh, pulled, from_state, before_y, sums, sums_n, steps,
    launch, thread, threads,
):
    batch, size = h.shape
    zero = h.dtype.type(0)
    times, time_step, row_step = steps
    own = launch.own + thread * launch.apart
    slopes, more = own + launch.rows, own + launch.products
    pack_weight(zero, (launch.weight, own, address(w_hh), size, 1, 3 * size, size, launch.tiled,
                       thread, threads))
    low, high = share(batch, thread, threads)
    for t in range(times - 1, -1, -1):
        for row in range(low, high):
            place = t * time_step + row * row_step
            if has_y:
                add(dh[row], to_y[place])
            before = h[row] if t == 0 else y[place - time_step]
            own_slopes = row_at(slopes, row - low, 3 * size, zero)
            _gru_back_row(gates[place], before, inner[place], dh[row], pulled[place], own_slopes)
            copy(from_state[place], own_slopes)
            add(sums[thread], own_slopes)
            add(sums_n[thread], pulled[place, 2 * size:])
            copy(before_y[place], before)
        multiply_weight(zero, (more, slopes, high - low, 3 * size, size, launch.weight, own, 0))
        for row in range(low, high):
            add(dh[row], row_at(more, row - low, size, zero))


@njit(cache=CACHE)
def _gru_back(  # type: ignore[no-untyped-def]
    to_y, has_y, gates, y, inner, h, w_hh, dh, pulled, from_state, before_y, sums, sums_n, steps,
    launch,
):
    parallel(_gru_back_task,
             (to_y, has_y, gates, y, inner, h, w_hh, dh, pulled, from_state, before_y, sums,
              sums_n, steps, launch), launch.threads)


def gru(
    x: np.ndarray, h: np.ndarray, w_ih: np.ndarray, w_hh: np.ndarray,
    b_ih: np.ndarray | None, b_hh: np.ndarray | None,
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, ...]]:
    """``h ← (1 − z) n + z h`` for x (time, batch, input), gates r, z, n.

    Returns (outputs, last h), and (gates, outputs, w_hn h + b_hn, h) for the way back.
    """
    prepare_weight(x.dtype)
    first = batch_comes_first(x)
    gates = linear(rows_of(x, first), w_ih, b_ih)
    h = contiguous(h)
    batch, size = h.shape
    y, inner = empty_rows(x, size), empty_rows(x, size)
    bias = np.zeros(3 * size, x.dtype) if b_hh is None else contiguous(b_hh)
    launch = launch_of(x.shape[0], batch, size, 3 * size, x.itemsize)
    _gru(gates, y, inner, h, contiguous(w_hh), bias, steps_of(x, first), launch)
    outputs = sequence_of(y, x, first)
    return (outputs, outputs[-1].copy()), (gates, outputs, inner, h)


def gru_backward(
    upstream: Any, saved: Any, x: np.ndarray, w_ih: np.ndarray, w_hh: np.ndarray,
    b_ih: np.ndarray | None, b_hh: np.ndarray | None,
) -> list[Any]:
    """Downstreams of x, h, w_ih, w_hh, b_ih, b_hh; a part of ``upstream`` may be None."""
    gates, outputs, inner, h = saved
    first = batch_comes_first(x)
    to_y, to_h = (plain(part, x.dtype) for part in upstream)
    dh = ended(to_h, h)
    batch, size = h.shape
    pulled, from_state = empty_rows(x, 3 * size), empty_rows(x, 3 * size)
    before = empty_rows(x, size)
    given = inner[:0] if to_y is None else rows_of(to_y, first)
    launch = launch_of(x.shape[0], batch, 3 * size, size, x.itemsize)
    sums = np.zeros((launch.threads, 3 * size), x.dtype)
    sums_n = np.zeros((launch.threads, size), x.dtype)
    _gru_back(given, to_y is not None, gates, rows_of(outputs, first), inner, h, contiguous(w_hh),
              dh, pulled, from_state, before, sums, sums_n, steps_of(x, first), launch)
    dx, *weights = collected(pulled, from_state, rows_of(x, first), before, w_ih, w_hh)
    to_b_hh = total(b_hh, sums)
    sums[:, 2 * size:] = sums_n  # all else goes to both biases alike
    return [sequence_of(dx, x, first), dh, *weights, total(b_ih, sums), to_b_hh]
