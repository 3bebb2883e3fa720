"""Resampling along the axes of images: average pooling of every kind, and interpolation.

Every output of an axis looks at a few neighbouring inputs; its row of the matrix says at which.
What it does not look at is left out and not multiplied by zero, so that a NaN stays in its place.
"""

from __future__ import annotations

from math import prod

import numpy as np
from numba import njit

from . import arena
from .callee import callee
from .host import CACHE
from .launch import parallel, share
from .layout import contiguous
from .pointwise import threads_for


@callee
def _along_task(x, places, factors, y, thread, threads):  # type: ignore[no-untyped-def]
    taps, outputs = places.shape
    zero = x.dtype.type(0)
    if x.shape[2] == 1:  # the last axis of channels-first images: lines of one element
        low, high = share(y.shape[0], thread, threads)
        for number in range(low, high):
            source, target = x[number, :, 0], y[number, :, 0]
            target[:] = zero
            for tap in range(taps):  # all outputs at once, each with its own input
                at, factor = places[tap], factors[tap]
                for i in range(outputs):
                    value = source[at[i]]
                    target[i] += factor[i] * value if factor[i] != zero else zero
        return
    low, high = share(y.shape[0] * outputs, thread, threads)
    for number in range(low, high):
        lines, i = x[number // outputs], number % outputs
        line = y[number // outputs, i]
        line[:] = zero
        for tap in range(taps):
            one = factors[tap, i]
            if one != zero:
                source = lines[places[tap, i]]
                for c in range(line.size):
                    line[c] += one * source[c]


@njit(cache=CACHE)
def _along(x, places, factors, y, threads):  # type: ignore[no-untyped-def]
    """y[o, i, c] = Σ over taps t of factors[t, i] x[o, places[t, i], c]."""
    parallel(_along_task, (x, places, factors, y), threads)


def _taps(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which inputs each output looks at, and their factors: both (taps, outputs), 0 for none."""
    used, size = matrix != 0, matrix.shape[1]
    first = used.argmax(1)
    end = np.where(used.any(1), size - used[:, ::-1].argmax(1), first)
    met = first + np.arange((end - first).max(initial=0))[:, None]
    places = np.minimum(met, size - 1)
    factors = np.where(met < end, np.take_along_axis(matrix, places.T, 1).T, 0)
    return places.astype(np.uintp), contiguous(factors.astype(matrix.dtype))


def resample(x: np.ndarray, matrices: tuple[np.ndarray, ...], transposed: bool) -> np.ndarray:
    """``Σ M₁[i, a] M₂[j, b] … x[…, a, b, …]``: a matrix for each axis after the second.

    Where channels are last in memory they are so in the result; with one place they always are,
    and a mean over all of an image spreads back in the order that convolutions prefer.
    """
    last = np.moveaxis(x, 1, -1).flags.c_contiguous
    y = np.moveaxis(x, 1, -1) if last else x
    for axis, given in enumerate(matrices, 1 if last else 2):
        matrix = (given.T if transposed else given).astype(x.dtype)
        before, size, after = prod(y.shape[:axis]), y.shape[axis], prod(y.shape[axis + 1:])
        source = contiguous(y).reshape(before, size, after)
        y = arena.empty((*y.shape[:axis], len(matrix), *y.shape[axis + 1:]), x.dtype)
        if y.size:
            _along(source, *_taps(matrix), y.reshape(before, len(matrix), after),
                   threads_for(max(source.size, y.size)))
    return np.moveaxis(y, -1, 1) if last else y
