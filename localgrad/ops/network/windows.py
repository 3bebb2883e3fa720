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
def nearest(size: int, outputs: int, centred: bool, scale: float | None, dtype: Any) -> Any:
    """The matrix (outputs, size) that takes each output from one place.

    Between two places, rounding decides. It is PyTorch's: the step in the image's own precision,
    then the place in single precision.
    """
    step = float(numpy.dtype(dtype).type(size / outputs if scale is None else 1 / scale))
    shift = numpy.float32(0.5 if centred else 0.0)
    i = numpy.arange(outputs)
    places = numpy.float32((i + float(shift)) * step - float(shift)) + shift
    matrix = numpy.zeros((outputs, size))
    matrix[i, numpy.minimum(numpy.floor(places).astype(int), size - 1)] = 1
    return matrix


@lru_cache(maxsize=512)
def interpolating(
    size: int, outputs: int, mode: str, align_corners: bool, scale: float | None
) -> Any:
    """The matrix (outputs, size) by which an axis is interpolated; `scale` is the one given."""
    i = numpy.arange(outputs)
    ratio = size / outputs if scale is None else 1 / scale
    matrix = numpy.zeros((outputs, size))
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


def _cubic(t: Any) -> list[Any]:
    """Keys' weights of the four neighbours, at distances 1+t, t, 1−t, 2−t."""
    return [_keys(distance, -0.75) for distance in (1 + t, t, 1 - t, 2 - t)]


def _keys(d: Any, a: float) -> Any:
    """Cubic convolution at distance d (Keys, "Cubic convolution interpolation", 1981)."""
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return numpy.where(d < 1, near, numpy.where(d < 2, far, 0))


@lru_cache(maxsize=512)
def antialiased(
    size: int, outputs: int, mode: str, align_corners: bool, scale: float | None
) -> Any:
    """The matrix (outputs, size) by which an axis is resampled with a filter as wide as a step."""
    if align_corners:
        ratio = (size - 1) / (outputs - 1) if outputs > 1 else 0.0
    else:
        ratio = size / outputs if scale is None else 1 / scale
    step = max(ratio, 1.0)
    reach = (2 if mode == "bicubic" else 1) * step
    centres = ratio * (numpy.arange(outputs)[:, None] + 0.5)
    places = numpy.arange(size)
    seen = (places >= numpy.trunc(centres - reach + 0.5)) & (
        places < numpy.trunc(centres + reach + 0.5)
    )
    distances = abs(places - centres + 0.5) / step
    weights = _keys(distances, -0.5) if mode == "bicubic" else numpy.maximum(1 - distances, 0)
    matrix = weights * seen
    return matrix / matrix.sum(axis=1, keepdims=True)


def scaled_size(size: int, scale: float) -> int:
    """How many places an axis has after scaling."""
    return math.floor(size * scale)
