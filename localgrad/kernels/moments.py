"""Moments of arrays: the NumPy reference, and the choice of what runs.

A table has one row per measured array: Σx², Σx, how many zeros, how many non-finite, and ⟨x, sum⟩
at a join. The compiled version (`cpu/moments.py`) does the same in one pass.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from typing import Any

import numpy

SQUARE, TOTAL, ZEROS, NONFINITE, INNER = range(5)
COLUMNS = 5


def measure(x: Any, table: Any, index: int) -> float:
    """Write the moments of the vector ``x`` into row ``index``; return Σx²."""
    wide = x.astype(numpy.float64)
    with numpy.errstate(all="ignore"):
        square = float(wide @ wide)
        table[index] = (
            square,
            wide.sum(),
            x.size - numpy.count_nonzero(x),
            0 if numpy.isfinite(square) else x.size - numpy.count_nonzero(numpy.isfinite(x)),
            square,
        )
    return square


def join(parts: list[Any], total: Any, table: Any, first: int) -> float:
    """Write the moments of ``parts``, with ⟨part, total⟩, then ``total``'s, into rows from
    ``first`` on; return ‖total − Σ parts‖².
    """
    gap = total.astype(numpy.float64)
    with numpy.errstate(all="ignore"):
        whole = gap.copy()
        measure(total, table, first + len(parts))
        for offset, part in enumerate(parts):
            measure(part, table, first + offset)
            table[first + offset, INNER] = part.astype(numpy.float64) @ whole
            gap -= part
        return float(gap @ gap)


def same(x: Any, y: Any) -> bool:
    """Whether two arrays of one shape and dtype hold equal numbers, in whatever layout."""
    return bool((x == y).all())


@cache
def best(alone: bool = False) -> tuple[Any, Any, Any, Any]:
    """``(measure, join, contiguous, same)``: compiled where Numba is installed.

    ``contiguous(x)`` is x, or a copy of it without holes. ``alone``: measure on one thread.
    """
    if importlib.util.find_spec("numba") is None:
        return measure, join, numpy.ascontiguousarray, same
    from localgrad.kernels.cpu import moments

    if alone:
        return moments.measure_alone, moments.join_alone, moments.contiguous, moments.same
    return moments.measure, moments.join, moments.contiguous, moments.same


@cache
def by_team(library: str) -> Any:
    """The kernels of ``cpu/moments_by_team.py``, on the threads of the OpenMP that ``library`` was
    linked with; None where Numba is not installed.
    """
    if importlib.util.find_spec("numba") is None:
        return None
    from localgrad.kernels.cpu import moments_by_team
    from localgrad.kernels.cpu.team import Team

    Team(library)
    return moments_by_team
