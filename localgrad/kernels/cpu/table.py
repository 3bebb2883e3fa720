"""Embeddings: rows of a table gathered, and gradients added back to them."""

from __future__ import annotations

from math import prod

import numpy as np
from numba import njit

from . import arena
from .callee import callee
from .host import CACHE
from .launch import parallel, share
from .layout import contiguous
from .pointwise import threads_for


@callee
def _gather_task(table, index, y, thread, threads):  # type: ignore[no-untyped-def]
    low, high = share(index.size, thread, threads)
    for position in range(low, high):
        source, target = table[index[position]], y[position]
        for j in range(target.size):
            target[j] = source[j]


@njit(cache=CACHE)
def _gather(table, index, y, threads):  # type: ignore[no-untyped-def]
    parallel(_gather_task, (table, index, y), threads)


@callee
def _scatter_task(g, index, result, thread, threads):  # type: ignore[no-untyped-def]
    """Every thread adds its own columns, in the order of the rows: reproducible and unlocked."""
    low, high = share(result.shape[1], thread, threads)
    for row in range(result.shape[0]):
        target = result[row, low:high]
        for j in range(target.size):
            target[j] = result.dtype.type(0)
    for position in range(index.size):
        source, target = g[position, low:high], result[index[position], low:high]
        for j in range(target.size):
            target[j] += source[j]


@njit(cache=CACHE)
def _scatter(g, index, result, threads):  # type: ignore[no-untyped-def]
    parallel(_scatter_task, (g, index, result), threads)


def _positions(index: np.ndarray, count: int) -> np.ndarray:
    """The index as a run of numbers from 0 on; the compiled loops do not look for mistakes."""
    run = contiguous(index.astype(np.int64, copy=False)).reshape(-1)
    if run.size and run.view(np.uint64).max() >= count:  # negative numbers are the largest here
        run = np.where(run < 0, run + count, run)
        if run.min() < 0 or run.max() >= count:
            raise IndexError(f"an index lies outside a table of {count} rows")
    return run


def gather_rows(table: np.ndarray, index: np.ndarray) -> np.ndarray:
    """``table[index]`` of a 2-d table."""
    y = arena.empty((*index.shape, table.shape[1]), table.dtype)
    if y.size:
        run = _positions(index, table.shape[0])
        _gather(contiguous(table), run, y.reshape(run.size, -1), threads_for(y.size))
    return y


def scatter_rows(g: np.ndarray, index: np.ndarray, count: int) -> np.ndarray:
    """``count`` rows of zeros with the rows of g added where ``index`` says."""
    width = prod(g.shape[index.ndim:])
    result = arena.empty((count, width), g.dtype)
    run = _positions(index, count)
    _scatter(contiguous(g).reshape(run.size, width), run, result, threads_for(g.size))
    return result
