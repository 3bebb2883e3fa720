"""Attention in blocks: softmax(q kᵀ · scale) v without ever holding the matrix of scores.

A block of queries meets one block of keys after the other; the running maximum and sum of each
row put earlier blocks in proportion.  What is kept for the way back is the output and, per query,
the logarithm of the sum; the scores are made again.

Source: Dao et al., "FlashAttention: Fast and Memory-Efficient Exact Attention", 2022.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from . import arena
from .emit import address, array_at, widest
from .functions import exp
from .host import CACHE
from .launch import parallel, share
from .microkernel import ACCUMULATE, prepare
from .pack import size_of
from .pool import pool
from .product import product, scratch_bytes
from .rows import inner, largest, total
from .workspace import workspace

BLOCK = 64  # queries, and keys, that meet at a time


class Kept(NamedTuple):
    """What attention keeps for its way back."""

    output: np.ndarray
    logarithms: np.ndarray
    causal: bool


@njit(cache=CACHE)
def _place(array):  # type: ignore[no-untyped-def]
    return address(array)


@njit(cache=CACHE)
def _scores(q, q_row, k, k_row, queries, keys, width, scale, first_query, first_key, causal,
            scores, work, zero):  # type: ignore[no-untyped-def]
    """scores[i, j] = scale · q[i] · k[j], −∞ where j comes after i and attention is causal."""
    product(q, q_row, 1, k, 1, k_row, scores, BLOCK, queries, width, keys, 0, 0, work, zero, 0, 1)
    size = size_of(zero)
    for i in range(queries):
        row = array_at(scores + i * BLOCK * size, keys, zero)
        seen = keys
        if causal:
            seen = max(min(keys, first_query + i - first_key + 1), 0)
        for j in range(seen):
            row[j] *= scale
        for j in range(seen, keys):
            row[j] = -np.inf


@njit(cache=CACHE, error_model="numpy")
def _forward_task(  # type: ignore[no-untyped-def]
    q, k, v, o, places, strides, sizes, scale, causal, logarithms, work, own, thread, threads,
):
    widest()
    queries, keys, width, values = sizes
    zero = logarithms.dtype.type(0)
    size = size_of(zero)
    scores = work + thread * own
    inner_work = scores + BLOCK * BLOCK * size
    blocks = (queries + BLOCK - 1) // BLOCK
    tops, sums = np.empty(BLOCK, logarithms.dtype), np.empty(BLOCK, logarithms.dtype)
    low, high = share(places.shape[0] * blocks, thread, threads)
    for number in range(low, high):
        head, first = number // blocks, number % blocks * BLOCK
        count = min(BLOCK, queries - first)
        q_at = q + (places[head, 0] + first * strides[0]) * size
        o_at = o + (places[head, 3] + first * strides[3]) * size
        tops[:] = -np.inf
        sums[:] = zero
        for i in range(count):
            out = array_at(o_at + i * strides[3] * size, values, zero)
            for j in range(values):
                out[j] = zero
        last = min(keys, first + count) if causal else keys
        for start in range(0, last, BLOCK):
            met = min(BLOCK, last - start)
            _scores(q_at, strides[0], k + (places[head, 1] + start * strides[1]) * size, strides[1],
                    count, met, width, scale, first, start, causal, scores, inner_work, zero)
            for i in range(count):
                row = array_at(scores + i * BLOCK * size, met, zero)
                top = max(tops[i], largest(row))
                shift = top if top > -np.inf else zero
                for j in range(met):
                    row[j] = exp(row[j] - shift)
                fade = exp(tops[i] - shift)
                sums[i] = sums[i] * fade + total(row)
                tops[i] = top
                if start > 0:
                    out = array_at(o_at + i * strides[3] * size, values, zero)
                    for j in range(values):
                        out[j] *= fade
            product(scores, BLOCK, 1, v + (places[head, 2] + start * strides[2]) * size,
                    strides[2], 1, o_at, strides[3], count, met, values, 0, ACCUMULATE,
                    inner_work, zero, 0, 1)
        for i in range(count):
            whole = sums[i]
            out = array_at(o_at + i * strides[3] * size, values, zero)
            portion = zero if whole == zero else logarithms.dtype.type(1) / whole
            for j in range(values):
                out[j] *= portion
            logarithms[head, first + i] = tops[i] + math.log(whole) if whole > zero else \
                (np.inf if whole == zero else whole)


@njit(cache=CACHE)
def _forward(  # type: ignore[no-untyped-def]
    q, k, v, o, places, strides, sizes, scale, causal, logarithms, work, own, threads,
):
    parallel(_forward_task, (q, k, v, o, places, strides, sizes, scale, causal, logarithms, work,
                             own), threads)


@njit(cache=CACHE)
def _clear(place, row, rows, columns, zero):  # type: ignore[no-untyped-def]
    for i in range(rows):
        line = array_at(place + i * row * size_of(zero), columns, zero)
        for j in range(columns):
            line[j] = zero


@njit(cache=CACHE)
def _backward_task(  # type: ignore[no-untyped-def]
    q, k, v, o, g, dq, dk, dv, places, strides, sizes, scale, causal, logarithms, work, own,
    thread, threads,
):
    widest()
    queries, keys, width, values = sizes
    zero = logarithms.dtype.type(0)
    size = size_of(zero)
    weights = work + thread * own
    pulled = weights + BLOCK * BLOCK * size
    inner_work = pulled + BLOCK * BLOCK * size
    low, high = share(places.shape[0], thread, threads)
    for head in range(low, high):
        at = places[head]
        _clear(dq + at[5] * size, strides[5], queries, width, zero)
        _clear(dk + at[6] * size, strides[6], keys, width, zero)
        _clear(dv + at[7] * size, strides[7], keys, values, zero)
        for first in range(0, queries, BLOCK):
            count = min(BLOCK, queries - first)
            q_at = q + (at[0] + first * strides[0]) * size
            o_at = o + (at[3] + first * strides[3]) * size
            g_at = g + (at[4] + first * strides[4]) * size
            last = min(keys, first + count) if causal else keys
            for start in range(0, last, BLOCK):
                met = min(BLOCK, last - start)
                k_at = k + (at[1] + start * strides[1]) * size
                v_at = v + (at[2] + start * strides[2]) * size
                _scores(q_at, strides[0], k_at, strides[1], count, met, width, scale, first, start,
                        causal, weights, inner_work, zero)
                product(g_at, strides[4], 1, v_at, 1, strides[2], pulled, BLOCK, count, values,
                        met, 0, 0, inner_work, zero, 0, 1)
                for i in range(count):
                    row = array_at(weights + i * BLOCK * size, met, zero)
                    line = array_at(pulled + i * BLOCK * size, met, zero)
                    upstream = array_at(g_at + i * strides[4] * size, values, zero)
                    output = array_at(o_at + i * strides[3] * size, values, zero)
                    mean = inner(upstream, output)
                    level = logarithms[head, first + i]
                    for j in range(met):
                        row[j] = exp(row[j] - level)
                    for j in range(met):
                        line[j] = row[j] * (line[j] - mean) * scale
                product(weights, 1, BLOCK, g_at, strides[4], 1,
                        dv + (at[7] + start * strides[7]) * size, strides[7], met, count, values,
                        0, ACCUMULATE, inner_work, zero, 0, 1)
                product(pulled, BLOCK, 1, k_at, strides[1], 1,
                        dq + (at[5] + first * strides[5]) * size, strides[5], count, met, width,
                        0, ACCUMULATE, inner_work, zero, 0, 1)
                product(pulled, 1, BLOCK, q_at, strides[0], 1,
                        dk + (at[6] + start * strides[6]) * size, strides[6], met, count, width,
                        0, ACCUMULATE, inner_work, zero, 0, 1)


@njit(cache=CACHE)
def _backward(  # type: ignore[no-untyped-def]
    q, k, v, o, g, dq, dk, dv, places, strides, sizes, scale, causal, logarithms, work, own,
    threads,
):
    parallel(_backward_task, (q, k, v, o, g, dq, dk, dv, places, strides, sizes, scale, causal,
                              logarithms, work, own), threads)


def _rows(array: np.ndarray) -> np.ndarray:
    """The array, or a copy of it if its rows are not contiguous."""
    ok = array.strides[-1] == array.itemsize and array.flags.writeable
    return array if ok else np.array(array, order="C")


def _plan(*arrays: np.ndarray) -> tuple[list[int], np.ndarray, np.ndarray]:
    """Addresses, where each head begins in each array, and the strides of their rows."""
    size = arrays[0].itemsize
    lead = arrays[0].shape[:-2]
    places = np.zeros((math.prod(lead), len(arrays)), np.int64)
    for column, array in enumerate(arrays):
        begin = np.zeros(lead, np.int64)
        for axis, count in enumerate(lead):
            steps = np.arange(count) * (array.strides[axis] // size)
            begin += steps.reshape(-1, *[1] * (len(lead) - axis - 1))
        places[:, column] = begin.reshape(-1)
    strides = np.array([array.strides[-2] // size for array in arrays], np.int64)
    return [_place(array) for array in arrays], places, strides


def _own(sizes: tuple[int, ...], size: int, blocks: int) -> int:
    """Bytes of workspace of each thread."""
    _, _, width, values = sizes
    widest = max(width, values, BLOCK)
    return -(-(blocks * BLOCK * BLOCK * size + scratch_bytes(widest, widest, size, 1)) // 64) * 64


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
    sizes = (q.shape[-2], k.shape[-2], q.shape[-1], v.shape[-1])
    output = _heads_inside((*q.shape[:-1], sizes[3]), q.dtype)
    addresses, places, strides = _plan(q, k, v, output)
    logarithms = np.empty((len(places), sizes[0]), q.dtype)
    own = _own(sizes, q.itemsize, 1)
    blocks = -(-sizes[0] // BLOCK)
    threads = _threads(len(places) * blocks, sizes)
    _forward(*addresses, places, strides, sizes, q.dtype.type(scale), causal, logarithms,
             workspace(own * threads), own, threads)
    return output, Kept(output, logarithms, causal)


def attention_backward(
    g: np.ndarray, q: np.ndarray, k: np.ndarray, v: np.ndarray, kept: Kept, scale: float
) -> list[np.ndarray]:
    """Downstreams of q, k and v; with ``p`` the weights and ``d = p (g vᵀ − Σ g · output)``:
    ``dv = pᵀ g``, ``dq = scale d k``, ``dk = scale dᵀ q``."""
    prepare(q.dtype)
    g, q, k, v = _rows(g), _rows(q), _rows(k), _rows(v)
    sizes = (q.shape[-2], k.shape[-2], q.shape[-1], v.shape[-1])
    results = [_heads_inside(array.shape, array.dtype) for array in (q, k, v)]
    addresses, places, strides = _plan(q, k, v, kept.output, g, *results)
    own = _own(sizes, q.itemsize, 2)
    threads = _threads(len(places), sizes)
    _backward(*addresses, places, strides, sizes, q.dtype.type(scale), kept.causal, kept.logarithms,
              workspace(own * threads), own, threads)
    return results
