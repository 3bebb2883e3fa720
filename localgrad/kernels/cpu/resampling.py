"""Resampling along the axes of images: average pooling of every kind, and interpolation.

Every output of an axis looks at a few neighbouring inputs; its row of the matrix says at which.
What it does not look at is left out and not multiplied by zero, so that a NaN stays in its place.
"""

from __future__ import annotations

from math import prod

import numpy as np
from numba import njit

from . import arena
from .host import CACHE
from .launch import parallel, share
from .layout import contiguous
from .pointwise import threads_for


@njit(cache=CACHE)
def _along_task(x, matrix, bands, y, thread, threads):  # type: ignore[no-untyped-def]
    outputs = matrix.shape[0]
    low, high = share(y.shape[0] * outputs, thread, threads)
    for number in range(low, high):
        lines, i = x[number // outputs], number % outputs
        line = y[number // outputs, i]
        line[:] = x.dtype.type(0)
        for a in range(bands[i, 0], bands[i, 1]):
            source, factor = lines[a], matrix[i, a]
            if factor != 0:
                for c in range(line.size):
                    line[c] += factor * source[c]


@njit(cache=CACHE)
def _along(x, matrix, bands, y, threads):  # type: ignore[no-untyped-def]
    """y[o, i, c] = Σ over a of matrix[i, a] x[o, a, c]."""
    parallel(_along_task, (x, matrix, bands, y), threads)


def _bands(matrix: np.ndarray) -> np.ndarray:
    """The first input that every output looks at, and the one after the last."""
    used = matrix != 0
    bands = np.zeros((len(matrix), 2), np.int64)
    bands[:, 0] = used.argmax(1)
    bands[:, 1] = np.where(used.any(1), matrix.shape[1] - used[:, ::-1].argmax(1), bands[:, 0])
    return bands


def resample(x: np.ndarray, matrices: tuple[np.ndarray, ...], transposed: bool) -> np.ndarray:
    """``Σ M₁[i, a] M₂[j, b] … x[…, a, b, …]``: a matrix for each axis after the second.

    Where channels are last in memory they are so in the result; with one place they always are,
    and a mean over all of an image spreads back in the order that convolutions prefer.
    """
    last = np.moveaxis(x, 1, -1).flags.c_contiguous
    y = np.moveaxis(x, 1, -1) if last else x
    for axis, given in enumerate(matrices, 1 if last else 2):
        matrix = contiguous((given.T if transposed else given).astype(x.dtype))
        before, size, after = prod(y.shape[:axis]), y.shape[axis], prod(y.shape[axis + 1:])
        source = contiguous(y).reshape(before, size, after)
        y = arena.empty((*y.shape[:axis], len(matrix), *y.shape[axis + 1:]), x.dtype)
        if y.size:
            _along(source, matrix, _bands(matrix), y.reshape(before, len(matrix), after),
                   threads_for(max(source.size, y.size)))
    return np.moveaxis(y, -1, 1) if last else y
