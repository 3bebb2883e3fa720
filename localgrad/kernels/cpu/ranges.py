"""A range along one axis of an array: put back among zeros, and added to what stands there."""

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
def _put_task(g, result, first, thread, threads):  # type: ignore[no-untyped-def]
    low, high = share(g.shape[0], thread, threads)
    zero, last = g.dtype.type(0), first + g.shape[1]
    for row in range(low, high):
        source, target = g[row], result[row]
        before, part, after = target[:first], target[first:last], target[last:]
        for j in range(before.size):
            before[j] = zero
        for j in range(part.size):
            part[j] = source[j]
        for j in range(after.size):
            after[j] = zero


@njit(cache=CACHE)
def _put(g, result, first, threads):  # type: ignore[no-untyped-def]
    parallel(_put_task, (g, result, first), threads)


@callee
def _add_task(g, result, first, thread, threads):  # type: ignore[no-untyped-def]
    low, high = share(g.shape[0], thread, threads)
    for row in range(low, high):
        source, part = g[row], result[row, first:first + g.shape[1]]
        for j in range(part.size):
            part[j] += source[j]


@njit(cache=CACHE)
def _add(g, result, first, threads):  # type: ignore[no-untyped-def]
    parallel(_add_task, (g, result, first), threads)


def put_range(g: np.ndarray, shape: tuple[int, ...], axis: int, start: int) -> np.ndarray:
    """Zeros of ``shape`` with g from ``start`` on along ``axis``, which a single place lacks."""
    result = arena.empty(shape, g.dtype)
    rows = prod(shape[:axis])
    _put(contiguous(g).reshape(rows, -1), result.reshape(rows, -1),
         start * prod(shape[axis + 1:]), threads_for(result.size))
    return result


def add_range(result: np.ndarray, g: np.ndarray, axis: int, start: int) -> None:
    """``result += put_range(g, …)``, in place; ``result`` is contiguous."""
    shape = result.shape
    rows = prod(shape[:axis])
    _add(contiguous(g).reshape(rows, -1), result.reshape(rows, -1),
         start * prod(shape[axis + 1:]), threads_for(g.size))
