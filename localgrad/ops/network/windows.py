"""Which places each output of a pooling or a resampling looks at, one axis at a time.

Computed once for every geometry and kept: what comes back is shared, and not to be written to.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy


def pooled_size(
    size: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool
) -> int:
    """How many windows fit; with `ceil_mode` also one over the end, if it begins inside."""
    span = size + 2 * padding - dilation * (kernel - 1) - 1
    if not ceil_mode:
        return span // stride + 1
    count = -(-span // stride) + 1
    return count - 1 if (count - 1) * stride >= size + padding else count


@lru_cache(maxsize=512)
def sliding(
    size: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool
) -> Any:
    """Places (outputs, taps) of regular windows; −1 outside the image."""
    outputs = pooled_size(size, kernel, stride, padding, dilation, ceil_mode)
    starts = numpy.arange(max(outputs, 0)) * stride - padding
    places = starts[:, None] + numpy.arange(kernel) * dilation
    return numpy.where((places >= 0) & (places < size), places, -1)


def adaptive_bounds(size: int, outputs: int) -> tuple[Any, Any]:
    """Where the windows begin and end that share `size` places among `outputs`."""
    i = numpy.arange(outputs)
    return i * size // outputs, -(-(i + 1) * size // outputs)


@lru_cache(maxsize=512)
def adaptive(size: int, outputs: int) -> Any:
    """Places (outputs, taps) of adaptive windows; −1 beyond a window's end."""
    starts, ends = adaptive_bounds(size, outputs)
    places = starts[:, None] + numpy.arange(max(int((ends - starts).max(initial=0)), 0))
    return numpy.where(places < ends[:, None], places, -1)


@lru_cache(maxsize=512)
def averaging(
    size: int,
    kernel: int,
    stride: int,
    padding: int,
    ceil_mode: bool,
    count_include_pad: bool,
    divided: bool,
) -> Any:
    """The matrix (outputs, size) of means over regular windows; sums where not `divided`."""
    places = sliding(size, kernel, stride, padding, 1, ceil_mode)
    matrix = _membership(places, size)
    if divided:
        if count_include_pad:
            starts = numpy.arange(len(places)) * stride - padding
            counts = numpy.minimum(starts + kernel, size + padding) - starts
        else:
            counts = (places >= 0).sum(axis=1)
        matrix /= counts[:, None]
    return matrix


def _membership(places: Any, size: int) -> Any:
    matrix = numpy.zeros((len(places), size))
    rows = numpy.broadcast_to(numpy.arange(len(places))[:, None], places.shape)
    numpy.add.at(matrix, (rows[places >= 0], places[places >= 0]), 1)
    return matrix


@lru_cache(maxsize=512)
def adaptive_averaging(size: int, outputs: int) -> Any:
    """The matrix (outputs, size) of means over adaptive windows."""
    matrix = _membership(adaptive(size, outputs), size)
    return matrix / matrix.sum(axis=1, keepdims=True)


@lru_cache(maxsize=512)
def interpolating(
    size: int, outputs: int, mode: str, align_corners: bool, scale: float | None
) -> Any:
    """The matrix (outputs, size) by which an axis is interpolated; `scale` is the one given."""
    i = numpy.arange(outputs)
    ratio = size / outputs if scale is None else 1 / scale
    matrix = numpy.zeros((outputs, size))
    if mode in ("nearest", "nearest-exact"):
        shift = 0.5 if mode == "nearest-exact" else 0.0
        places = numpy.minimum(numpy.floor((i + shift) * ratio).astype(int), size - 1)
        matrix[i, places] = 1
        return matrix
    if align_corners:
        centres = i * ((size - 1) / (outputs - 1)) if outputs > 1 else i * 0.0
    else:
        centres = (i + 0.5) * ratio - 0.5
        if mode != "bicubic":
            centres = numpy.maximum(centres, 0)
    base = numpy.floor(centres).astype(int)
    part = centres - base
    if mode == "bicubic":
        weights = _cubic(part)
        first = -1
    else:
        weights = [1 - part, part]
        first = 0
    for offset, weight in enumerate(weights, start=first):
        numpy.add.at(matrix, (i, numpy.clip(base + offset, 0, size - 1)), weight)
    return matrix


def _cubic(t: Any, a: float = -0.75) -> list[Any]:
    """Keys' cubic convolution at distances 1+t, t, 1−t, 2−t (Keys, 1981)."""

    def near(d: Any) -> Any:
        return ((a + 2) * d - (a + 3)) * d * d + 1

    def far(d: Any) -> Any:
        return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a

    return [far(1 + t), near(t), near(1 - t), far(2 - t)]


def scaled_size(size: int, scale: float) -> int:
    """How many places an axis has after scaling."""
    return math.floor(size * scale)
