"""Arrays by the addresses of their objects: what a kernel is called with.

Handing over an array costs: the call looks at its type, makes a record of it and counts its
references, a view of another shape is an object more, and all of that is done again with cold
caches after every kernel that went through much memory.  So kernels take ``id``s, and read for
themselves where an array lies and how, as compiled extensions do: NumPy's binary interface fixes
what an array object begins with (``PyArrayObject_fields`` in ``numpy/ndarraytypes.h``).  A kernel
that finds an array that it cannot take says so before it has written anything.
"""

from __future__ import annotations

from itertools import chain

import numpy as np

from .callee import callee
from .emit import array_at, load, matrix_at

_DATA = object.__basicsize__  # behind what every object begins with
_AXES, _SHAPE, _STRIDES, _DTYPE, _FLAGS = (_DATA + offset for offset in (8, 16, 24, 40, 48))
_CODES = object.__basicsize__ + 8  # of a dtype: its kind, its own and its byte order's letter
_INT = 0xFFFFFFFF  # the number of axes and the flags are half a word
_CONTIGUOUS, _ALIGNED = 0x0001, 0x0100
_PLAIN = _CONTIGUOUS | _ALIGNED | 0x0400  # and writeable

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
#: A zero of each type, which tells a kernel what the arrays that it is given by address hold.
LIKES = {dtype: dtype.type(0) for dtype in FLOATS}

SINGLE, DOUBLE, LABELS = (
    int.from_bytes(f"{t.kind}{t.char}=".encode(), "little")
    for t in (*FLOATS, np.dtype(np.int64))
)


@callee
def data_of(place):  # type: ignore[no-untyped-def]
    """Where the elements of the array object at ``place`` lie."""
    return load(place + _DATA)


@callee
def axes_of(place):  # type: ignore[no-untyped-def]
    """How many axes the array object has."""
    return load(place + _AXES) & _INT


@callee
def length_of(place, axis):  # type: ignore[no-untyped-def]
    return load(load(place + _SHAPE) + 8 * axis)


@callee
def stride_of(place, axis):  # type: ignore[no-untyped-def]
    return load(load(place + _STRIDES) + 8 * axis)


@callee
def rows_over(place, axes):  # type: ignore[no-untyped-def]
    """How many rows the array object has, counted over its first ``axes`` axes."""
    count = 1
    for axis in range(axes):
        count *= length_of(place, axis)
    return count


@callee
def size_of(place):  # type: ignore[no-untyped-def]
    """How many elements the array object at ``place`` has."""
    return rows_over(place, axes_of(place))


@callee
def rows_of(place):  # type: ignore[no-untyped-def]
    """How many rows the array object has, of its last axis."""
    return rows_over(place, (axes_of(place)) - 1)


@callee
def width_of(place):  # type: ignore[no-untyped-def]
    """How long the array object's rows are."""
    return length_of(place, (axes_of(place)) - 1)


@callee
def kind_of(place):  # type: ignore[no-untyped-def]
    """SINGLE or DOUBLE for an aligned array object of that type, 0 for any other."""
    kind = _letters(place)
    return kind if kind in (SINGLE, DOUBLE) else 0


@callee
def _letters(place):  # type: ignore[no-untyped-def]
    """Those of an array object's type; 0 where its elements are not aligned."""
    is_aligned = load(place + _FLAGS) & _ALIGNED != 0
    return load(load(place + _DTYPE) + _CODES) & 0xFFFFFF if is_aligned else 0


@callee
def is_run_of_labels(place):  # type: ignore[no-untyped-def]
    """Whether the array object is 64-bit integers without holes."""
    return is_contiguous(place) and _letters(place) == LABELS


@callee
def is_contiguous(place):  # type: ignore[no-untyped-def]
    return load(place + _FLAGS) & _CONTIGUOUS != 0


@callee
def holds(place, like):  # type: ignore[no-untyped-def]
    """Whether the elements of the array object are of ``like``'s type, and aligned."""
    return kind_of(place) == (SINGLE if array_at(0, 0, like).itemsize == 4 else DOUBLE)


@callee
def is_run(place, like):  # type: ignore[no-untyped-def]
    """Whether the array object is elements of ``like``'s type, row after row without holes."""
    return is_contiguous(place) and holds(place, like)


@callee
def run_at(place, like):  # type: ignore[no-untyped-def]
    """All elements of an array object without holes, in the order of memory."""
    return array_at(data_of(place), size_of(place), like)


@callee
def table_at(place, like):  # type: ignore[no-untyped-def]
    """An array object without holes, as a matrix of its rows."""
    return matrix_at(data_of(place), rows_of(place), width_of(place), like)


@callee
def in_step(place, model, like):  # type: ignore[no-untyped-def]
    """Whether the array object has ``model``'s shape and order in memory, and ``like``'s type."""
    axes = axes_of(model)
    if axes_of(place) != axes or not holds(place, like):
        return False
    for axis in range(axes):
        length = length_of(model, axis)
        if length_of(place, axis) != length:
            return False
        if length > 1 and stride_of(place, axis) != stride_of(model, axis):
            return False
    return True


@callee
def outer_axes(place, itemsize):  # type: ignore[no-untyped-def]
    """How many axes are left where the last ones, which have no holes, are seen as one."""
    axes = axes_of(place)
    stretch = itemsize
    while axes > 0 and stride_of(place, axes - 1) == stretch:
        axes -= 1
        stretch *= length_of(place, axes)
    return axes


@callee
def row_of(place, row, axes):  # type: ignore[no-untyped-def]
    """Where that row begins."""
    found = data_of(place)
    for axis in range(axes - 1, -1, -1):
        length = length_of(place, axis)
        found += row % length * stride_of(place, axis)
        row //= length
    return found


@callee
def elements(places, like):  # type: ignore[no-untyped-def]
    """How many elements a row of ``places`` has; −1 where no kernel walks the rows in step: all
    arrays must be of ``like``'s type, contiguous and writeable, and those of a column of one size.
    """
    whole = 0
    for column in range(places.shape[1]):
        count = size_of(places[0, column])
        whole += count
        for row in range(places.shape[0]):
            place = places[row, column]
            is_plain = load(place + _FLAGS) & _PLAIN == _PLAIN and holds(place, like)
            if size_of(place) != count or not is_plain:
                return -1
    return whole


def places_of(*lists: list[np.ndarray]) -> np.ndarray:
    """The addresses of the lists' array objects, a row a list, for as long as the lists live."""
    addresses = np.fromiter(map(id, chain(*lists)), np.int64)
    return addresses.reshape(len(lists), -1)
