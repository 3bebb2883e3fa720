"""Attention in blocks: softmax(q kᵀ · scale) v without ever holding the matrix of scores.

A block of queries meets one block of keys after the other; the running maximum and sum of each
row put earlier blocks in proportion.  What is kept for the way back is the output and, per query,
the largest score and the sum's inverse; the scores are made again.

Source: Dao et al., "FlashAttention: Fast and Memory-Efficient Exact Attention", 2022.
"""

from __future__ import annotations

import math
from functools import cache, lru_cache
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from . import arena
from .emit import SUMS, array_at, widest
from .functions import decay, exp, maximum
from .host import CACHE
from .launch import parallel, share
from .microkernel import ACCUMULATE
from .objects import data_of, places_of
from .pack import size_of
from .pool import pool
from .product import prepare, product, scratch_bytes
from .rows import inner
from .workspace import whole_lines, workspace

BLOCK = 64  # queries, and keys, that meet at a time


class Kept(NamedTuple):
    """What attention keeps for its way back."""

    output: np.ndarray
    shifts: np.ndarray  #: per query the largest score
    portions: np.ndarray  #: per query 1 / Σ exp(score − shift)
    causal: bool


@njit(cache=CACHE)
def _scaled(q, row, rows, width, scale, target, zero):  # type: ignore[no-untyped-def]
    """A block of queries times ``scale``, end to end; scaling the scores would touch more."""
    size = size_of(zero)
    for i in range(rows):
        source = array_at(q + i * row * size, width, zero)
        line = array_at(target + i * width * size, width, zero)
        for j in range(width):
            line[j] = source[j] * scale


@njit(cache=CACHE)
def _clear(place, row, rows, columns, zero):  # type: ignore[no-untyped-def]
    for i in range(rows):
        line = array_at(place + i * row * size_of(zero), columns, zero)
        for j in range(columns):
            line[j] = zero


@njit(cache=CACHE)
def _scaled_in_place(place, row, rows, width, scale, zero):  # type: ignore[no-untyped-def]
    for i in range(rows):
        line = array_at(place + i * row * size_of(zero), width, zero)
        for j in range(width):
            line[j] *= scale


@njit(cache=CACHE)
def _seen(window, keys, query, first_key, causal):  # type: ignore[no-untyped-def]
    """Ones for those of a block's keys that this query may look at, zeros for the others.

    A window that slides over ones and zeros: numbers, not a comparison of places, because those
    are twice as wide as the scores and would halve the vectors.
    """
    count = max(min(keys, query - first_key + 1), 0) if causal else keys
    return window[BLOCK - count:BLOCK - count + keys]


@njit(cache=CACHE, fastmath=SUMS)
def _largest(row, seen):  # type: ignore[no-untyped-def]
    """The maximum of the keys that are seen: where ``seen`` is above zero."""
    hidden = row.dtype.type(-np.inf)
    result = hidden
    for j in range(row.size):
        result = maximum(result, row[j] if seen[j] > 0 else hidden)
    return result


@njit(cache=CACHE, fastmath=SUMS)
def _exponentials(row, seen, shift):  # type: ignore[no-untyped-def]
    """row ← exp(row − shift), zero where a key is not seen; returns the sum."""
    zero = row.dtype.type(0)
    whole = zero
    for j in range(row.size):
        value = decay(row[j] - shift) if seen[j] > 0 else zero
        row[j] = value
        whole += value
    return whole


@njit(cache=CACHE, error_model="numpy")
def _forward_task(  # type: ignore[no-untyped-def]
    q, k, v, o, places, strides, sizes, scale, window, causal, shifts, portions, work, own,
    thread, threads,
):
    widest()
    queries, keys, width, values, together = sizes
    zero = shifts.dtype.type(0)
    size = size_of(zero)
    scores = work + thread * own
    scaled = scores + BLOCK * BLOCK * size
    inner_work = scaled + BLOCK * width * size
    blocks = (queries + together - 1) // together
    tops, sums = np.empty(BLOCK, shifts.dtype), np.empty(BLOCK, shifts.dtype)
    low, high = share(places.shape[0] * blocks, thread, threads)
    for number in range(low, high):
        head, first = number // blocks, number % blocks * together
        count = min(together, queries - first)
        o_at = o + (places[head, 3] + first * strides[3]) * size
        _scaled(q + (places[head, 0] + first * strides[0]) * size, strides[0], count, width, scale,
                scaled, zero)
        tops[:] = -np.inf
        sums[:] = zero
        last = min(keys, first + count) if causal else keys
        if last == 0:
            _clear(o_at, strides[3], count, values, zero)
        for start in range(0, last, BLOCK):
            met = min(BLOCK, last - start)
            product(scaled, width, 1, k + (places[head, 1] + start * strides[1]) * size, 1,
                    strides[1], scores, BLOCK, count, width, met, 0, 0, inner_work, zero, 0, 1)
            # Two loops: many rows are under way at once in each, and nobody waits for a maximum.
            for i in range(count):
                seen = _seen(window, met, first + i, start, causal)
                row = array_at(scores + i * BLOCK * size, met, zero)
                shifts[head, first + i] = max(tops[i], _largest(row, seen))
            for i in range(count):
                seen = _seen(window, met, first + i, start, causal)
                row = array_at(scores + i * BLOCK * size, met, zero)
                top = shifts[head, first + i]
                shift = top if top > -np.inf else zero
                whole = _exponentials(row, seen, shift)
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


@njit(cache=CACHE)
def _places(arrays):  # type: ignore[no-untyped-def]
    """Where four arrays lie."""
    return (data_of(arrays[0, 0]), data_of(arrays[0, 1]), data_of(arrays[0, 2]),
            data_of(arrays[0, 3]))


@njit(cache=CACHE)
def _forward(  # type: ignore[no-untyped-def]
    arrays, places, strides, sizes, scale, window, causal, shifts, portions, work, own, threads,
):
    q, k, v, o = _places(arrays)
    parallel(_forward_task, (q, k, v, o, places, strides, sizes, scale, window, causal, shifts,
                             portions, work, own), threads)


@njit(cache=CACHE)
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
    scaled = pulled + BLOCK * BLOCK * size
    inner_work = scaled + BLOCK * width * size
    means = np.empty(BLOCK, shifts.dtype)
    low, high = share(places.shape[0], thread, threads)
    for head in range(low, high):
        at = places[head]
        _clear(dk + at[6] * size, strides[6], keys, width, zero)
        _clear(dv + at[7] * size, strides[7], keys, values, zero)
        for first in range(0, queries, together):
            count = min(together, queries - first)
            o_at = o + (at[3] + first * strides[3]) * size
            g_at = g + (at[4] + first * strides[4]) * size
            dq_at = dq + (at[5] + first * strides[5]) * size
            _scaled(q + (at[0] + first * strides[0]) * size, strides[0], count, width, scale,
                    scaled, zero)
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
                product(scaled, width, 1, k_at, 1, strides[1], weights, BLOCK, count, width, met,
                        0, 0, inner_work, zero, 0, 1)
                product(g_at, strides[4], 1, v_at, 1, strides[2], pulled, BLOCK, count, values,
                        met, 0, 0, inner_work, zero, 0, 1)
                for i in range(count):
                    seen = _seen(window, met, first + i, start, causal)
                    row = array_at(weights + i * BLOCK * size, met, zero)
                    line = array_at(pulled + i * BLOCK * size, met, zero)
                    mean, shift = means[i], shifts[head, first + i]
                    portion = portions[head, first + i]
                    for j in range(met):
                        row[j] = decay(row[j] - shift) * portion if seen[j] > 0 else zero
                        line[j] = row[j] * (line[j] - mean)
                product(weights, 1, BLOCK, g_at, strides[4], 1,
                        dv + (at[7] + start * strides[7]) * size, strides[7], met, count, values,
                        0, ACCUMULATE, inner_work, zero, 0, 1)
                product(pulled, 1, BLOCK, scaled, width, 1,
                        dk + (at[6] + start * strides[6]) * size, strides[6], met, count, width,
                        0, ACCUMULATE, inner_work, zero, 0, 1)
                product(pulled, BLOCK, 1, k_at, strides[1], 1, dq_at, strides[5], count, met, width,
                        0, 0 if start == 0 else ACCUMULATE, inner_work, zero, 0, 1)
            _scaled_in_place(dq_at, strides[5], count, width, scale, zero)


@njit(cache=CACHE)
def _backward(  # type: ignore[no-untyped-def]
    arrays, places, strides, sizes, scale, window, causal, shifts, portions, work, own, threads,
):
    q, k, v, o = _places(arrays)
    g, dq, dk, dv = _places(arrays[:, 4:])
    parallel(_backward_task, (q, k, v, o, g, dq, dk, dv, places, strides, sizes, scale, window,
                              causal, shifts, portions, work, own), threads)


def _rows(array: np.ndarray) -> np.ndarray:
    """The array, or a copy of it if its rows are not contiguous."""
    return array if array.strides[-1] == array.itemsize else np.array(array, order="C")


@lru_cache(maxsize=256)
def _layout(
    lead: tuple[int, ...], size: int, *strides: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Where each head begins in each array, and the strides of their rows, in elements.

    A training step asks the same again.
    """
    places = np.zeros((math.prod(lead), len(strides)), np.int64)
    for column, steps in enumerate(strides):
        begin = np.zeros(lead, np.int64)
        for axis, step in enumerate(steps[:-2]):
            place = np.arange(lead[axis]) * (step // size)
            begin += place.reshape(-1, *[1] * (len(lead) - axis - 1))
        places[:, column] = begin.reshape(-1)
    return places, np.array([steps[-2] // size for steps in strides], np.int64)


@cache
def _window(dtype: np.dtype) -> np.ndarray:
    return np.repeat(np.array([1, 0], dtype), BLOCK)


def _sizes(q: np.ndarray, k: np.ndarray, v: np.ndarray, causal: bool) -> tuple[int, ...]:
    """Queries, keys, the widths of a key and of a value, and how many queries go together.

    Fewer of them meet fewer keys that are hidden from all, which counts in short sequences.
    """
    queries = q.shape[-2]
    together = BLOCK // 2 if causal and queries <= 2 * BLOCK else BLOCK
    return queries, k.shape[-2], q.shape[-1], v.shape[-1], together


def _own(sizes: tuple[int, ...], size: int, blocks: int) -> int:
    """Bytes of workspace of each thread."""
    _, _, width, values, _ = sizes
    widest = max(width, values, BLOCK)
    elements = blocks * BLOCK * BLOCK + BLOCK * width  # of scores, and of scaled queries
    return whole_lines(elements * size + scratch_bytes(widest, widest, size))


def _heads_inside(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An array (…, heads, rows, width) that lies as (…, rows, heads, width): heads merge freely."""
    if len(shape) < 3:
        return arena.empty(shape, dtype)
    *lead, heads, rows, width = shape
    return arena.empty((*lead, rows, heads, width), dtype).swapaxes(-3, -2)


def _threads(heads: int, sizes: tuple[int, ...]) -> int:
    return min(pool.threads, heads) if heads * sizes[0] * sizes[1] >= 1 << 12 else 1


def attention(
    q: np.ndarray, k: np.ndarray, v: np.ndarray, causal: bool, scale: float
) -> tuple[np.ndarray, Any]:
    """``softmax(q kᵀ · scale) v`` for q (…, queries, width), k (…, keys, width), v (…, keys,
    values), one leading shape; causal: query i sees the keys up to i.

    Returns the output and what ``attention_backward`` needs.
    """
    prepare(q.dtype)
    q, k, v = _rows(q), _rows(k), _rows(v)
    sizes = _sizes(q, k, v, causal)
    output = _heads_inside((*q.shape[:-1], sizes[3]), q.dtype)
    arrays = [q, k, v, output]
    places, strides = _layout(q.shape[:-2], q.itemsize, *[array.strides for array in arrays])
    shifts, portions = np.empty((2, len(places), sizes[0]), q.dtype)
    own = _own(sizes, q.itemsize, 1)
    blocks = -(-sizes[0] // sizes[4])
    threads = _threads(len(places) * blocks, sizes)
    _forward(places_of(arrays), places, strides, sizes, q.dtype.type(scale), _window(q.dtype),
             causal, shifts, portions, workspace(own * threads), own, threads)
    return output, Kept(output, shifts, portions, causal)


def attention_backward(
    g: np.ndarray, q: np.ndarray, k: np.ndarray, v: np.ndarray, kept: Kept, scale: float
) -> list[np.ndarray]:
    """Downstreams of q, k and v; with ``p`` the weights and ``d = p (g vᵀ − Σ g · output)``:
    ``dv = pᵀ g``, ``dq = scale d k``, ``dk = scale dᵀ q``."""
    prepare(q.dtype)
    g, q, k, v = _rows(g), _rows(q), _rows(k), _rows(v)
    sizes = _sizes(q, k, v, kept.causal)
    results = [_heads_inside(array.shape, array.dtype) for array in (q, k, v)]
    arrays = [q, k, v, kept.output, g, *results]
    places, strides = _layout(q.shape[:-2], q.itemsize, *[array.strides for array in arrays])
    own = _own(sizes, q.itemsize, 2)
    threads = _threads(len(places), sizes)
    _backward(places_of(arrays), places, strides, sizes, q.dtype.type(scale), _window(q.dtype),
              kept.causal, kept.shifts, kept.portions, workspace(own * threads), own, threads)
    return results
