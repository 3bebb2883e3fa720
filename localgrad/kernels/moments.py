"""Moments of arrays: the NumPy reference, and the choice of what runs.

A table has one row per measured array: Σx², Σx, how many zeros, how many non-finite, and ⟨x, sum⟩
at a join. The compiled version (`cpu/moments.py`) does the same in one pass.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

import numpy

SQUARE, TOTAL, ZEROS, NONFINITE, INNER = range(5)
COLUMNS = 5
REFUSED = -1.0


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
    ``first`` on; return ‖total − Σ parts‖², or REFUSED where they are not contiguous, of one size
    and of one float type.
    """
    kind, size = total.dtype, total.size
    is_float = kind.char in "fd" and kind.isnative
    alike = [a.dtype == kind and a.size == size and a.flags.c_contiguous for a in (total, *parts)]
    if not is_float or not all(alike):
        return REFUSED
    *parts, total = [array.ravel() for array in (*parts, total)]
    gap = total.astype(numpy.float64)
    with numpy.errstate(all="ignore"):
        whole = gap.copy()
        measure(total, table, first + len(parts))
        for offset, part in enumerate(parts):
            measure(part, table, first + offset)
            table[first + offset, INNER] = part.astype(numpy.float64) @ whole
            gap -= part
        return float(gap @ gap)


def tiles(places: list[Any], sent: list[Any], rows: list[int], table: Any, first: int) -> bool:
    """Whether each place of a sum, all of it together, holds just what was sent to it, whose
    moments are in ``rows``; if so, write those of the contributions, with zeros around what was
    sent, and then those of the sum into rows from ``first`` on.
    """
    if not all(map(same, places, sent)):
        return False
    found = table[rows]
    found[:, INNER] = found[:, SQUARE]
    last = first + len(rows)
    table[last] = found.sum(0)
    sizes = numpy.array([array.size for array in sent])
    found[:, ZEROS] += sizes.sum() - sizes
    table[first:last] = found
    return True


def same(x: Any, y: Any) -> bool:
    """Whether two arrays of one shape and dtype hold equal numbers, in whatever layout."""
    return bool((x == y).all())


class Kernels(NamedTuple):
    """The functions above, and ``contiguous(x)``: x, or a copy of it without holes."""

    measure: Callable[..., float]
    join: Callable[..., float]
    tiles: Callable[..., bool]
    contiguous: Callable[..., Any]


@cache
def best(alone: bool = False) -> Kernels:
    """What runs: compiled where Numba is installed. ``alone``: measure on one thread."""
    if importlib.util.find_spec("numba") is None:
        return Kernels(measure, join, tiles, numpy.ascontiguousarray)
    from localgrad.kernels.cpu import moments as cpu

    if alone:
        return Kernels(cpu.measure_alone, partial(cpu.join, threads=1), cpu.tiles, cpu.contiguous)
    return Kernels(cpu.measure, cpu.join, cpu.tiles, cpu.contiguous)


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
