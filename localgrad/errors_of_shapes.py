"""Which sizes or axes do not fit together, and what to write instead.

Each function looks at what an operation was given after NumPy has refused it, so nothing here
costs anything where all is well. It returns the whole text, or None where it sees nothing wrong.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

Shape = tuple[int, ...]
Options = Mapping[str, Any]

ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")


def ordinal(index: int) -> str:
    """0 as "first"."""
    return ORDINALS[index] if index < len(ORDINALS) else f"{index + 1}th"


# -- axes -----------------------------------------------------------------------------------------


def wrong_axis(shape: Shape, axis: Any, new: int = 0) -> str | None:
    """An axis that a tensor of this shape (and `new` axes more) has not, or that is named twice."""
    axes = axis if isinstance(axis, tuple | list) else () if axis is None else (axis,)
    ndim = len(shape) + new
    for a in axes:
        if not hasattr(a, "__index__"):
            return f"an axis is a whole number, and {a!r} is none."
        if not -ndim <= a < ndim:
            return f"there is no axis {a}: {_axes_of(shape, new)}."
    places = [a % ndim for a in axes]
    twice = next((a for a, p in zip(axes, places) if places.count(p) > 1), None)
    return None if twice is None else f"axis {twice} is named twice."


def _axes_of(shape: Shape, new: int = 0) -> str:
    ndim = len(shape) + new
    if not ndim:
        return "a tensor of shape () has no axes"
    what = f"the result has {ndim} axes" if new else f"a tensor of shape {shape} has {ndim}"
    return f"{what}, 0 to {ndim - 1} from the front or -1 to {-ndim} from the back"


# -- broadcasting ---------------------------------------------------------------------------------


def broadcast(shapes: Sequence[Shape], name: str = "") -> str | None:
    """Where shapes do not broadcast, and how the one or the other is made to."""
    for (i, a), (j, b) in combinations(enumerate(shapes), 2):
        for place, (n, m) in enumerate(zip(reversed(a), reversed(b)), 1):
            if n != m and 1 not in (n, m):
                text = (
                    f"aligned at their last axes, {a} and {b} disagree: axis -{place} has {n} in "
                    f"the {ordinal(i)} and {m} in the {ordinal(j)}."
                )
                return text + (_stretch(a, b, name) if len(shapes) == 2 else "")
    return None


def _stretch(a: Shape, b: Shape, name: str) -> str:
    if name == "multiply" and len(a) == len(b) == 2 and a[1] == b[0]:
        return "\n  For a matrix product write x @ y."
    if len(a) != len(b):
        (long, short), letter = ((a, b), "y") if len(a) > len(b) else ((b, a), "x")
        for start in range(len(long) - len(short)):
            part = long[start : start + len(short)]
            if all(n == m or 1 in (n, m) for n, m in zip(part, short)):
                behind = len(long) - start - len(short)
                key = ", ".join([":"] * len(short) + ["None"] * behind)
                axes = f"axis {start}" if len(short) == 1 else f"axes {start} to "
                axes += "" if len(short) == 1 else str(start + len(short) - 1)
                return (
                    f"\n  To lay the {'second' if letter == 'y' else 'first'} along {axes} of the "
                    f"other, write {letter}[{key}], of shape {short + (1,) * behind}."
                )
    if a == b[::-1]:
        return "\n  One of them is transposed: write y.T."
    if math.prod(a) == math.prod(b):
        return f"\n  They have equally many elements: y.reshape{a} has the first's shape."
    return "\n  The sizes of an axis must be equal, or one of them 1."


def broadcast_to(shapes: Sequence[Shape], options: Options) -> str | None:
    shape, wanted = shapes[0], tuple(options["shape"])
    if len(shape) > len(wanted):
        return (
            f"{shape} has more axes than {wanted}.\n"
            "  Sum or index the others away, or name them all in the new shape."
        )
    for place, (n, m) in enumerate(zip(reversed(shape), reversed(wanted)), 1):
        if n not in (m, 1):
            text = f"axis -{place} has {n} elements, and only an axis of 1 stretches to {m}."
            return text + _stretch(wanted, shape, "")
    return None


# -- shapes ---------------------------------------------------------------------------------------


def reshape(shapes: Sequence[Shape], options: Options) -> str | None:
    shape, wanted = shapes[0], tuple(options["shape"])
    count = math.prod(shape)
    if wanted.count(-1) > 1:
        return f"-1 stands for the size that is left, so it stands once; got {wanted}."
    fixed = [n for n in wanted if n != -1]
    asked = math.prod(fixed)
    if any(n < 0 for n in fixed):
        return f"a size is 0 or more, or -1 for what is left; got {wanted}."
    if -1 in wanted:
        text = f"{shape} has {count} elements, which is no multiple of {asked}."
    else:
        text = f"{shape} has {count} elements, and {wanted} would have {asked}."
    near = " or ".join(f"reshape{s}" for s in _nearest(count, wanted))
    return text + (f"\n  With all of them: {near}." if near else "")


def _nearest(count: int, wanted: Shape) -> list[Shape]:
    """Shapes like `wanted`, with one size changed so that they hold `count` elements."""
    found = []
    for place in reversed(range(len(wanted))):
        others = math.prod(n for i, n in enumerate(wanted) if i != place and n != -1)
        if wanted[place] == -1 or not others or count % others:
            continue
        sizes = [count // others]
        if -1 in wanted:  # what is left goes there: here any divisor will do, so the nearest two
            divisors = [d for d in range(1, count // others + 1) if count // others % d == 0]
            below = [d for d in divisors if d < wanted[place]][-1:]
            sizes = below + [d for d in divisors if d > wanted[place]][:1]
        found += [(*wanted[:place], size, *wanted[place + 1 :]) for size in sizes]
    return found[:2]


def permute(shapes: Sequence[Shape], options: Options) -> str | None:
    ndim = len(shapes[0])
    if "axes" not in options:
        return wrong_axis(shapes[0], options["axis"])
    return (
        f"axes={tuple(options['axes'])} is no order of the axes of {shapes[0]}: each of "
        f"0 to {ndim - 1} stands in it once.\n  The reverse order is "
        f"{tuple(range(ndim))[::-1]}; to exchange two, write x.swapaxes(i, j)."
    )


def expand_dims(shapes: Sequence[Shape], options: Options) -> str | None:
    axis = options["axis"]
    return wrong_axis(shapes[0], axis, new=len(axis) if isinstance(axis, tuple | list) else 1)


def squeeze(shapes: Sequence[Shape], options: Options) -> str | None:
    ones = [i for i, n in enumerate(shapes[0]) if n == 1]
    return wrong_axis(shapes[0], options["axis"]) or (
        f"axis {options['axis']} of {shapes[0]} is not of size 1; "
        + (f"of size 1 are {ones}." if ones else "none is.")
    )


def concat(shapes: Sequence[Shape], options: Options) -> str | None:
    axis, first = options["axis"], shapes[0]
    wrong = wrong_axis(first, axis)
    if wrong is not None:
        return wrong + (
            "\n  To join along a new axis, write lg.stack." if axis == len(first) else ""
        )
    for index, shape in enumerate(shapes):
        if len(shape) != len(first):
            return (
                f"all must have equally many axes: the {ordinal(index)} is {shape}, the first "
                f"{first}.\n  A missing axis is added by lg.expand_dims(x, axis={axis})."
            )
        differ = [i for i, (n, m) in enumerate(zip(shape, first)) if n != m]
        if differ and differ != [axis % len(first)]:
            others = "" if len(differ) > 1 else f"\n  To join along axis {differ[0]}, write "
            return (
                f"all sizes but that of axis {axis} must agree: the {ordinal(index)} is {shape}, "
                f"the first {first}." + (f"{others}axis={differ[0]}." if others else "")
            )
    return None


def stack(shapes: Sequence[Shape], options: Options) -> str | None:
    first = shapes[0]
    for index, shape in enumerate(shapes):
        if shape != first:
            text = f"all must have one shape: the {ordinal(index)} is {shape}, the first {first}."
            differ = [i for i, (n, m) in enumerate(zip(shape, first)) if n != m]
            if len(shape) == len(first) and len(differ) == 1:
                text += f"\n  To join them end to end, write lg.concat(…, axis={differ[0]})."
            return text
    return wrong_axis(first, options["axis"], new=1)


def split(shapes: Sequence[Shape], options: Options) -> str | None:
    axis = options["axis"]
    wrong = wrong_axis(shapes[0], axis)
    if wrong is not None:
        return wrong
    size, sections = shapes[0][axis], options["sections"]
    if sections < 1:
        return f"a tensor is split into 1 piece or more, not {sections}."
    edges = list(range(-(-size // sections), size, -(-size // sections)))
    return (
        f"axis {axis} has {size} elements, which is no multiple of {sections}.\n"
        f"  Unequal pieces are cut at positions: lg.split(x, {edges}, axis={axis})."
    )


def repeat(shapes: Sequence[Shape], options: Options) -> str | None:
    wrong = wrong_axis(shapes[0], options["axis"])
    if wrong is not None:
        return wrong
    counts, size = options["repeats"], shapes[0][options["axis"]]
    return (
        f"repeats of shape {getattr(counts, 'shape', (len(counts),))} do not match axis "
        f"{options['axis']}: give one number, or {size} of them, none below 0."
        if hasattr(counts, "__len__") or hasattr(counts, "shape")
        else f"an element is repeated 0 times or more, not {counts!r}."
    )


def diagonal(shapes: Sequence[Shape], options: Options) -> str | None:
    return f"{shapes[0]} has no diagonal: it takes matrices, (…, rows, columns)."
