"""The loops behind `moments.py`: statistics of arrays in one pass over their memory.

A recorder reads every gradient of a step once, so this must cost little more than the reading.
Within a block the sums run in the array's own precision, over many lanes; blocks add up in double
precision. A block whose sum of squares lies where that precision loses squares, or is not finite,
is counted again in double precision.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from localgrad.kernels.moments import INNER, NONFINITE, SQUARE, TOTAL, ZEROS

from .callee import callee
from .emit import SUMS, array_at, widest
from .host import CACHE
from .launch import share

_BLOCK = 4096  # elements: a block that has to be read again is in the nearest cache
SHARED = 1 << 15  # elements from which on the threads share the work
# A block's sum of squares that float32 can be trusted with: squares that underflow are too small
# to count, and none has overflowed.
_SMALLEST, _LARGEST = 1e-28, 1e37


@callee(fastmath=SUMS)
def _sums(x: Any) -> tuple[float, float, float]:
    """(Σx², Σx, zeros) in the precision of ``x``."""
    widest()
    one, none = x.dtype.type(1), x.dtype.type(0)
    square = total = zeros = none
    for i in range(x.size):
        value = x[i]
        square += value * value
        total += value
        zeros += one if value == none else none
    return np.float64(square), np.float64(total), np.float64(zeros)


@callee(fastmath=SUMS)
def _wide_sums(x: Any) -> tuple[float, float]:
    """(Σx², Σx) in double precision."""
    square = 0.0
    total = 0.0
    for i in range(x.size):
        value = np.float64(x[i])
        square += value * value
        total += value
    return square, total


@callee
def _nonfinite(x: Any) -> int:
    count = 0
    for i in range(x.size):
        count += not math.isfinite(x[i])
    return count


@callee
def _trusted(square: float, zeros: float, size: int) -> bool:
    return _SMALLEST < square < _LARGEST or zeros == size


@callee
def _measure_part(x: Any, row: Any) -> None:
    """Add the moments of ``x`` to ``row``."""
    for start in range(0, x.size, _BLOCK):
        part = x[start : start + _BLOCK]
        square, total, zeros = _sums(part)
        if not _trusted(square, zeros, part.size):
            square, total = _wide_sums(part)
            if not math.isfinite(square):
                row[NONFINITE] += _nonfinite(part)
        row[SQUARE] += square
        row[TOTAL] += total
        row[ZEROS] += zeros


@njit(cache=CACHE)
def measure_alone(x: Any, table: Any, index: int) -> float:
    """``measure`` on the calling thread."""
    row = table[index]
    row[:] = 0.0
    _measure_part(x, row)
    row[INNER] = row[SQUARE]
    return row[SQUARE]


@callee
def measure_task(x: Any, rows: Any, thread: int, threads: int) -> None:
    low, high = share(-(-x.size // _BLOCK), thread, threads)
    _measure_part(x[low * _BLOCK : high * _BLOCK], rows[thread])


@callee
def added_up(rows: Any, row: Any) -> float:
    """Write the sum of what the threads found into ``row``; return Σx²."""
    for column in range(row.size):
        row[column] = rows[:, column].sum()
    row[INNER] = row[SQUARE]
    return row[SQUARE]


@callee(fastmath=SUMS)
def _part_sums(x: Any, whole: Any, gap: Any, rest: Any) -> tuple[float, float, float, float]:
    """(Σx², Σx, ⟨x, whole⟩, zeros) in the precision of ``x``; ``rest`` becomes gap − x."""
    widest()
    one, none = x.dtype.type(1), x.dtype.type(0)
    square = total = inner = zeros = none
    for i in range(x.size):
        value = x[i]
        square += value * value
        total += value
        inner += value * whole[i]
        zeros += one if value == none else none
        rest[i] = gap[i] - value
    return np.float64(square), np.float64(total), np.float64(inner), np.float64(zeros)


@callee(fastmath=SUMS)
def _last_sums(x: Any, whole: Any, gap: Any) -> tuple[float, float, float, float, float, float]:
    """The same of the last contribution; of gap − x, which nobody needs, (Σ squares, zeros)."""
    widest()
    one, none = x.dtype.type(1), x.dtype.type(0)
    square = total = inner = zeros = missing = balanced = none
    for i in range(x.size):
        value = x[i]
        square += value * value
        total += value
        inner += value * whole[i]
        zeros += one if value == none else none
        rest = gap[i] - value
        missing += rest * rest
        balanced += one if rest == none else none
    return (
        np.float64(square), np.float64(total), np.float64(inner), np.float64(zeros),
        np.float64(missing), np.float64(balanced),
    )  # fmt: skip


@callee(fastmath=SUMS)
def _wide_missing(x: Any, gap: Any) -> float:
    """Σ(gap − x)² in double precision."""
    missing = 0.0
    for i in range(x.size):
        rest = np.float64(gap[i] - x[i])
        missing += rest * rest
    return missing


@callee(fastmath=SUMS)
def _wide_inner(x: Any, y: Any) -> float:
    inner = 0.0
    for i in range(x.size):
        inner += np.float64(x[i]) * np.float64(y[i])
    return inner


@callee
def _join_part(addresses: Any, total: Any, low: int, high: int, rows: Any) -> float:
    """Add the moments of elements ``low`` to ``high``; return the square of what is missing."""
    # By turns: a loop that writes what it reads is not made into vectors.
    buffers = np.empty((2, _BLOCK), total.dtype)
    difference = 0.0
    for start in range(low, high, _BLOCK):
        whole = gap = total[start : min(start + _BLOCK, high)]
        size = whole.size
        before = rows[addresses.size, SQUARE]
        _measure_part(whole, rows[addresses.size])
        wide = not _trusted(rows[addresses.size, SQUARE] - before, -1.0, size)
        for j in range(addresses.size):
            part = array_at(addresses[j], total.size, total.dtype.type(0))[start : start + size]
            if j < addresses.size - 1:
                rest = buffers[j % 2, :size]
                square, plain, inner, zeros = _part_sums(part, whole, gap, rest)
                gap = rest
            else:
                square, plain, inner, zeros, missing, balanced = _last_sums(part, whole, gap)
                trusted = _trusted(missing, balanced, size)
                difference += missing if trusted else _wide_missing(part, gap)
            row = rows[j]
            if wide or not _trusted(square, zeros, size):
                square, plain = _wide_sums(part)
                inner = _wide_inner(part, whole)
                if not math.isfinite(square):
                    row[NONFINITE] += _nonfinite(part)
            row[SQUARE] += square
            row[TOTAL] += plain
            row[INNER] += inner
            row[ZEROS] += zeros
    return difference


@callee
def join_task(
    addresses: Any, total: Any, rows: Any, differences: Any, thread: int, threads: int
) -> None:
    low, high = share(-(-total.size // _BLOCK), thread, threads)
    high = min(high * _BLOCK, total.size)
    differences[thread] = _join_part(addresses, total, low * _BLOCK, high, rows[thread])


@callee
def joined(rows: Any, differences: Any, table: Any, first: int) -> float:
    """Write the sums of what the threads found into the table; return what is missing."""
    count = rows.shape[1]
    for j in range(count):
        for column in range(table.shape[1]):
            table[first + j, column] = rows[:, j, column].sum()
    table[first + count - 1, INNER] = table[first + count - 1, SQUARE]
    return differences.sum()


@callee(fastmath=SUMS)
def differs(x: Any, y: Any) -> bool:
    """Whether two vectors differ in an element; NaN is equal to nothing."""
    one, none = x.dtype.type(1), x.dtype.type(0)
    differing = none
    for i in range(x.size):
        differing += one if x[i] != y[i] else none
    return bool(differing != none)
