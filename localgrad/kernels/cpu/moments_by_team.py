"""Moments of memory that another library owns, by the threads of that library's OpenMP.

What is measured is given by addresses of elements that lie side by side: PyTorch's tensors need
not become arrays first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from .callee import callee
from .emit import array_at
from .host import CACHE
from .moments_in_blocks import SHARED, added_up, join_task, joined, measure_alone, measure_task
from .team import on_team


@callee
def _measure(x: Any, table: Any, index: int, threads: int) -> float:
    if threads == 1 or x.size < SHARED:
        return measure_alone(x, table, index)
    rows = np.zeros((threads, table.shape[1]))
    on_team(measure_task, (x, rows), threads)
    return added_up(rows, table[index])


@njit(cache=CACHE)
def measure(address: int, size: int, double: bool, table: Any, index: int, threads: int) -> float:
    """Write the moments of ``size`` floats or doubles into row ``index``; return Σx²."""
    if double:
        return _measure(array_at(address, size, np.float64(0)), table, index, threads)
    return _measure(array_at(address, size, np.float32(0)), table, index, threads)


@njit(cache=CACHE)
def measure_all(
    addresses: Any, sizes: Any, double: bool, table: Any, first: int, threads: int
) -> None:
    """``measure`` of several, into rows from ``first`` on."""
    for i in range(addresses.size):
        measure(addresses[i], sizes[i], double, table, first + i, threads)


@callee
def _join(addresses: Any, total: Any, table: Any, first: int, threads: int) -> float:
    rows = np.zeros((threads, addresses.size + 1, table.shape[1]))
    differences = np.zeros(threads)
    if threads == 1:
        join_task(addresses, total, rows, differences, 0, 1)
    else:
        on_team(join_task, (addresses, total, rows, differences), threads)
    return joined(rows, differences, table, first)


@njit(cache=CACHE)
def join(addresses: Any, size: int, double: bool, table: Any, first: int, threads: int) -> float:
    """Write the moments of parts, and then those of their sum, whose address is the last, into
    rows from ``first`` on; return ‖sum − Σ parts‖².
    """
    parts, total = addresses[:-1], addresses[-1]
    threads = 1 if size * parts.size < SHARED else threads
    if double:
        return _join(parts, array_at(total, size, np.float64(0)), table, first, threads)
    return _join(parts, array_at(total, size, np.float32(0)), table, first, threads)


@callee
def _zero_units(x: Any, outer: int, units: int, inner: int) -> int:
    count = 0
    for unit in range(units):
        is_zero = True
        for block in range(outer):
            start = (block * units + unit) * inner
            for i in range(start, start + inner):
                if x[i] != 0:
                    is_zero = False
                    break
            if not is_zero:
                break
        count += is_zero
    return count


@njit(cache=CACHE)
def zero_units(address: int, double: bool, outer: int, units: int, inner: int) -> int:
    """How many units of an array (outer, units, inner) are zero everywhere.

    A living unit is left at its first element that is not zero, so this reads next to nothing.
    """
    size = outer * units * inner
    if double:
        return _zero_units(array_at(address, size, np.float64(0)), outer, units, inner)
    return _zero_units(array_at(address, size, np.float32(0)), outer, units, inner)
