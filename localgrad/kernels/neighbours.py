"""Arrays that are pieces of one array, seen from how they lie in memory.

A network makes `q`, `k` and `v` in one product and cuts them apart. If their gradients lie in
memory as they do, nobody need copy these together: they are one array already.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from operator import itemgetter
from typing import Any

import numpy


@lru_cache(maxsize=1024)
def steps_of(shape: tuple[int, ...], size: int) -> tuple[int, ...]:
    """The strides of an array of this shape that lies end to end."""
    steps = [size]
    for length in reversed(shape[1:]):
        steps.append(steps[-1] * length)
    return tuple(reversed(steps))


def side_by_side(pieces: list[tuple[int, int, Any]], shape: tuple[int, ...]) -> Any:
    """The array of this shape whose pieces these are, if they lie so; else None.

    A piece is (axis, start, array): `array` is what stands along `axis` from `start` on, or what
    stands at one place of it, and then it lacks the axis.
    """
    axis, _, first = pieces[0]
    base = first.base
    if base.__class__ is not numpy.ndarray or not base.flags.c_contiguous:
        return None
    steps = steps_of(shape, first.itemsize)
    at_one_place = (*steps[:axis], *steps[axis + 1 :])
    origin = None
    reached = 0
    for own_axis, start, array in sorted(pieces, key=itemgetter(1)):
        if array.base is not base or own_axis != axis or start != reached:
            return None
        is_range = array.ndim == len(shape)
        if array.strides != (steps if is_range else at_one_place):
            return None
        begin = array.ctypes.data - start * steps[axis]
        if origin is None:
            origin = begin
        elif begin != origin:
            return None
        reached += array.shape[axis] if is_range else 1
    if reached != shape[axis] or origin is None:
        return None
    return numpy.ndarray(shape, first.dtype, base, origin - base.ctypes.data)


@lru_cache(maxsize=256)
def _block(
    count: int, shape: tuple[int, ...], strides: tuple[int, ...], step: int, size: int
) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """The shape of the memory that `count` arrays `step` bytes apart fill without a gap, and how
    its axes are to be transposed to (count, *shape); None if they do not fill any."""
    axes = sorted(zip((step, *strides), (count, *shape), range(len(shape) + 1)), reverse=True)
    lengths = tuple(length for _, length, _ in axes)
    if tuple(stride for stride, _, _ in axes) != steps_of(lengths, size):
        return None
    order = [place for _, _, place in axes]
    return lengths, tuple(order.index(place) for place in range(len(order)))


def new_alike(arrays: list[Any], empty: Callable[..., Any]) -> list[Any] | None:
    """New arrays that lie to each other as these do, if these are the equal pieces of one array
    that lies end to end; else None. `empty(shape, dtype)` makes memory."""
    first = arrays[0]
    base, kind = first.base, (first.shape, first.strides, first.dtype)
    if base is None:
        return None
    for array in arrays:
        if array.base is not base or (array.shape, array.strides, array.dtype) != kind:
            return None
    places = [array.ctypes.data for array in arrays]
    step = places[1] - places[0]
    if any(place - places[0] != number * step for number, place in enumerate(places)):
        return None
    block = _block(len(arrays), first.shape, first.strides, step, first.itemsize)
    if block is None:
        return None
    lengths, order = block
    return list(empty(lengths, first.dtype).transpose(order))
