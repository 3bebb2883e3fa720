"""LSTM over whole sequences, forward and backward, one launch for all times.

How the work is shared and where it lies is said in ``sequences``.  Arguments and results are those
of ``reference_recurrent``.
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
from .launch import barrier, parallel, share
from .layout import contiguous
from .microkernel import ACCUMULATE
from .pack import size_of
from .packed_weight import multiply_weight, pack_weight
from .packed_weight import prepare as prepare_weight
from .product import prepare as prepare_product
from .product import product_and_sums
from .sequences import (
    add,
    add_gradients,
    batch_comes_first,
    block_launch_of,
    copy,
    empty_rows,
    ended,
    fed_launch_of,
    plain,
    row_at,
    rows_of,
    sequence_of,
    steps_of,
    to_x,
    total,
)  # fmt: skip


@callee
def _lstm_row(products, bias, gates, before, cell, state, y):  # type: ignore[no-untyped-def]
    widest()
    size = cell.size
    i, f = gates[:size], gates[size:2 * size]
    g, o = gates[2 * size:3 * size], gates[3 * size:]
    g_sum, o_sum = products[2 * size:3 * size], products[3 * size:]
    g_bias, o_bias = bias[2 * size:3 * size], bias[3 * size:]
    for j in range(2 * size):
        gates[j] = sigmoid(products[j] + bias[j])
    # From slices: an index that counts from elsewhere than 0 keeps a loop from vectors.
    for j in range(size):
        g[j] = tanh(g_sum[j] + g_bias[j])
    for j in range(size):
        o[j] = sigmoid(o_sum[j] + o_bias[j])
    for j in range(size):
        cell[j] = f[j] * before[j] + i[j] * g[j]
    for j in range(size):
        value = o[j] * tanh(cell[j])
        state[j] = value
        y[j] = value


@callee
def _feed(x, gates, products, start, times, low, high, batch, steps, launch, own):  # type: ignore
    """The inputs' products of some times from ``start`` on, for this thread's rows."""
    zero = x.dtype.type(0)
    _, time_step, row_step = steps
    wide, inputs, count = gates.shape[1], x.shape[1], high - low
    if launch.inputs == 0:
        for number in range(times * count):
            time, row = start + number // count, low + number % count
            copy(row_at(products, number, wide, zero), gates[time * batch + row])
        return
    for number in range(times * count):
        time, row = start + number // count, low + number % count
        copy(row_at(own + launch.fed, number, inputs, zero), x[time * time_step + row * row_step])
    multiply_weight(zero, (products, own + launch.fed, times * count, inputs, wide, launch.inputs,
                           own + launch.scratch, 0))


@callee
def _lstm_task(  # type: ignore[no-untyped-def]
    x, gates, y, cells, h, c, w_ih, w_hh, bias, steps, launch, thread, threads,
):
    batch, size = h.shape
    inputs = x.shape[1]
    zero = h.dtype.type(0)
    times, time_step, row_step = steps
    own = launch.own + thread * launch.apart
    states, products = own + launch.rows, own + launch.products
    pack_weight(zero, (launch.weight, own, address(w_hh), 1, size, size, 4 * size, launch.tiled,
                       thread, threads))
    if launch.inputs != 0:
        pack_weight(zero, (launch.inputs, own + launch.scratch, address(w_ih), 1, inputs, inputs,
                           4 * size, launch.inputs_tiled, thread, threads))
    low, high = share(batch, thread, threads)
    for row in range(low, high):
        copy(row_at(states, row - low, size, zero), h[row])
    for t in range(times):
        ahead = t % launch.block
        if ahead == 0:
            _feed(x, gates, products, t, min(launch.block, times - t), low, high, batch, steps,
                  launch, own)
        sums = products + ahead * (high - low) * 4 * size * size_of(zero)
        multiply_weight(zero, (sums, states, high - low, size, 4 * size, launch.weight, own,
                               ACCUMULATE))
        for row in range(low, high):
            number = t * batch + row
            before = c[row] if t == 0 else cells[number - batch]
            _lstm_row(row_at(sums, row - low, 4 * size, zero), bias, gates[number], before,
                      cells[number], row_at(states, row - low, size, zero),
                      y[t * time_step + row * row_step])


@njit(cache=CACHE)
def _lstm(x, gates, y, cells, h, c, w_ih, w_hh, bias, steps, launch):  # type: ignore
    parallel(_lstm_task, (x, gates, y, cells, h, c, w_ih, w_hh, bias, steps, launch),
             launch.threads)


@callee
def _lstm_back_row(gates, before, cell, dh, dc, pulled):  # type: ignore[no-untyped-def]
    widest()
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


@callee
def _lstm_back_task(  # type: ignore[no-untyped-def]
    to_y, has_y, gates, x, y, cells, h, c, w_ih, w_hh, dh, dc, dx, dw_ih, dw_hh, sums, steps,
    launch, thread, threads,
):
    batch, size = h.shape
    wide = size + x.shape[1]
    zero = h.dtype.type(0)
    times, time_step, row_step = steps
    own = launch.own + thread * launch.apart
    slopes, others = own + launch.slopes, own + launch.others
    pack_weight(zero, (launch.weight, own, address(w_hh), size, 1, 4 * size, size, launch.tiled,
                       thread, threads))
    low, high = share(batch, thread, threads)
    held, flags = 0, 0
    for t in range(times - 1, -1, -1):
        for row in range(low, high):
            place = t * time_step + row * row_step
            number = held + row - low
            if has_y:
                add(dh[row], to_y[place])
            made = t * batch + row
            before = c[row] if t == 0 else cells[made - batch]
            _lstm_back_row(gates[made], before, cells[made], dh[row], dc[row],
                           row_at(slopes, number, 4 * size, zero))
            other = row_at(others, number, wide, zero)
            copy(other[:size], h[row] if t == 0 else y[place - time_step])
            copy(other[size:], x[place])
        multiply_weight(zero, (address(dh[low:]), slopes + held * 4 * size * size_of(zero),
                               high - low, 4 * size, size, launch.weight, own, 0))
        held += high - low
        if held + high - low > launch.block or t == 0:
            product_and_sums(slopes, 1, 4 * size, others, wide, 1, own + launch.gradient, wide,
                             4 * size, held, wide, 0, flags, address(sums[thread]),
                             own + launch.scratch, zero, 0, 1)
            to_x(dx, slopes, held, t, low, high, w_ih, others, own + launch.scratch, steps)
            held, flags = 0, ACCUMULATE
    barrier(threads)
    add_gradients(dw_hh, dw_ih, launch, thread, threads)


@njit(cache=CACHE)
def _lstm_back(  # type: ignore[no-untyped-def]
    to_y, has_y, gates, x, y, cells, h, c, w_ih, w_hh, dh, dc, dx, dw_ih, dw_hh, sums, steps,
    launch,
):
    parallel(_lstm_back_task,
             (to_y, has_y, gates, x, y, cells, h, c, w_ih, w_hh, dh, dc, dx, dw_ih, dw_hh, sums,
              steps, launch), launch.threads)


def lstm(
    x: np.ndarray, h: np.ndarray, c: np.ndarray, w_ih: np.ndarray, w_hh: np.ndarray,
    b_ih: np.ndarray | None, b_hh: np.ndarray | None,
) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, ...]]:
    """``c ← f c + i g``, ``h ← o tanh c`` for x (time, batch, input), gates i, f, g, o.

    Returns (outputs, last h, last c), and (gates, outputs, cells, h, c) for the way back.
    """
    prepare_weight(x.dtype)
    prepare_product(x.dtype)
    first = batch_comes_first(x)
    times, batch, inputs = x.shape
    size = h.shape[1]
    bias = np.zeros(4 * size, x.dtype)
    for each in (b_ih, b_hh):
        if each is not None:
            bias += each
    h, c = contiguous(h), contiguous(c)
    launch = fed_launch_of(times, batch, inputs, size, 4 * size, x.itemsize)
    if launch.inputs:
        gates = empty_rows(x, 4 * size)
    else:
        gates = linear(contiguous(x).reshape(-1, inputs), w_ih)
    y, cells = empty_rows(x, size), empty_rows(x, size)
    _lstm(rows_of(x, first), gates, y, cells, h, c, contiguous(w_ih), contiguous(w_hh), bias,
          steps_of(x, first), launch)
    outputs = sequence_of(y, x, first)
    last = cells.reshape(times, batch, size)[-1].copy()
    return (outputs, outputs[-1].copy(), last), (gates, outputs, cells, h, c)


def lstm_backward(
    upstream: Any, saved: Any, x: np.ndarray, w_ih: np.ndarray, w_hh: np.ndarray,
    b_ih: np.ndarray | None, b_hh: np.ndarray | None,
) -> list[Any]:
    """Downstreams of x, h, c, w_ih, w_hh, b_ih, b_hh; a part of ``upstream`` may be None."""
    gates, outputs, cells, h, c = saved
    first = batch_comes_first(x)
    to_y, to_h, to_c = (plain(part, x.dtype) for part in upstream)
    dh, dc = ended(to_h, h), ended(to_c, c)
    batch, size = h.shape
    rows = rows_of(x, first)
    inputs = rows.shape[1]
    dx, dw_ih, dw_hh = empty_rows(x, inputs), np.empty_like(w_ih), np.empty_like(w_hh)
    given = cells[:0] if to_y is None else rows_of(to_y, first)
    launch = block_launch_of(x.shape[0], batch, 4 * size, size, inputs, x.itemsize)
    sums = np.zeros((launch.threads, 4 * size), x.dtype)
    _lstm_back(given, to_y is not None, gates, rows, rows_of(outputs, first), cells, h, c,
               contiguous(w_ih), contiguous(w_hh), dh, dc, dx, dw_ih, dw_hh, sums,
               steps_of(x, first), launch)
    return [sequence_of(dx, x, first), dh, dc, dw_ih, dw_hh, total(b_ih, sums), total(b_hh, sums)]
