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
_AXES, _SHAPE, _FLAGS = _DATA + 8, _DATA + 16, _DATA + 48
_INT = 0xFFFFFFFF  # the number of axes and the flags are half a word
_PLAIN = 0x0001 | 0x0100 | 0x0400  # C-contiguous, aligned, writeable


@njit(cache=CACHE)
def data_of(place):  # type: ignore[no-untyped-def]
    """Where the elements of the array object at ``place`` lie."""
    return load(place + _DATA)


@njit(cache=CACHE)
def size_of(place):  # type: ignore[no-untyped-def]
    """How many elements the array object at ``place`` has."""
    count, shape = 1, load(place + _SHAPE)
    for axis in range(load(place + _AXES) & _INT):
        count *= load(shape + 8 * axis)
    return count


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
