"""The channels of an array as kernels walk them, wherever they lie in memory.

An array is (images, groups, run); in a run, the channels of a group take turns.  Channels last,
that is one run of all channels; channels first, one run of one channel for every image.  Either way
a pass walks *periods* of many elements, with the channels' constants repeated, because rows of a
few channels would make short vectors.
"""

from __future__ import annotations

from .callee import callee
from .emit import address, array_at, stack_at
from .launch import share
from .objects import axes_of, data_of, holds, is_contiguous, length_of, size_of, stride_of

_PERIOD = 256  # elements of a period, at least
_GROUPS = 8  # groups of each thread, from which on a thread has some to itself


@callee
def lies(place, first, like):  # type: ignore[no-untyped-def]
    """Whether the array object, (batch, channels, …), lies without holes, with channels ``first``
    or last."""
    if not holds(place, like):
        return False
    if first:
        return is_contiguous(place)
    stretch = array_at(0, 0, like).itemsize
    axes = axes_of(place)
    for number in range(axes):  # the channels, then the last axis, and so on
        axis = 1 if number == 0 else (axes - number if number < axes - 1 else 0)
        length = length_of(place, axis)
        if length > 1 and stride_of(place, axis) != stretch:
            return False
        stretch *= length
    return True


@callee
def runs_at(place, first, like):  # type: ignore[no-untyped-def]
    """The array object as (images, groups, run)."""
    images, groups = (length_of(place, 0), length_of(place, 1)) if first else (1, 1)
    return stack_at(data_of(place), images, groups, size_of(place) // (images * groups), like)


@callee
def part_of(x, channels, thread, threads):  # type: ignore[no-untyped-def]
    """What a thread does: from which group to which, of their runs from where to where, and with
    how many threads it shares them.

    A channel that one thread has to itself is still in its cache when it is walked again.
    """
    groups, width = x.shape[1], channels // x.shape[1]
    if groups % threads == 0 or groups >= _GROUPS * threads:
        first, last = share(groups, thread, threads)
        return first, last, 0, x.shape[2], 1
    low, high = share(x.shape[2] // width, thread, threads)
    return 0, groups, low * width, high * width, threads


@callee
def piece_of(x, image, group, begin, count):  # type: ignore[no-untyped-def]
    """So many elements of a run.  Runs may be short, and slices of three axes take their time."""
    place = ((image * x.shape[1] + group) * x.shape[2] + begin) * x.itemsize
    return array_at(address(x) + place, count, x.dtype.type(0))


@callee
def period_of(x, width):  # type: ignore[no-untyped-def]
    """Elements of a period: whole rows of a group's channels."""
    return (min(_PERIOD, x.shape[2]) + width - 1) // width * width


@callee
def repeat(vector, group, width, line):  # type: ignore[no-untyped-def]
    """Fill ``line`` with the numbers of a group's channels, again and again."""
    first = group * width
    if width == 1:
        for j in range(line.size):
            line[j] = vector[first]
    else:
        for start in range(0, line.size, width):
            for j in range(width):
                line[start + j] = vector[first + j]
