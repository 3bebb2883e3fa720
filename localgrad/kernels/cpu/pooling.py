"""Max pooling of images, channels last: the window's largest element and where it stands.

Also the two maps along places that pooling routes with: gather and its adjoint.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from . import arena
from .callee import callee
from .host import CACHE
from .launch import parallel, share
from .layout import contiguous
from .pointwise import threads_for


@callee
def _max_pool_task(x, rows, columns, y, index, thread, threads):  # type: ignore[no-untyped-def]
    width = x.shape[2]
    high_count, wide_count = rows.shape[0], columns.shape[0]
    low, high = share(y.shape[0] * high_count, thread, threads)
    for number in range(low, high):
        image, i = number // high_count, number % high_count
        for j in range(wide_count):
            best, at = y[image, i, j], index[image, i, j]
            first = True
            for p in range(rows.shape[1]):
                for q in range(columns.shape[1]):
                    row, column = rows[i, p], columns[j, q]
                    if row < 0 or column < 0:
                        continue
                    values = x[image, row, column]
                    place = np.int32(row * width + column)
                    if first:
                        for c in range(best.size):
                            best[c], at[c] = values[c], place
                        first = False
                        continue
                    for c in range(best.size):
                        # The first of equals stays; NaN is the largest, and the last one counts.
                        # An `or` would be a branch, and a branch no vector.
                        better = (values[c] > best[c]) | (values[c] != values[c])
                        at[c] = place if better else at[c]
                        best[c] = values[c] if better else best[c]


@njit(cache=CACHE)
def _max_pool(x, rows, columns, y, index, threads):  # type: ignore[no-untyped-def]
    parallel(_max_pool_task, (x, rows, columns, y, index), threads)


@callee
def _scatter_task(g, index, dx, thread, threads):  # type: ignore[no-untyped-def]
    zero = dx.dtype.type(0)
    low, high = share(dx.shape[0], thread, threads)
    for image in range(low, high):
        target = dx[image]
        for place in range(target.shape[0]):
            line = target[place]
            for c in range(line.size):
                line[c] = zero
        for place in range(g.shape[1]):
            upstream, at = g[image, place], index[image, place]
            for c in range(at.size):
                target[at[c], c] += upstream[c]


@njit(cache=CACHE)
def _scatter(g, index, dx, threads):  # type: ignore[no-untyped-def]
    parallel(_scatter_task, (g, index, dx), threads)


def _last(array: np.ndarray) -> np.ndarray:
    """(batch, channels, …) as a contiguous (batch, …, channels)."""
    return contiguous(array.transpose(0, *range(2, array.ndim), 1))


def max_pool(
    x: np.ndarray, rows: np.ndarray, columns: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The largest element of every window of (batch, channels, height, width), and its place.

    ``rows`` and ``columns`` hold the places (outputs, taps) that each output looks at, −1 for none;
    a place is ``row · width + column``.  Every window sees one place at least.  Both results are
    channels-last.
    """
    rows, columns = (contiguous(window.astype(np.int64, copy=False)) for window in (rows, columns))
    shape = (*x.shape[:2], len(rows), len(columns))
    y = arena.channels_last(shape, x.dtype)
    index = arena.channels_last(shape, np.dtype(np.int32))
    if y.size:
        _max_pool(_last(x), rows, columns, y.transpose(0, 2, 3, 1), index.transpose(0, 2, 3, 1),
                  threads_for(x.size))
    return y, index


def scatter_places(g: np.ndarray, index: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Zeros of ``shape`` with g added at ``index``, numbers of the places of each channel."""
    dx = arena.channels_last(shape, g.dtype)
    if dx.size:
        batch, channels = shape[:2]
        places = dx.size // (batch * channels)
        upstream = _last(g).reshape(batch, -1, channels)
        at = _last(index.astype(np.int32, copy=False)).reshape(batch, -1, channels)
        memory = dx.transpose(0, *range(2, dx.ndim), 1).reshape(batch, places, channels)
        _scatter(upstream, at, memory, threads_for(dx.size))
    return dx
