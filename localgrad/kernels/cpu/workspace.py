"""Scratch memory of the kernels, kept between calls.

A kernel runs with the interpreter's lock held and never calls another one through Python, so one
growing block serves them all.  Its pages are touched once, not once a step.
"""

from __future__ import annotations

import numpy as np

from .host import LINE

_held: dict[str, tuple[np.ndarray, int, int]] = {}


def whole_lines(size: int) -> int:
    """``size`` bytes rounded up to whole cache lines."""
    return -(-size // LINE) * LINE


def workspace(size: int) -> int:
    """The address of at least ``size`` bytes of scratch, on a cache line; overwritten by anyone."""
    memory, start, held = _held.get("block", (None, 0, -1))
    if size > held:
        grown = max(size, 1 << 20, held + held // 2)
        memory = np.empty(grown + LINE, dtype=np.uint8)
        start = -(-memory.ctypes.data // LINE) * LINE
        _held["block"] = (memory, start, grown)
    return start
