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
from typing import NamedTuple

import numpy as np

from .host import LINE

SMALLEST = 1 << 15  # below 32 KiB the system's own allocator is as quick
RECENT = 3  # how many of the last arrays to look at first
PERIOD = 1 << 12  # arrays handed out before memory that none of them needed goes back


class Slab:
    """A piece of memory: used, or idle when nobody but its arena refers to the memory."""

    __slots__ = ("array", "form", "handed", "start")

    def __init__(self, memory: np.ndarray) -> None:
        self.start = -memory.ctypes.data % LINE
        self.array = memory[self.start :]  # as it was last handed out
        self.form: Form | None = None
        self.handed = 0  # how many arrays had been handed out by then


class Shelf:
    """The slabs of one size, and where to look first for an idle one.

    What was handed out a moment ago and has come back is still in the cache; what comes after it
    has not been asked for the longest.  A look from the front would meet all that a step keeps.
    """

    __slots__ = ("memories", "place", "size", "slabs")

    def __init__(self, size: int) -> None:
        self.size = size
        self.memories: list[np.ndarray] = []  # apart from the slabs: a look at one is a line less
        self.slabs: list[Slab] = []
        self.place = 0

    def add(self) -> None:
        """One slab more."""
        self.memories.append(np.empty(self.size + LINE, np.uint8))
        self.slabs.append(Slab(self.memories[-1]))


class Form(NamedTuple):
    """What is asked for, and where such arrays lie; a training step asks the same again."""

    shelf: Shelf
    shape: tuple[int, ...]
    dtype: np.dtype
    strides: tuple[int, ...] | None


_shelves: dict[int, Shelf] = {}
_handed = itertools.count(1)


@lru_cache(maxsize=4096)
def _form(shape: tuple[int, ...], dtype: np.dtype, channels_last: bool) -> Form | None:
    """None of a small array; a slab is within an eighth above an array's own size."""
    size = prod(shape) * dtype.itemsize
    if size < SMALLEST:
        return None
    step = 1 << max(size.bit_length() - 4, 12)
    whole = -(-size // step) * step
    shelf = _shelves.setdefault(whole, Shelf(whole))
    strides = _images(shape, dtype).strides if channels_last else None
    return Form(shelf, shape, dtype, strides)


def _images(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    batch, channels, *space = shape
    memory = np.empty((batch, *space, channels), dtype)
    return memory.transpose(0, memory.ndim - 1, *range(1, memory.ndim - 1))


def empty(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An uninitialised C-contiguous array, on a cache line, in memory that was used before."""
    form = _form(shape, dtype, False)
    return np.empty(shape, dtype) if form is None else _take(form)


def channels_last(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An uninitialised array of shape (batch, channels, *space), channels last in memory."""
    form = _form(shape, dtype, True)
    return _images(shape, dtype) if form is None else _take(form)


def _take(form: Form) -> np.ndarray:
    handed = next(_handed)
    if handed % PERIOD == 0:
        _release_since(handed - PERIOD)
    shelf = form.shelf
    memories, place = shelf.memories, shelf.place
    count = len(memories)
    for _ in range(count):
        if place >= count:
            place = 0
        if getrefcount(memories[place]) == _IDLE:
            break
        place += 1
    else:
        place = count
        shelf.add()
    shelf.place = place - RECENT if place > RECENT else 0
    slab = shelf.slabs[place]
    slab.handed = handed
    if slab.form is not form:
        slab.form = form
        memory = memories[place]
        slab.array = np.ndarray(form.shape, form.dtype, memory, slab.start, form.strides)
    return slab.array.view()  # a third of what making an array costs; its base is the memory


_nobodys = Shelf(0)
_nobodys.add()
_IDLE = getrefcount(_nobodys.memories[0])  # what the count is when only the arena holds a slab


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
    for shelf in _shelves.values():
        held += shelf.size * len(shelf.memories)
        idle += shelf.size * [*map(getrefcount, shelf.memories)].count(_IDLE)
    return held, idle


def release() -> None:
    """Give all idle memory back to the system."""
    _release_since(sys.maxsize)


def _release_since(handed: int) -> None:
    """Give back what is idle and was not handed out since then.

    After a change of batch size nobody asks for the old sizes again, while every training step
    asks for all of its own.
    """
    for shelf in _shelves.values():
        counts = map(getrefcount, shelf.memories)
        kept = [
            place
            for place, (slab, count) in enumerate(zip(shelf.slabs, counts))
            if slab.handed >= handed or count != _IDLE
        ]
        shelf.slabs = [shelf.slabs[place] for place in kept]
        shelf.memories = [shelf.memories[place] for place in kept]
