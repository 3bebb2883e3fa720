"""Arrays by the addresses of their objects: hundreds of them, of all shapes, in one argument.

A call looks at every array it is given, and is compiled anew for every number of axes; an optimiser
has four arrays a parameter.  So it hands over their ``id``s, and a kernel reads for itself where
each lies, as compiled extensions do: NumPy's binary interface fixes what an array object begins
with (``PyArrayObject_fields`` in ``numpy/ndarraytypes.h``).
"""

from __future__ import annotations

from itertools import chain

import numpy as np
from numba import njit

from .emit import load
from .host import CACHE
from .layout import FLOATS

_DATA = object.__basicsize__  # behind what every object begins with
_AXES, _SHAPE, _STRIDES, _DTYPE, _FLAGS = (_DATA + offset for offset in (8, 16, 24, 40, 48))
_CODES = object.__basicsize__ + 8  # of a dtype: its kind, its own and its byte order's letter
_INT = 0xFFFFFFFF  # the number of axes and the flags are half a word
_CONTIGUOUS, _ALIGNED = 0x0001, 0x0100
_PLAIN = _CONTIGUOUS | _ALIGNED | 0x0400  # and writeable

SINGLE, DOUBLE = (int.from_bytes(letters, "little") for letters in (b"ff=", b"fd="))


@njit(cache=CACHE)
def data_of(place):  # type: ignore[no-untyped-def]
    """Where the elements of the array object at ``place`` lie."""
    return load(place + _DATA)


@njit(cache=CACHE)
def length_of(place, axis):  # type: ignore[no-untyped-def]
    return load(load(place + _SHAPE) + 8 * axis)


@njit(cache=CACHE)
def stride_of(place, axis):  # type: ignore[no-untyped-def]
    return load(load(place + _STRIDES) + 8 * axis)


@njit(cache=CACHE)
def rows_over(place, axes):  # type: ignore[no-untyped-def]
    """How many rows the array object has, counted over its first ``axes`` axes."""
    count = 1
    for axis in range(axes):
        count *= length_of(place, axis)
    return count


@njit(cache=CACHE)
def size_of(place):  # type: ignore[no-untyped-def]
    """How many elements the array object at ``place`` has."""
    return rows_over(place, load(place + _AXES) & _INT)


@njit(cache=CACHE)
def kind_of(place):  # type: ignore[no-untyped-def]
    """SINGLE or DOUBLE for an aligned array object of that type, 0 for any other."""
    kind = load(load(place + _DTYPE) + _CODES) & 0xFFFFFF
    is_aligned = load(place + _FLAGS) & _ALIGNED != 0
    return kind if is_aligned and kind in (SINGLE, DOUBLE) else 0


@njit(cache=CACHE)
def is_contiguous(place):  # type: ignore[no-untyped-def]
    return load(place + _FLAGS) & _CONTIGUOUS != 0


@njit(cache=CACHE)
def outer_axes(place, itemsize):  # type: ignore[no-untyped-def]
    """How many axes are left where the last ones, which have no holes, are seen as one."""
    axes = load(place + _AXES) & _INT
    stretch = itemsize
    while axes > 0 and stride_of(place, axes - 1) == stretch:
        axes -= 1
        stretch *= length_of(place, axes)
    return axes


@njit(cache=CACHE)
def row_of(place, row, axes):  # type: ignore[no-untyped-def]
    """Where that row begins."""
    found = data_of(place)
    for axis in range(axes - 1, -1, -1):
        length = length_of(place, axis)
        found += row % length * stride_of(place, axis)
        row //= length
    return found


@njit(cache=CACHE)
def elements(places):  # type: ignore[no-untyped-def]
    """How many elements a row of ``places`` has; −1 where no kernel walks the rows in step: all
    arrays must be contiguous and writeable, and those of a column of one size."""
    whole = 0
    for column in range(places.shape[1]):
        count = size_of(places[0, column])
        whole += count
        for row in range(places.shape[0]):
            place = places[row, column]
            if size_of(place) != count or load(place + _FLAGS) & _PLAIN != _PLAIN:
                return -1
    return whole


def places_of(*lists: list[np.ndarray]) -> np.ndarray | None:
    """The addresses of the lists' array objects, a row a list, for as long as the lists live;
    None where they are not of one float type."""
    arrays = [*chain(*lists)]
    kind = arrays[0].dtype
    if kind not in FLOATS or [array.dtype for array in arrays].count(kind) < len(arrays):
        return None
    return np.fromiter(map(id, arrays), np.int64, len(arrays)).reshape(len(lists), -1)
