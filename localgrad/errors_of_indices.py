"""Why an index was refused, and what to write instead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from localgrad.errors_of_shapes import Options, Shape, broadcast


def index(shapes: Sequence[Shape], options: Options) -> str | None:
    """What NumPy dislikes in `x[key]`, axis by axis."""
    shape, key = shapes[0], options["key"]
    parts = list(key) if isinstance(key, tuple) else [key]
    taken = [_axes_taken(p) for p in parts]
    if None in taken:
        return _no_index(parts[taken.index(None)])
    count = sum(n for n in taken if n)
    if count > len(shape):
        return f"{count} indices are given for the {len(shape)} axes of {shape}."
    axis = 0
    for part, width in zip(parts, taken):
        if part is Ellipsis:
            axis = len(shape) - sum(n or 0 for n in taken[parts.index(Ellipsis) + 1 :])
            continue
        wrong = _out_of_range(part, shape, axis)
        if wrong is not None:
            return wrong
        axis += width or 0
    arrays = [tuple(p.shape) for p in map(_as_array, parts) if p is not None]
    if broadcast(arrays) is not None:
        return (
            f"the index arrays {', '.join(map(str, arrays))} do not broadcast: they are paired, "
            "element by element.\n  For every row with every column: x[rows[:, None], columns]."
        )
    if len(shapes) > 1:  # an assignment
        return f"the value {shapes[1]} does not broadcast to the place x[key] it is written to."
    return None


def _as_array(part: Any) -> Any:
    """An index that is an array, as one; None for every other."""
    import numpy

    return numpy.asarray(part) if isinstance(part, list) or hasattr(part, "dtype") else None


def _axes_taken(part: Any) -> int | None:
    """How many axes a part of an index takes up; None where it is no index."""
    if part is None or part is Ellipsis:
        return 0
    if isinstance(part, slice):
        return 1
    array = _as_array(part)
    if array is not None:
        return array.ndim if array.dtype.kind == "b" else 1 if array.dtype.kind in "iu" else None
    return 0 if isinstance(part, bool) else 1 if hasattr(part, "__index__") else None


def _no_index(part: Any) -> str:
    if hasattr(part, "dtype") and part.dtype.kind == "f":
        return (
            f"an index array holds whole numbers or truth values, not {part.dtype}.\n"
            "  Write index.astype('int64'); or compare, x[mask > 0]."
        )
    hint = f"\n  Write {int(part)}, or int(…)." if isinstance(part, float) else ""
    return (
        "an index is a whole number, a slice, None, an Ellipsis or an array of whole numbers or "
        f"truth values, not {part!r:.40}.{hint}"
    )


def _out_of_range(part: Any, shape: Shape, axis: int) -> str | None:
    if part is None or isinstance(part, slice | bool):
        return None
    array = _as_array(part)
    if array is None:
        found = [int(part)]
    elif array.dtype.kind == "b":
        covered = shape[axis : axis + array.ndim]
        if array.shape == covered:
            return None
        return f"the mask is {array.shape}, and what it masks {covered}: they must be equal."
    else:
        found = [int(array.min()), int(array.max())] if array.size else []
    size = shape[axis]
    for index in found:
        if not -size <= index < size:
            known = f"has {size} elements, 0 to {size - 1}" if size else "has no elements"
            return f"there is no element {index}: axis {axis} of {shape} {known}."
    return None
