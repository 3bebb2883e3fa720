"""Moments of arrays, on the threads of the pool; the rules are those of ``kernels/moments.py``.

The arrays that meet in a sum are given by the addresses of their objects (see `objects.py`): asking
each of them in Python where it lies and how costs as much as reading it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from localgrad.kernels.moments import INNER, REFUSED, SQUARE, ZEROS

from .arena import empty
from .callee import callee
from .emit import array_at
from .host import CACHE
from .launch import parallel, share
from .layout import supported
from .moments_in_blocks import (
    SHARED,
    added_up,
    differs,
    join_task,
    joined,
    measure_alone,
    measure_task,
)
from .objects import (
    DOUBLE,
    SINGLE,
    data_of,
    is_contiguous,
    kind_of,
    length_of,
    outer_axes,
    row_of,
    rows_over,
    size_of,
    stride_of,
)
from .pool import pool


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


def _places(arrays: list[Any]) -> Any:
    """The addresses of the arrays' objects, for as long as the arrays live."""
    return np.fromiter(map(id, arrays), np.int64, len(arrays))


@callee
def _common_kind(places: Any) -> int:
    """SINGLE or DOUBLE where all arrays are contiguous and of that type, 0 otherwise."""
    kind = kind_of(places[0])
    for place in places:
        if kind_of(place) != kind or not is_contiguous(place):
            return 0
    return kind


@callee
def _join_as(places: Any, like: Any, table: Any, first: int, threads: int) -> float:
    size = size_of(places[-1])
    parts = np.empty(places.size - 1, np.int64)
    for i in range(parts.size):
        if size_of(places[i]) != size:
            return REFUSED
        parts[i] = data_of(places[i])
    total = array_at(data_of(places[-1]), size, like)
    threads = threads if size * parts.size >= SHARED else 1
    rows = np.zeros((threads, places.size, table.shape[1]))
    differences = np.zeros(threads)
    parallel(join_task, (parts, total, rows, differences), threads)  # type: ignore[call-arg]
    return joined(rows, differences, table, first)


@njit(cache=CACHE)
def _join(places: Any, table: Any, first: int, threads: int) -> float:
    kind = _common_kind(places)
    if kind == SINGLE:
        return _join_as(places, np.float32(0), table, first, threads)
    if kind == DOUBLE:
        return _join_as(places, np.float64(0), table, first, threads)
    return REFUSED


def join(parts: list[Any], total: Any, table: Any, first: int, threads: int = 0) -> float:
    """Write the moments of ``parts``, with ⟨part, total⟩, then ``total``'s, into rows from
    ``first`` on; return ‖total − Σ parts‖², or REFUSED where they are not contiguous, of one size
    and of one float type. threads: 0 for the pool's."""
    places = _places([*parts, total])
    difference: float = _join(places, table, first, threads or pool.threads)
    return difference


@callee
def _differ_task(x: Any, y: Any, like: Any, found: Any, thread: int, threads: int) -> None:
    itemsize = array_at(0, 0, like).itemsize
    axes = max(outer_axes(x, itemsize), outer_axes(y, itemsize))
    count = rows_over(x, axes)
    length = size_of(x) // max(count, 1)
    run, step_x, step_y = 1, 0, 0  # as many rows lie so far apart
    if axes > 0:
        run, step_x, step_y = length_of(x, axes - 1), stride_of(x, axes - 1), stride_of(y, axes - 1)
    low, high = share(count, thread, threads)
    while low < high:
        stop = min(low - low % run + run, high)
        a, b = row_of(x, low, axes), row_of(y, low, axes)
        for _ in range(low, stop):
            if differs(array_at(a, length, like), array_at(b, length, like)):
                found[thread] = True
                return
            a += step_x
            b += step_y
        low = stop


@callee
def _same_as(x: Any, y: Any, like: Any, threads: int) -> bool:
    found = np.zeros(threads, np.bool_)
    threads = threads if size_of(x) >= SHARED else 1
    parallel(_differ_task, (x, y, like, found), threads)  # type: ignore[call-arg]
    return not found.any()


@njit(cache=CACHE)
def _same(x: Any, y: Any, threads: int) -> bool:
    if kind_of(x) == SINGLE:
        return _same_as(x, y, np.float32(0), threads)
    return _same_as(x, y, np.float64(0), threads)


@njit(cache=CACHE)
def _tiles(
    places: Any, sent: Any, rows: Any, table: Any, first: int, size: int, threads: int
) -> bool:
    kind = kind_of(places[0])
    for i in range(rows.size):
        if kind == 0 or kind_of(places[i]) != kind or kind_of(sent[i]) != kind:
            return False
        if not _same(places[i], sent[i], threads):
            return False
    whole = table[first + rows.size]
    whole[:] = 0.0
    for i in range(rows.size):
        row = table[first + i]
        row[:] = table[rows[i]]
        row[INNER] = row[SQUARE]
        whole += row
        row[ZEROS] += size - size_of(sent[i])
    return True


def tiles(places: list[Any], sent: list[Any], rows: list[int], table: Any, first: int) -> bool:
    """Whether each place of a sum, all of it together, holds just what was sent to it, whose
    moments are in ``rows``; if so, write those of the contributions, with zeros around what was
    sent, and then those of the sum into rows from ``first`` on."""
    size = sum([array.size for array in sent])
    found: bool = _tiles(
        _places(places), _places(sent), np.array(rows), table, first, size, pool.threads
    )
    return found


def same(x: Any, y: Any) -> bool:
    """Whether two arrays of one shape and dtype hold equal numbers, in whatever layout."""
    are_arrays = x.__class__ is y.__class__ is np.ndarray  # no single numbers
    if not are_arrays or not supported(x, y):
        return bool((x == y).all())
    return bool(_same(id(x), id(y), pool.threads))


def contiguous(x: Any) -> Any:
    """The array, or a copy without holes in memory that was used before."""
    if x.flags.c_contiguous:
        return x
    copy = empty(x.shape, x.dtype)
    np.copyto(copy, x)
    return copy
