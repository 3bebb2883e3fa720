"""Arrays whose memory is used again: a steady training step asks the system for nothing.

``empty`` hands out an array that lies in a *slab* of the arena.  NumPy makes the slab the array's
base, and every view's too, so the slab's reference count says when the last of them has died; no
finaliser runs and nothing has to be returned.  Pages are touched once, not once a step.
"""

from __future__ import annotations

import itertools
import sys
from functools import lru_cache
from math import prod
from sys import getrefcount

import numpy as np

from .host import LINE

SMALLEST = 1 << 15  # below 32 KiB the system's own allocator is as quick
RECENT = 3  # how many of the last arrays to look at first
PERIOD = 1 << 12  # arrays handed out before memory that none of them needed goes back


class Slab:
    """A piece of memory: used, or idle when nobody but its arena refers to the memory."""

    __slots__ = ("memory", "period", "start")

    def __init__(self, size: int) -> None:
        self.memory = np.empty(size + LINE, np.uint8)
        self.start = -self.memory.ctypes.data % LINE
        self.period = 0  # when it was last handed out


class Shelf:
    """The slabs of one size, and where to look first for an idle one.

    What was handed out a moment ago and has come back is still in the cache; what comes after it
    has not been asked for the longest.  A look from the front would meet all that a step keeps.
    """

    __slots__ = ("place", "slabs")

    def __init__(self) -> None:
        self.slabs: list[Slab] = []
        self.place = 0


_nobodys = Slab(0)
_IDLE = getrefcount(_nobodys.memory)  # what the count is when only the arena holds a slab
_shelves: dict[int, Shelf] = {}
_handed = itertools.count()


@lru_cache(maxsize=4096)  # a training step asks the same again
def _size_class(shape: tuple[int, ...], dtype: np.dtype) -> int:
    """Bytes of a slab for such an array: within an eighth above its own; 0 if it is small."""
    size = prod(shape) * dtype.itemsize
    if size < SMALLEST:
        return 0
    step = 1 << max(size.bit_length() - 4, 12)
    return -(-size // step) * step


def empty(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An uninitialised C-contiguous array, on a cache line, in memory that was used before."""
    kind = _size_class(shape, dtype)
    if kind == 0:
        return np.empty(shape, dtype)
    period, place = divmod(next(_handed), PERIOD)
    if place == 0:
        _release_since(period - 1)
    shelf = _shelves.get(kind)
    if shelf is None:
        shelf = _shelves[kind] = Shelf()
    slabs, place = shelf.slabs, shelf.place
    for _ in range(len(slabs)):
        if place >= len(slabs):
            place = 0
        slab = slabs[place]
        if getrefcount(slab.memory) == _IDLE:
            break
        place += 1
    else:
        place = len(slabs)
        slab = Slab(kind)
        slabs.append(slab)
    shelf.place = max(place - RECENT, 0)
    slab.period = period
    return np.ndarray(shape, dtype, slab.memory, slab.start)


def channels_last(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An uninitialised array of shape (batch, channels, *space), channels last in memory."""
    batch, channels, *space = shape
    memory = empty((batch, *space, channels), dtype)
    return memory.transpose(0, memory.ndim - 1, *range(1, memory.ndim - 1))


def empty_like(model: np.ndarray) -> np.ndarray:
    """An uninitialised array without holes; images whose channels come last in memory stay so."""
    shape = model.shape
    if len(shape) == 4 and model.strides[1] == model.itemsize and not model.flags.c_contiguous:
        return channels_last(shape, model.dtype)
    return empty(shape, model.dtype)


def copy_like(array: np.ndarray, model: np.ndarray) -> np.ndarray:
    """A copy that lies in memory as ``model`` does, an array of ``empty_like``."""
    result = empty_like(model)
    result[...] = array
    return result


def usage() -> tuple[int, int]:
    """Bytes held by the arena, and how many of them no array uses at present."""
    held = idle = 0
    for kind, shelf in _shelves.items():
        for slab in shelf.slabs:
            held += kind
            idle += kind if getrefcount(slab.memory) == _IDLE else 0
    return held, idle


def release() -> None:
    """Give all idle memory back to the system."""
    _release_since(sys.maxsize)


def _release_since(period: int) -> None:
    """Give back what is idle and was not handed out since that period began.

    After a change of batch size nobody asks for the old sizes again, while every training step
    asks for all of its own.
    """
    for shelf in _shelves.values():
        shelf.slabs = [
            s for s in shelf.slabs if s.period >= period or getrefcount(s.memory) != _IDLE
        ]
