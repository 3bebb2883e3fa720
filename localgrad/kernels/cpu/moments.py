"""Statistics of an array in one pass over its memory, accumulated in double precision.

A recorder reads every gradient of a step once, so this must cost little more than the reading.
The loops promise the compiler that there are no NaNs, which lets it vectorise the count of zeros;
a block whose squares do not add up to a finite number is counted again without that promise.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import carray, njit, types
from numba.extending import intrinsic

from localgrad.kernels.moments import INNER, NONFINITE, SQUARE, TOTAL, ZEROS

from .host import CACHE
from .launch import parallel, share
from .pool import pool

_BLOCK = 4096  # elements: a block is read several times, from the nearest cache
_SHARED = 1 << 15  # elements from which on the threads share the work

_fast = {"reassoc", "contract", "nsz", "nnan"}
_exact = {"reassoc", "contract", "nsz"}


@njit(cache=CACHE, fastmath=_fast)
def _zeros(x: Any) -> float:
    one, none = x.dtype.type(1), x.dtype.type(0)
    count = none
    for i in range(x.size):
        count += one if x[i] == none else none
    return np.float64(count)


@njit(cache=CACHE, fastmath=_exact)
def _sums(x: Any) -> tuple[float, float]:
    square = 0.0
    total = 0.0
    for i in range(x.size):
        value = np.float64(x[i])
        square += value * value
        total += value
    return square, total


@njit(cache=CACHE, fastmath=_exact)
def _inner(x: Any, y: Any) -> tuple[float, float]:
    square = 0.0
    inner = 0.0
    for i in range(x.size):
        value = np.float64(x[i])
        square += value * value
        inner += value * np.float64(y[i])
    return square, inner


@njit(cache=CACHE)
def _nonfinite(x: Any, row: Any) -> None:
    """Count a block with NaNs or infinities in it; `row` has its zeros still to come."""
    for i in range(x.size):
        row[NONFINITE] += not math.isfinite(x[i])
        row[ZEROS] += x[i] == 0


@njit(cache=CACHE)
def _measure_part(x: Any, row: Any) -> None:
    """Add the moments of ``x`` to ``row``."""
    for start in range(0, x.size, _BLOCK):
        part = x[start : start + _BLOCK]
        square, total = _sums(part)
        row[SQUARE] += square
        row[TOTAL] += total
        if math.isfinite(square):
            row[ZEROS] += _zeros(part)
        else:
            _nonfinite(part, row)


@njit(cache=CACHE)
def _measure(x: Any, table: Any, index: int) -> float:
    row = table[index]
    row[:] = 0.0
    _measure_part(x, row)
    row[INNER] = row[SQUARE]
    return row[SQUARE]


@njit(cache=CACHE)
def _measure_task(x: Any, rows: Any, thread: int, threads: int) -> None:
    low, high = share(-(-x.size // _BLOCK), thread, threads)
    _measure_part(x[low * _BLOCK : high * _BLOCK], rows[thread])


@njit(cache=CACHE)
def _measure_together(x: Any, table: Any, index: int, threads: int) -> float:
    rows = np.zeros((threads, table.shape[1]))
    parallel(_measure_task, (x, rows), threads)  # type: ignore[call-arg]
    for column in range(table.shape[1]):
        table[index, column] = rows[:, column].sum()
    table[index, INNER] = table[index, SQUARE]
    return table[index, SQUARE]


def measure(x: Any, table: Any, index: int) -> float:
    """Write the moments of the contiguous vector ``x`` into row ``index``; return Σx²."""
    if x.size < _SHARED:
        return _measure(x, table, index)
    return _measure_together(x, table, index, pool.threads)


@intrinsic
def _pointer(typingctx: Any, address: Any, like: Any) -> Any:
    """The address as a pointer to elements of ``like``'s dtype."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.inttoptr(values[0], context.get_value_type(signature.return_type))

    return types.CPointer(like.dtype)(types.intp, like), codegen


@njit(cache=CACHE)
def _take_away(gap: Any, part: Any) -> None:
    for i in range(part.size):
        gap[i] -= part[i]


@njit(cache=CACHE)
def _join_part(addresses: Any, total: Any, low: int, high: int, rows: Any) -> float:
    """Add the moments of elements ``low`` to ``high``; return the square of what is missing."""
    gap = np.empty(_BLOCK, total.dtype)
    difference = 0.0
    for start in range(low, high, _BLOCK):
        whole = total[start : min(start + _BLOCK, high)]
        size = whole.size
        for i in range(size):  # an array assignment would first look for overlaps
            gap[i] = whole[i]
        for j in range(addresses.size):
            memory: Any = _pointer(addresses[j], total)  # type: ignore[call-arg]
            part = carray(memory, total.size)[start : start + size]
            square, inner = _inner(part, whole)
            row = rows[j]
            row[SQUARE] += square
            row[INNER] += inner
            if math.isfinite(square):
                row[ZEROS] += _zeros(part)
            else:
                _nonfinite(part, row)
            _take_away(gap[:size], part)
        difference += _sums(gap[:size])[0]
    return difference


@njit(cache=CACHE)
def _join_task(
    addresses: Any, total: Any, rows: Any, differences: Any, thread: int, threads: int
) -> None:
    low, high = share(-(-total.size // _BLOCK), thread, threads)
    high = min(high * _BLOCK, total.size)
    differences[thread] = _join_part(addresses, total, low * _BLOCK, high, rows[thread])


@njit(cache=CACHE)
def _join_alone(addresses: Any, total: Any, table: Any, first: int) -> float:
    rows = table[first : first + addresses.size]
    rows[:] = 0.0
    return _join_part(addresses, total, 0, total.size, rows)


@njit(cache=CACHE)
def _join_together(addresses: Any, total: Any, table: Any, first: int, threads: int) -> float:
    rows = np.zeros((threads, addresses.size, table.shape[1]))
    differences = np.zeros(threads)
    parallel(_join_task, (addresses, total, rows, differences), threads)  # type: ignore[call-arg]
    for j in range(addresses.size):
        for column in range(table.shape[1]):
            table[first + j, column] = rows[:, j, column].sum()
    return differences.sum()


def join(parts: list[Any], total: Any, table: Any, first: int) -> float:
    """Write the moments of ``parts``, with ⟨part, total⟩; return ‖total − Σ parts‖².

    Every part is contiguous and has ``total``'s size and dtype.
    """
    addresses = np.array([part.__array_interface__["data"][0] for part in parts], np.intp)
    if total.size * len(parts) < _SHARED:  # `parts` keeps the memory alive meanwhile
        return _join_alone(addresses, total, table, first)
    return _join_together(addresses, total, table, first, pool.threads)
