"""Statistics of an array in one pass over its memory.

A recorder reads every gradient of a step once, so this must cost little more than the reading.
Within a block the sums run in the array's own precision, over many lanes; blocks add up in double
precision. A block whose sum of squares lies where that precision loses squares, or is not finite,
is counted again in double precision.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import carray, njit, types
from numba.extending import intrinsic

from localgrad.kernels.moments import INNER, NONFINITE, SQUARE, TOTAL, ZEROS

from .arena import empty
from .emit import widest
from .host import CACHE
from .launch import parallel, share
from .pool import pool

_BLOCK = 4096  # elements: a block that has to be read again is in the nearest cache
SHARED = 1 << 15  # elements from which on the threads share the work
# A block's sum of squares that float32 can be trusted with: squares that underflow are too small
# to count, and none has overflowed.
_SMALLEST, _LARGEST = 1e-28, 1e37

_fast = {"reassoc", "contract", "nsz"}


@njit(cache=CACHE, fastmath=_fast)
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


@njit(cache=CACHE, fastmath=_fast)
def _wide_sums(x: Any) -> tuple[float, float]:
    """(Σx², Σx) in double precision."""
    square = 0.0
    total = 0.0
    for i in range(x.size):
        value = np.float64(x[i])
        square += value * value
        total += value
    return square, total


@njit(cache=CACHE)
def _nonfinite(x: Any) -> int:
    count = 0
    for i in range(x.size):
        count += not math.isfinite(x[i])
    return count


@njit(cache=CACHE)
def _trusted(square: float, zeros: float, size: int) -> bool:
    return _SMALLEST < square < _LARGEST or zeros == size


@njit(cache=CACHE)
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


@njit(cache=CACHE)
def measure_task(x: Any, rows: Any, thread: int, threads: int) -> None:
    low, high = share(-(-x.size // _BLOCK), thread, threads)
    _measure_part(x[low * _BLOCK : high * _BLOCK], rows[thread])


@njit(cache=CACHE)
def added_up(rows: Any, row: Any) -> float:
    """Write the sum of what the threads found into ``row``; return Σx²."""
    for column in range(row.size):
        row[column] = rows[:, column].sum()
    row[INNER] = row[SQUARE]
    return row[SQUARE]


@njit(cache=CACHE)
def _measure_together(x: Any, table: Any, index: int, threads: int) -> float:
    rows = np.zeros((threads, table.shape[1]))
    parallel(measure_task, (x, rows), threads)  # type: ignore[call-arg]
    return added_up(rows, table[index])


def measure(x: Any, table: Any, index: int) -> float:
    """Write the moments of the contiguous vector ``x`` into row ``index``; return Σx²."""
    if x.size < SHARED:
        return measure_alone(x, table, index)
    return _measure_together(x, table, index, pool.threads)


@intrinsic
def _pointer(typingctx: Any, address: Any, like: Any) -> Any:
    """The address as a pointer to elements of ``like``'s dtype."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.inttoptr(values[0], context.get_value_type(signature.return_type))

    return types.CPointer(like.dtype)(types.intp, like), codegen


@njit(cache=CACHE, fastmath=_fast)
def _part_sums(x: Any, whole: Any, gap: Any) -> tuple[float, float, float, float]:
    """(Σx², Σx, ⟨x, whole⟩, zeros) in the precision of ``x``, which is taken from ``gap``."""
    widest()
    one, none = x.dtype.type(1), x.dtype.type(0)
    square = total = inner = zeros = none
    for i in range(x.size):
        value = x[i]
        square += value * value
        total += value
        inner += value * whole[i]
        zeros += one if value == none else none
        gap[i] -= value
    return np.float64(square), np.float64(total), np.float64(inner), np.float64(zeros)


@njit(cache=CACHE, fastmath=_fast)
def _wide_inner(x: Any, y: Any) -> float:
    inner = 0.0
    for i in range(x.size):
        inner += np.float64(x[i]) * np.float64(y[i])
    return inner


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
        before = rows[addresses.size, SQUARE]
        _measure_part(whole, rows[addresses.size])
        wide = not _trusted(rows[addresses.size, SQUARE] - before, -1.0, size)
        for j in range(addresses.size):
            memory: Any = _pointer(addresses[j], total)  # type: ignore[call-arg]
            part = carray(memory, total.size)[start : start + size]
            square, plain, inner, zeros = _part_sums(part, whole, gap[:size])
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
        difference += _wide_sums(gap[:size])[0]
    return difference


@njit(cache=CACHE)
def join_task(
    addresses: Any, total: Any, rows: Any, differences: Any, thread: int, threads: int
) -> None:
    low, high = share(-(-total.size // _BLOCK), thread, threads)
    high = min(high * _BLOCK, total.size)
    differences[thread] = _join_part(addresses, total, low * _BLOCK, high, rows[thread])


@njit(cache=CACHE)
def joined(rows: Any, differences: Any, table: Any, first: int) -> float:
    """Write the sums of what the threads found into the table; return what is missing."""
    count = rows.shape[1]
    for j in range(count):
        for column in range(table.shape[1]):
            table[first + j, column] = rows[:, j, column].sum()
    table[first + count - 1, INNER] = table[first + count - 1, SQUARE]
    return differences.sum()


@njit(cache=CACHE)
def _join_together(addresses: Any, total: Any, table: Any, first: int, threads: int) -> float:
    rows = np.zeros((threads, addresses.size + 1, table.shape[1]))
    differences = np.zeros(threads)
    parallel(join_task, (addresses, total, rows, differences), threads)  # type: ignore[call-arg]
    return joined(rows, differences, table, first)


def join(parts: list[Any], total: Any, table: Any, first: int) -> float:
    """Write the moments of ``parts``, with ⟨part, total⟩, then ``total``'s, into rows from
    ``first`` on; return ‖total − Σ parts‖².

    Every part is contiguous and has ``total``'s size and dtype.
    """
    threads = 1 if total.size * len(parts) < SHARED else pool.threads
    return _join_together(_addresses(parts), total, table, first, threads)


def join_alone(parts: list[Any], total: Any, table: Any, first: int) -> float:
    """``join`` on the calling thread."""
    return _join_together(_addresses(parts), total, table, first, 1)


@njit(cache=CACHE, fastmath=_fast)
def _differs(x: Any, y: Any) -> bool:
    one, none = x.dtype.type(1), x.dtype.type(0)
    differing = none
    for i in range(x.size):
        differing += one if x[i] != y[i] else none
    return bool(differing != none)


@njit(cache=CACHE)
def _rows_differ(x: Any, y: Any, low: int, high: int) -> bool:
    """Whether two arrays with four axes, the last without holes, differ in these rows."""
    length = x.shape[3]
    for row in range(low, high):
        i, j = divmod(row, x.shape[1])
        for k in range(x.shape[2]):
            # The compiler sees vectors only where no stride has to be known.
            a: Any = _pointer(x[i, j, k].ctypes.data, x)  # type: ignore[call-arg]
            b: Any = _pointer(y[i, j, k].ctypes.data, y)  # type: ignore[call-arg]
            if _differs(carray(a, length), carray(b, length)):
                return True
    return False


@njit(cache=CACHE)
def _rows_differ_task(x: Any, y: Any, found: Any, thread: int, threads: int) -> None:
    low, high = share(x.shape[0] * x.shape[1], thread, threads)
    found[thread] = _rows_differ(x, y, low, high)


@njit(cache=CACHE)
def _differ_anywhere(x: Any, y: Any, threads: int) -> bool:
    found = np.zeros(threads, np.bool_)
    parallel(_rows_differ_task, (x, y, found), threads)  # type: ignore[call-arg]
    return bool(found.any())


def same(x: Any, y: Any) -> bool:
    """Whether two arrays of one shape and dtype hold equal numbers, in whatever layout."""
    plain = x.dtype == y.dtype and x.dtype.char in "fd" and 0 < x.ndim <= 4
    if not plain or not x.strides[-1] == y.strides[-1] == x.itemsize:
        return bool((x == y).all())
    rows = (..., *(None,) * (4 - x.ndim), slice(None))
    threads = 1 if x.size < SHARED else pool.threads
    return not _differ_anywhere(x[rows], y[rows], threads)


def _addresses(parts: list[Any]) -> Any:
    """Where the parts lie; the caller keeps their memory alive meanwhile."""
    return np.array([part.__array_interface__["data"][0] for part in parts], np.intp)


def contiguous(x: Any) -> Any:
    """The array, or a copy without holes in memory that was used before."""
    if x.flags.c_contiguous:
        return x
    copy = empty(x.shape, x.dtype)
    np.copyto(copy, x)
    return copy
