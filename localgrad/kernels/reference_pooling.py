"""Pooling and resampling in NumPy, in any number of dimensions: the oracle of the kernels."""

from __future__ import annotations

import math
from typing import Any

import numpy


def max_pool(x: Any, windows: tuple[Any, ...]) -> tuple[Any, Any]:
    """The largest element of every window, and where it stands among x's places, in order.

    `windows` holds, per dimension, the places (outputs, taps) that each output looks at, −1 for
    none. The first of equals is taken; NaN is the largest, and the last one counts.
    """
    places = x.shape[2:]
    flat = x.reshape(*x.shape[:2], math.prod(places))
    outputs = tuple(w.shape[0] for w in windows)
    best = numpy.full((*x.shape[:2], *outputs), -numpy.inf, x.dtype)
    index = numpy.zeros(best.shape, numpy.int64)
    unseen = numpy.ones(outputs, bool)
    for tap in numpy.ndindex(*(w.shape[1] for w in windows)):
        chosen = [w[:, t] for w, t in zip(windows, tap)]
        axes = numpy.meshgrid(*chosen, indexing="ij")
        inside = numpy.logical_and.reduce([a >= 0 for a in axes])
        at = numpy.ravel_multi_index([numpy.maximum(a, 0) for a in axes], places)
        values = flat[..., at]
        better = inside & ((values > best) | numpy.isnan(values) | unseen)
        best = numpy.where(better, values, best)
        index = numpy.where(better, at, index)
        unseen &= ~inside
    return best, index


def gather_places(x: Any, index: Any) -> Any:
    """x's elements at `index`, numbers of its places (all axes after the second) in order."""
    flat = x.reshape(*x.shape[:2], math.prod(x.shape[2:]))
    at = index.reshape(*index.shape[:2], math.prod(index.shape[2:]))
    return numpy.take_along_axis(flat, at, 2).reshape(index.shape)


def scatter_places(g: Any, index: Any, shape: tuple[int, ...]) -> Any:
    """Zeros of `shape` with g added at `index`: the adjoint of `gather_places`."""
    rows = shape[0] * shape[1]
    places = math.prod(shape[2:])
    at = index.reshape(rows, math.prod(index.shape[2:])) + numpy.arange(rows)[:, None] * places
    summed = numpy.bincount(at.ravel(), weights=g.ravel(), minlength=rows * places)
    return summed.astype(g.dtype).reshape(shape)


def resample(x: Any, matrices: tuple[Any, ...], transposed: bool) -> Any:
    """Σ M₁[i, a] M₂[j, b] … x[…, a, b, …]: a matrix for each axis after the second.

    What an output does not look at is left out and not multiplied by zero: a NaN there stays there.
    An array whose channels are last in memory is resampled as it lies, and the result lies so too.
    """
    last = numpy.moveaxis(x, 1, -1).flags.c_contiguous
    if last:
        x = numpy.moveaxis(x, 1, -1)
    for axis, matrix in enumerate(matrices, start=1 if last else 2):
        m = (matrix.T if transposed else matrix).astype(x.dtype)
        source = numpy.moveaxis(x, axis, 0)
        x = numpy.zeros((*x.shape[:axis], len(m), *x.shape[axis + 1 :]), x.dtype)
        target = numpy.moveaxis(x, axis, 0)
        for i, a in zip(*numpy.nonzero(m)):
            target[i] += m[i, a] * source[a]
    return numpy.moveaxis(x, -1, 1) if last else x
