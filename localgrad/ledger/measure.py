"""Measuring arrays as a sweep passes: one row of moments an array, in a table that grows.

Nothing is interpreted here. What the numbers mean is `arithmetic.py`'s business, later, when
somebody asks; a training step pays for the reading of memory and little else.
"""

from __future__ import annotations

from typing import Any

from localgrad.kernels import moments
from localgrad.kernels import reference as xp
from localgrad.kernels.moments import (
    COLUMNS,
    INNER,
    NONFINITE,
    REFUSED,
    SQUARE,
    TOTAL,
    ZEROS,
)
from localgrad.ledger import arithmetic
from localgrad.ledger.model import Stats

ndarray = xp.ndarray
BINS = 24


class Moments:
    """A growing table; `sizes[row]` is how many elements the row stands for.

    latest: Σx² of the last array that `add` measured.
    alone: measure on the calling thread, beside another package's threads.
    """

    def __init__(self, alone: bool = False) -> None:
        self.table = xp.zeros((256, COLUMNS))
        self._room = 256
        self.sizes: list[int] = []
        self.latest = 0.0
        self.measure, self.join, self.tiles, self.contiguous = moments.best(alone)

    def add(self, array: Any) -> int:
        """Measure one array, in whatever layout it lies, and return its row."""
        sizes = self.sizes
        row = len(sizes)
        if row >= self._room:
            self._grow(row + 1)
        if array.__class__ is ndarray and array.flags.c_contiguous and array.dtype.char in "fd":
            vector = array.ravel()  # what follows, without two calls
            self.latest = self.measure(vector, self.table, row)
            sizes.append(vector.size)
            return row
        vector, size = flatten(raw(array))
        self.latest = self.measure(vector, self.table, row)
        if vector.size != size:  # every element of a stretched array counts as often as it shows
            self.table[row] *= size / max(vector.size, 1)
        sizes.append(size)
        return row

    def add_join(self, parts: list[Any], total: Any) -> tuple[int, float]:
        """Measure contributions against their sum: the first of their rows, and ‖g − Σgᵢ‖².

        The sum's own row follows theirs.
        """
        first = len(self.sizes)
        if {array.__class__ for array in (total, *parts)} == {ndarray}:
            self.reserve(len(parts) + 1, total.size)
            difference = self.join(parts, total, self.table, first)
            if difference != REFUSED:
                return first, difference
            del self.sizes[first:]
        whole, *vectors = self._aligned([raw(array) for array in (total, *parts)])
        self.reserve(len(parts) + 1, whole.size)
        return first, self.join(vectors, whole, self.table, first)

    def add_tiles(
        self, places: list[Any], sent: list[Any], rows: list[int], size: int
    ) -> int | None:
        """Measure contributions to a sum of so many elements, each of one place of it, where the
        places hold just what was sent, of which the rows are known. Returns the first of their
        rows, which the sum's follows; None where that is not so.
        """
        first = self.reserve(len(rows) + 1, size)
        are_arrays = {place.__class__ for place in places} == {ndarray}  # not single numbers
        if are_arrays and self.tiles(places, sent, rows, self.table, first):
            return first
        del self.sizes[first:]
        return None

    def _aligned(self, arrays: list[Any]) -> list[Any]:
        """The arrays as contiguous vectors with their elements in one common order and dtype."""
        if len({a.dtype.char for a in arrays}) > 1:
            widest = xp.result_type(*arrays)
            arrays = [a.astype(widest) for a in arrays]
        if len({a.strides for a in arrays}) == 1 and 0 not in arrays[0].strides:
            return [a.ravel("K") for a in arrays]
        return [self.contiguous(a).ravel() for a in arrays]

    def reserve(self, count: int, size: int) -> int:
        """Make room for ``count`` arrays that are measured elsewhere; the first of their rows."""
        first = len(self.sizes)
        if first + count > self._room:
            self._grow(first + count)
        self.sizes.extend([size] * count)
        return first

    def _grow(self, least: int) -> None:
        more = max(self._room, least - self._room)
        self.table = xp.concat([self.table, xp.zeros((more, COLUMNS))])
        self._room += more

    def add_up(self, rows: list[int]) -> int:
        """The row of several arrays seen as one."""
        row = self.reserve(1, sum([self.sizes[other] for other in rows]))
        whole = self.table[row]
        for other in rows:
            whole += self.table[other]
        return row

    def widen(self, row: int, size: int) -> None:
        """The row stands for `size` elements, of which those that were not measured are zeros."""
        self.table[row, ZEROS] += size - self.sizes[row]
        self.sizes[row] = size

    def square(self, row: int) -> float:
        return float(self.table[row, SQUARE])

    def total(self, row: int) -> float:
        return float(self.table[row, TOTAL])

    def inner(self, row: int) -> float:
        return float(self.table[row, INNER])

    def zeros(self, row: int) -> int:
        return round(self.table[row, ZEROS])

    def nonfinite(self, row: int) -> int:
        return round(self.table[row, NONFINITE])

    def are_finite(self) -> bool:
        """Whether no array held a NaN or an infinity."""
        return not self.table[: len(self.sizes), NONFINITE].any()

    def rms(self, row: int) -> float:
        return arithmetic.rms(self.square(row), self.sizes[row])

    def stats(self, row: int) -> Stats:
        """The row as the data model's statistics."""
        size = self.sizes[row]
        square = self.square(row)
        return Stats(
            size=size,
            norm=arithmetic.norm(square),
            rms=arithmetic.rms(square, size),
            mean=self.total(row) / size if size else None,
            zeros=self.zeros(row),
            nonfinite=self.nonfinite(row),
        )


def is_rearranged(a: Any, b: Any) -> bool:
    """Whether ``a`` shows all of ``b``'s elements, and no others, in the same memory."""
    return shares_memory(a, b) and a.size == b.size and (0 not in a.strides or 0 in b.strides)


def shares_memory(a: Any, b: Any) -> bool:
    """Whether ``a``, which an operation made of ``b``, is a view of it."""
    if a.__class__ is not ndarray or b.__class__ is not ndarray:
        return False
    base = a.base
    return base is not None and (base is b or base is b.base)


def raw(array: Any) -> Any:
    """The array of floats behind a Tensor, a NumPy scalar, or an array of another dtype."""
    if array.__class__ is not ndarray:
        array = xp.asarray(getattr(array, "value", array))
    char = array.dtype.char
    if char in "fd":
        is_plain = array.flags.aligned and array.dtype.isnative
        return array if is_plain else array.astype(char)
    if char in "FD":
        return xp.ascontiguousarray(array).view("f" if char == "F" else "d")
    return array.astype("d" if char == "l" else "f")


def flatten(array: Any) -> tuple[Any, int]:
    """The elements as a contiguous vector, in any order, and how many they stand for.

    A stretched (stride 0) axis is read once. Other layouts are read as they lie in memory, and
    copied only where they have holes.
    """
    size = array.size
    if 0 in array.strides:
        array = array[tuple(0 if s == 0 else slice(None) for s in array.strides)]
        if array.__class__ is not ndarray:
            array = xp.asarray(array)
    return array.ravel(order="K"), size


def enrich(stats: Stats, array: Any) -> Stats:
    """Add extremes and a histogram of the finite elements."""
    values = raw(array)
    finite = values[xp.isfinite(values)] if stats.nonfinite else values
    if not values.size:
        return stats
    stats.minimum, stats.maximum = float(xp.min(values)), float(xp.max(values))
    if finite.size:
        low, high = float(xp.min(finite)), float(xp.max(finite))
        wide = finite.astype("d").ravel()
        if low < high:
            counts, _ = xp.histogram(wide, bins=BINS, range=(low, high))
            stats.histogram = [int(count) for count in counts]
            stats.low, stats.high = low, high
    return stats
