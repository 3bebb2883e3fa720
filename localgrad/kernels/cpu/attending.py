"""Attention: softmax(q kᵀ · scale) v without ever holding the matrix of scores."""

from __future__ import annotations

import math
from functools import cache, lru_cache
from typing import Any, NamedTuple

import numpy as np

from localgrad.kernels.neighbours import new_alike

from . import arena
from .attending_blocks import BLOCK, backward, forward
from .objects import LIKES
from .pool import pool
from .product import prepare, scratch_bytes
from .workspace import whole_lines, workspace

Sizes = tuple[int, int, int, int, int]


class Kept(NamedTuple):
    """What attention keeps for its way back."""

    output: np.ndarray
    rows: np.ndarray  #: per query the largest score, and 1 / Σ exp(score − largest)
    causal: bool


class Plan(NamedTuple):
    """How arrays that lie so are attended to; a training step asks the same again."""

    sizes: Sizes  #: queries, keys, the widths of a key and of a value, queries that go together
    places: np.ndarray  #: where each head begins in each array, in elements
    strides: np.ndarray  #: of each array's rows, in elements
    window: np.ndarray
    like: Any  #: a zero of their type
    own: int  #: bytes of workspace of each thread
    threads: int


@cache
def _window(dtype: np.dtype) -> np.ndarray:
    return np.repeat(np.array([1, 0], dtype), BLOCK)


@lru_cache(maxsize=1024)
def _plan(
    q: tuple[int, ...], v: tuple[int, ...], dtype: np.dtype, causal: bool, most: int,
    *steps: tuple[int, ...],
) -> Plan:
    """For queries and values of those shapes, ``most`` threads and arrays of those strides."""
    prepare(dtype)
    (*lead, queries, width), (keys, values), size = q, v[-2:], dtype.itemsize
    # Fewer queries meet fewer keys that are hidden from all, which counts in short sequences.
    together = BLOCK // 2 if causal and queries <= 2 * BLOCK else BLOCK
    heads = math.prod(lead)
    places = np.zeros((heads, len(steps)), np.int64)
    for column, strides in enumerate(steps):
        begin = np.zeros(lead, np.int64)
        for axis, step in enumerate(strides[:-2]):
            place = np.arange(lead[axis]) * (step // size)
            begin += place.reshape(-1, *[1] * (len(lead) - axis - 1))
        places[:, column] = begin.reshape(-1)
    widest = max(width, values, BLOCK)
    # Two blocks: of scores, and of what they receive on the way back.
    own = whole_lines(2 * BLOCK * BLOCK * size + scratch_bytes(widest, widest, size))
    shared = heads * (-(-queries // together) if len(steps) == 4 else 1)
    threads = min(most, shared) if shared * queries * keys >= 1 << 12 else 1
    return Plan((queries, keys, width, values, together), places,
                np.array([strides[-2] // size for strides in steps], np.int64), _window(dtype),
                LIKES[dtype], own, threads)


def _rows(*arrays: np.ndarray) -> list[np.ndarray]:
    """The arrays, or copies of those whose rows are not contiguous."""
    return [a if a.strides[-1] == a.itemsize else np.array(a, order="C") for a in arrays]


def _heads_inside(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An array (…, heads, rows, width) that lies as (…, rows, heads, width): heads merge freely."""
    if len(shape) < 3:
        return arena.empty(shape, dtype)
    *lead, heads, rows, width = shape
    return arena.empty((*lead, rows, heads, width), dtype).swapaxes(-3, -2)


def attention(
    q: np.ndarray, k: np.ndarray, v: np.ndarray, causal: bool, scale: float
) -> tuple[np.ndarray, Kept]:
    """``softmax(q kᵀ · scale) v`` for q (…, queries, width), k (…, keys, width), v (…, keys,
    values), one leading shape; causal: query i sees the keys up to i.

    Returns the output and what ``attention_backward`` needs.
    """
    q, k, v = _rows(q, k, v)
    output = _heads_inside((*q.shape[:-1], v.shape[-1]), q.dtype)
    plan = _plan(q.shape, v.shape, q.dtype, causal, pool.threads, q.strides, k.strides, v.strides,
                 output.strides)
    rows = np.empty((2, len(plan.places), plan.sizes[0]), q.dtype)
    forward(id(q), id(k), id(v), id(output), id(rows), id(plan.places), id(plan.strides),
            id(plan.window), plan.sizes, float(scale), causal, plan.like,
            workspace(plan.own * plan.threads), plan.own, plan.threads)
    return output, Kept(output, rows, causal)


def attention_backward(
    g: np.ndarray, q: np.ndarray, k: np.ndarray, v: np.ndarray, kept: Kept, scale: float
) -> list[np.ndarray]:
    """Downstreams of q, k and v; with ``p`` the weights and ``d = p (g vᵀ − Σ g · output)``:
    ``dv = pᵀ g``, ``dq = scale d k``, ``dk = scale dᵀ q``."""
    g, q, k, v = _rows(g, q, k, v)
    output, rows, causal = kept
    # Where q, k and v are pieces of one array, so are their gradients: nobody copies them together.
    dq, dk, dv = results = new_alike([q, k, v], arena.empty) or [
        _heads_inside(array.shape, array.dtype) for array in (q, k, v)]
    plan = _plan(q.shape, v.shape, q.dtype, causal, pool.threads,
                 *[array.strides for array in (q, k, v, output, g, dq, dk, dv)])
    backward(id(q), id(k), id(v), id(output), id(g), id(dq), id(dk), id(dv), id(rows),
             id(plan.places), id(plan.strides), id(plan.window), plan.sizes, float(scale), causal,
             plan.like, workspace(plan.own * plan.threads), plan.own, plan.threads)
    return results
