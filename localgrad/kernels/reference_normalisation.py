"""Standardising in NumPy: the oracle of the kernels.

x is (outer, n) for layer norm, where each row has its own mean and variance, and
(batch, channels, …) for batch norm, where each channel has. Statistics come as 1/√(variance + eps).
"""

from __future__ import annotations

from typing import Any

import numpy


def row_norm(x: Any, weight: Any, bias: Any, eps: float) -> tuple[Any, Any, Any]:
    """(x − mean)/√(var + eps) · weight + bias along each row; also means and 1/√(var + eps)."""
    mean = numpy.mean(x, axis=1, keepdims=True)
    y = x - mean
    scale = 1 / numpy.sqrt(numpy.mean(y * y, axis=1, keepdims=True) + x.dtype.type(eps))
    y *= scale
    if weight is not None:
        y *= weight
    if bias is not None:
        y += bias
    return y, mean, scale


def row_norm_backward(
    g: Any, x: Any, weight: Any, mean: Any, scale: Any, needs: tuple[bool, bool, bool],
    arrived: Any = None,
) -> list[Any]:  # fmt: skip
    """Downstreams of x, added to what has `arrived` there if anything has, of weight and bias."""
    standard = (x - mean) * scale
    result: list[Any] = [None, None, None]
    if needs[1]:
        result[1] = numpy.add.reduce(g * standard, axis=0)
    if needs[2]:
        result[2] = numpy.add.reduce(g, axis=0)
    if needs[0]:
        h = g if weight is None else g * weight
        along = numpy.mean(h * standard, axis=1, keepdims=True)
        result[0] = (h - numpy.mean(h, axis=1, keepdims=True) - standard * along) * scale
        if arrived is not None:
            result[0] += arrived.reshape(x.shape)
    return result


def _others(x: Any) -> tuple[int, ...]:
    return (0, *range(2, x.ndim))


def _stretched(vector: Any, x: Any) -> Any:
    return vector.reshape(1, -1, *[1] * (x.ndim - 2))


def channel_moments(x: Any, running: Any = None, momentum: float = 0.0) -> tuple[Any, Any]:
    """Mean and variance (divided by n) of every channel, towards which `running` ones move."""
    axes = _others(x)
    mean = numpy.mean(x, axis=axes)
    centred = x - _stretched(mean, x)
    variance = numpy.mean(centred * centred, axis=axes)
    if running is not None:
        move(running, mean, variance, x.size // mean.size, momentum)
    return mean, variance


def move(running: Any, mean: Any, variance: Any, count: int, momentum: float) -> None:
    """Move a running mean, and a running variance divided by n − 1, by `momentum` of the way."""
    means, variances = running
    means += (mean - means) * momentum
    variances += (variance * (count / (count - 1)) - variances) * momentum


def channel_norm(
    x: Any, mean: Any, variance: Any, weight: Any, bias: Any, eps: float
) -> tuple[Any, Any]:
    """(x − mean) · scale · weight + bias with scale = 1/√(variance + eps), and the scale.

    All are vectors of channels; weight and bias may be None.
    """
    scale = 1 / numpy.sqrt(variance + variance.dtype.type(eps))
    factor = scale if weight is None else scale * weight
    shift = -mean * factor
    if bias is not None:
        shift = shift + bias
    y = x * _stretched(factor.astype(x.dtype), x)
    y += _stretched(shift.astype(x.dtype), x)
    return y, scale


def channel_norm_backward(
    g: Any,
    x: Any,
    mean: Any,
    scale: Any,
    weight: Any,
    fixed: bool,
    needs: tuple[bool, bool, bool],
) -> list[Any]:
    """Downstreams of x, weight and bias; `fixed` where mean and scale do not depend on x."""
    axes = _others(x)
    count = x.size // x.shape[1]
    standard = (x - _stretched(mean, x)) * _stretched(scale, x)
    total = numpy.add.reduce(g, axis=axes)
    along = numpy.add.reduce(g * standard, axis=axes)
    result: list[Any] = [None, along if needs[1] else None, total if needs[2] else None]
    if needs[0]:
        factor = _stretched(scale if weight is None else scale * weight, x)
        if fixed:
            result[0] = g * factor
        else:
            pulled = g - _stretched(total / count, x) - standard * _stretched(along / count, x)
            result[0] = pulled * factor
    return result
