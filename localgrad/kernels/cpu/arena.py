"""Arrays whose memory is used again: a steady training step asks the system for nothing.

``empty`` hands out an array that lies in a *slab* of the arena.  NumPy makes the slab the array's
base, and every view's too, so the slab's reference count says when the last of them has died; no
finaliser runs and nothing has to be returned.  Pages are touched once, not once a step.
"""

from __future__ import annotations

import sys
from math import prod

import numpy as np

from .host import LINE

SMALLEST = 1 << 15  # below 32 KiB the system's own allocator is as quick
_slabs: dict[int, list[tuple[np.ndarray, int]]] = {}


def _count(entry: tuple[np.ndarray, int]) -> int:
    return sys.getrefcount(entry[0])


_IDLE = _count((np.empty(0), 0))  # what the count is when only the arena holds a slab


def _rounded(size: int) -> int:
    """The size class: within an eighth above ``size``."""
    step = 1 << max(size.bit_length() - 4, 12)
    return -(-size // step) * step


def empty(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An uninitialised C-contiguous array, on a cache line, in memory that was used before."""
    size = prod(shape) * dtype.itemsize
    if size < SMALLEST:
        return np.empty(shape, dtype)
    kind = _rounded(size)
    slabs = _slabs.get(kind)
    if slabs is None:
        slabs = _slabs[kind] = []
    for entry in slabs:
        if _count(entry) == _IDLE:
            return np.ndarray(shape, dtype, entry[0], entry[1])
    _forget_if_idle(kind)
    memory = np.empty(kind + LINE, np.uint8)
    start = -memory.ctypes.data % LINE
    slabs.append((memory, start))
    return np.ndarray(shape, dtype, memory, start)


def channels_last(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An uninitialised array of shape (batch, channels, *space), channels last in memory."""
    batch, channels, *space = shape
    memory = empty((batch, *space, channels), dtype)
    return memory.transpose(0, memory.ndim - 1, *range(1, memory.ndim - 1))


def usage() -> tuple[int, int]:
    """Bytes held by the arena, and how many of them no array uses at present."""
    held = idle = 0
    for kind, slabs in _slabs.items():
        for entry in slabs:
            held += kind
            idle += kind if _count(entry) == _IDLE else 0
    return held, idle


def release() -> None:
    """Give all idle memory back to the system."""
    for kind, slabs in _slabs.items():
        _slabs[kind] = [entry for entry in slabs if _count(entry) != _IDLE]


def _forget_if_idle(wanted: int) -> None:
    """Before growing: give idle memory back if it is more than half of all, as after a change
    of batch size."""
    held, idle = usage()
    if 2 * idle > held + wanted:
        release()
