"""Attention's kernels: a block of queries meets one block of keys after the other.

The running maximum and sum of each row put earlier blocks in proportion.  What is kept for the way
back is the output and, per query, the largest score and the sum's inverse; the scores are made
again.

Source: Dao et al., "FlashAttention: Fast and Memory-Efficient Exact Attention", 2022.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .callee import callee
from .emit import SUMS, array_at, matrix_at, prefetch, widest
from .functions import decay, exp, maximum
from .host import CACHE, LINE
from .launch import parallel, share
from .microkernel import ACCUMULATE
from .objects import data_of, length_of, run_at, table_at
from .pack import size_of
from .product import product
from .rows import inner

BLOCK = 64  # queries, and keys, that meet at a time


@callee
def _ask(arrays, begins, strides, row, width, zero):  # type: ignore[no-untyped-def]
    """Fetch one row of the next head ahead of its use; no harm where an array has no such row.

    Rows of one head lie far apart, and nobody guesses them.
    """
    size = size_of(zero)
    for number in range(len(arrays)):
        place = arrays[number] + (begins[number] + row * strides[number]) * size
        for part in range(0, width * size, LINE):
            prefetch(place + part)


@callee
def _clear(place, row, rows, columns, zero):  # type: ignore[no-untyped-def]
    for i in range(rows):
        line = array_at(place + i * row * size_of(zero), columns, zero)
        for j in range(columns):
            line[j] = zero


@callee
def _seen(window, keys, query, first_key, causal):  # type: ignore[no-untyped-def]
    """Ones for those of a block's keys that this query may look at, zeros for the others.

    A window that slides over ones and zeros: numbers, not a comparison of places, because those
    are twice as wide as the scores and would halve the vectors.
    """
    count = max(min(keys, query - first_key + 1), 0) if causal else keys
    return window[BLOCK - count:BLOCK - count + keys]


@callee(fastmath=SUMS)
def _largest(row, scale, seen):  # type: ignore[no-untyped-def]
    """The largest score of the keys that are seen: where ``seen`` is above zero."""
    hidden = row.dtype.type(-np.inf)
    result = hidden
    for j in range(row.size):
        result = maximum(result, row[j] * scale if seen[j] > 0 else hidden)
    return result


@callee(fastmath=SUMS)
def _exponentials(row, scale, seen, shift):  # type: ignore[no-untyped-def]
    """row ← exp(scale · row − shift), zero where a key is not seen; returns the sum."""
    zero = row.dtype.type(0)
    whole = zero
    for j in range(row.size):
        value = decay(row[j] * scale - shift) if seen[j] > 0 else zero
        row[j] = value
        whole += value
    return whole


@callee(error_model="numpy")
def _forward_task(  # type: ignore[no-untyped-def]
    q, k, v, o, places, strides, sizes, scale, window, causal, shifts, portions, work, own,
    thread, threads,
):
    widest()
    queries, keys, width, values, together = sizes
    zero = shifts.dtype.type(0)
    size = size_of(zero)
    scores = work + thread * own
    inner_work = scores + BLOCK * BLOCK * size
    blocks = (queries + together - 1) // together
    tops, sums = np.empty(BLOCK, shifts.dtype), np.empty(BLOCK, shifts.dtype)
    low, high = share(places.shape[0] * blocks, thread, threads)
    for number in range(low, high):
        head, first = number // blocks, number % blocks * together
        count = min(together, queries - first)
        q_at = q + (places[head, 0] + first * strides[0]) * size
        o_at = o + (places[head, 3] + first * strides[3]) * size
        later = places[min(head + 1, places.shape[0] - 1)]
        tops[:] = -np.inf
        sums[:] = zero
        last = min(keys, first + count) if causal else keys
        if last == 0:
            _clear(o_at, strides[3], count, values, zero)
        for start in range(0, last, BLOCK):
            met = min(BLOCK, last - start)
            product(q_at, strides[0], 1, k + (places[head, 1] + start * strides[1]) * size, 1,
                    strides[1], scores, BLOCK, count, width, met, 0, 0, inner_work, zero, 0, 1)
            # Two loops: many rows are under way at once in each, and nobody waits for a maximum.
            for i in range(count):
                seen = _seen(window, met, first + i, start, causal)
                row = array_at(scores + i * BLOCK * size, met, zero)
                shifts[head, first + i] = max(tops[i], _largest(row, scale, seen))
                if start == 0:
                    _ask((q, k, v), later, strides, first + i, width, zero)
            for i in range(count):
                seen = _seen(window, met, first + i, start, causal)
                row = array_at(scores + i * BLOCK * size, met, zero)
                top = shifts[head, first + i]
                shift = top if top > -np.inf else zero
                whole = _exponentials(row, scale, seen, shift)
                if start > 0:
                    fade = exp(tops[i] - shift)
                    whole += sums[i] * fade
                    out = array_at(o_at + i * strides[3] * size, values, zero)
                    for j in range(values):
                        out[j] *= fade
                tops[i], sums[i] = top, whole
            product(scores, BLOCK, 1, v + (places[head, 2] + start * strides[2]) * size,
                    strides[2], 1, o_at, strides[3], count, met, values, 0,
                    ACCUMULATE if start > 0 else 0, inner_work, zero, 0, 1)
        for i in range(count):
            out = array_at(o_at + i * strides[3] * size, values, zero)
            portion = zero if sums[i] == zero else shifts.dtype.type(1) / sums[i]
            for j in range(values):
                out[j] *= portion
            shifts[head, first + i] = tops[i] if tops[i] > -np.inf else zero
            portions[head, first + i] = portion


@callee
def _backward_task(  # type: ignore[no-untyped-def]
    q, k, v, o, g, dq, dk, dv, places, strides, sizes, scale, window, causal, shifts, portions,
    work, own, thread, threads,
):
    widest()
    queries, keys, width, values, together = sizes
    zero = shifts.dtype.type(0)
    size = size_of(zero)
    weights = work + thread * own
    pulled = weights + BLOCK * BLOCK * size
    inner_work = pulled + BLOCK * BLOCK * size
    means = np.empty(BLOCK, shifts.dtype)
    low, high = share(places.shape[0], thread, threads)
    for head in range(low, high):
        at, later = places[head], places[min(head + 1, places.shape[0] - 1)]
        _clear(dk + at[6] * size, strides[6], keys, width, zero)
        _clear(dv + at[7] * size, strides[7], keys, values, zero)
        for first in range(0, queries, together):
            count = min(together, queries - first)
            q_at = q + (at[0] + first * strides[0]) * size
            o_at = o + (at[3] + first * strides[3]) * size
            g_at = g + (at[4] + first * strides[4]) * size
            dq_at = dq + (at[5] + first * strides[5]) * size
            for i in range(count):
                means[i] = inner(array_at(g_at + i * strides[4] * size, values, zero),
                                 array_at(o_at + i * strides[3] * size, values, zero))
            last = min(keys, first + count) if causal else keys
            if last == 0:
                _clear(dq_at, strides[5], count, width, zero)
            for start in range(0, last, BLOCK):
                met = min(BLOCK, last - start)
                k_at = k + (at[1] + start * strides[1]) * size
                v_at = v + (at[2] + start * strides[2]) * size
                product(q_at, strides[0], 1, k_at, 1, strides[1], weights, BLOCK, count, width,
                        met, 0, 0, inner_work, zero, 0, 1)
                product(g_at, strides[4], 1, v_at, 1, strides[2], pulled, BLOCK, count, values,
                        met, 0, 0, inner_work, zero, 0, 1)
                for i in range(count):
                    query = first + i
                    seen = _seen(window, met, query, start, causal)
                    row = array_at(weights + i * BLOCK * size, met, zero)
                    line = array_at(pulled + i * BLOCK * size, met, zero)
                    mean, shift = means[i], shifts[head, query]
                    portion = portions[head, query]
                    for j in range(met):
                        row[j] = decay(row[j] * scale - shift) * portion if seen[j] > 0 else zero
                        line[j] = row[j] * (line[j] - mean) * scale
                    if start == 0:
                        _ask((q, k, v, o, g, dq, dk, dv), later, strides, query, width, zero)
                product(weights, 1, BLOCK, g_at, strides[4], 1,
                        dv + (at[7] + start * strides[7]) * size, strides[7], met, count, values,
                        0, ACCUMULATE, inner_work, zero, 0, 1)
                product(pulled, 1, BLOCK, q_at, strides[0], 1,
                        dk + (at[6] + start * strides[6]) * size, strides[6], met, count, width,
                        0, ACCUMULATE, inner_work, zero, 0, 1)
                product(pulled, BLOCK, 1, k_at, strides[1], 1, dq_at, strides[5], count, met, width,
                        0, 0 if start == 0 else ACCUMULATE, inner_work, zero, 0, 1)


@callee
def _kept(kept, like):  # type: ignore[no-untyped-def]
    """Per head and query the largest score and the sum's inverse, of an array of both."""
    heads, queries = length_of(kept, 1), length_of(kept, 2)
    shifts = data_of(kept)
    return (matrix_at(shifts, heads, queries, like),
            matrix_at(shifts + heads * queries * size_of(like), heads, queries, like))


@njit(cache=CACHE)
def forward(  # type: ignore[no-untyped-def]
    q, k, v, o, kept, places, strides, window, sizes, scale, causal, like, work, own, threads,
):
    """The arrays by their addresses; what ``attending.Plan`` says of where they lie."""
    shifts, portions = _kept(kept, like)
    parallel(_forward_task,
             (data_of(q), data_of(k), data_of(v), data_of(o), table_at(places, np.int64(0)),
              run_at(strides, np.int64(0)), sizes, type(like)(scale), run_at(window, like),
              causal, shifts, portions, work, own), threads)


@njit(cache=CACHE)
def backward(  # type: ignore[no-untyped-def]
    q, k, v, o, g, dq, dk, dv, kept, places, strides, window, sizes, scale, causal, like, work,
    own, threads,
):
    shifts, portions = _kept(kept, like)
    parallel(_backward_task,
             (data_of(q), data_of(k), data_of(v), data_of(o), data_of(g), data_of(dq), data_of(dk),
              data_of(dv), table_at(places, np.int64(0)), run_at(strides, np.int64(0)), sizes,
              type(like)(scale), run_at(window, like), causal, shifts, portions, work, own),
             threads)
