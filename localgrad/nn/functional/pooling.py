"""Max, average, power and adaptive pooling, in 1, 2 and 3 dimensions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy

from localgrad import errors_of_layers as errors
from localgrad import kernels, ops
from localgrad.graph.record import here
from localgrad.nn.functional.convolution import Size, sizes
from localgrad.ops.network import pooling, windows
from localgrad.tensor import Tensor

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "lp_pool2d",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
]



def batched(name: str, count: int, function: Callable[[Any], Any], input: Any) -> Any:
    """`function` of an input with a batch axis; one without gets it for the while."""
    if input.ndim == count + 2:
        return function(input)
    if input.ndim != count + 1:
        raise errors.pooling_rank(name, input.shape, count, here())
    y = function(input[None])
    return tuple(part[0] for part in y) if isinstance(y, tuple) else y[0]


def _check(name: str, x: Any, kernel: Any, padding: Any, outputs: Any) -> None:
    if any(2 * p > k for p, k in zip(padding, kernel)):
        raise errors.pooling_padding(name, kernel, padding, here())
    if any(n < 1 for n in outputs):
        raise errors.kernel_too_large(name, x.shape, kernel, padding, (1,) * len(kernel), here())


def _max_pool(
    count: int,
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    return_indices: bool,
) -> Any:
    name = f"max_pool{count}d"
    kernel = sizes(kernel_size, count)
    steps = kernel if stride is None or stride == () else sizes(stride, count)
    edges, spread = sizes(padding, count), sizes(dilation, count)

    def pool(x: Any) -> Any:
        geometry = zip(x.shape[2:], kernel, steps, edges, spread)
        looked = tuple(windows.sliding(*numbers, ceil_mode) for numbers in geometry)
        _check(name, x, kernel, edges, [len(w) for w in looked])
        return _maxima(x, looked, return_indices)

    return batched(name, count, pool, input)


def _maxima(x: Any, looked: tuple[Any, ...], return_indices: bool) -> Any:
    if not return_indices:
        return pooling.max_pool(x, windows=looked)
    index = kernels.max_pool(x.value, looked)[1]
    return pooling.gather_places(x, index=index), Tensor(index.astype(numpy.int64, copy=False))


def max_pool1d(
    input: Any,
    kernel_size: Size,
    stride: Any = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of every window of (batch, channels, length)."""
    options = (stride, padding, dilation, ceil_mode, return_indices)
    return _max_pool(1, input, kernel_size, *options)


def max_pool2d(
    input: Any,
    kernel_size: Size,
    stride: Any = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of every window of (batch, channels, height, width).

    With `return_indices` also where it stands, counted along the rows of its channel.
    """
    options = (stride, padding, dilation, ceil_mode, return_indices)
    return _max_pool(2, input, kernel_size, *options)


def max_pool3d(
    input: Any,
    kernel_size: Size,
    stride: Any = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of every window of (batch, channels, depth, height, width)."""
    options = (stride, padding, dilation, ceil_mode, return_indices)
    return _max_pool(3, input, kernel_size, *options)


def _avg_pool(
    count: int,
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Any:
    name = f"avg_pool{count}d"
    kernel = sizes(kernel_size, count)
    steps = kernel if stride is None or stride == () else sizes(stride, count)
    edges = sizes(padding, count)
    divided = divisor_override is None

    def pool(x: Any) -> Any:
        matrices = tuple(
            windows.averaging(n, k, s, p, ceil_mode, count_include_pad, divided)
            for n, k, s, p in zip(x.shape[2:], kernel, steps, edges)
        )
        _check(name, x, kernel, edges, [len(m) for m in matrices])
        y = pooling.resample(x, matrices=matrices)
        return y if divided else y / divisor_override

    return batched(name, count, pool, input)


def avg_pool1d(
    input: Any,
    kernel_size: Size,
    stride: Any = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """The mean of every window of (batch, channels, length)."""
    return _avg_pool(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def avg_pool2d(
    input: Any,
    kernel_size: Size,
    stride: Any = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """The mean of every window of (batch, channels, height, width)."""
    options = (stride, padding, ceil_mode, count_include_pad, divisor_override)
    return _avg_pool(2, input, kernel_size, *options)


def avg_pool3d(
    input: Any,
    kernel_size: Size,
    stride: Any = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """The mean of every window of (batch, channels, depth, height, width)."""
    options = (stride, padding, ceil_mode, count_include_pad, divisor_override)
    return _avg_pool(3, input, kernel_size, *options)


def lp_pool2d(
    input: Any, norm_type: float, kernel_size: Size, stride: Any = None, ceil_mode: bool = False
) -> Any:
    """(Σ xᵖ)^(1/p) over every window."""
    kernel = sizes(kernel_size, 2)
    total = avg_pool2d(ops.pow(input, norm_type), kernel, stride, 0, ceil_mode)
    area = math.prod(kernel)
    return ops.pow(ops.sign(total) * ops.relu(ops.abs(total)) * area, 1 / norm_type)


def _adaptive_sizes(output_size: Any, x: Any, count: int) -> tuple[int, ...]:
    asked = output_size if isinstance(output_size, tuple | list) else (output_size,) * count
    return tuple(n if o is None else int(o) for o, n in zip(asked, x.shape[2:]))


def _adaptive_avg(count: int, input: Any, output_size: Any) -> Any:
    def pool(x: Any) -> Any:
        outputs = _adaptive_sizes(output_size, x, count)
        matrices = tuple(map(windows.adaptive_averaging, x.shape[2:], outputs))
        return pooling.resample(x, matrices=matrices)

    return batched(f"adaptive_avg_pool{count}d", count, pool, input)


def adaptive_avg_pool1d(input: Any, output_size: Any) -> Any:
    """Means over `output_size` windows that share the length."""
    return _adaptive_avg(1, input, output_size)


def adaptive_avg_pool2d(input: Any, output_size: Any) -> Any:
    """Means over a grid of windows that share height and width; None keeps a size."""
    return _adaptive_avg(2, input, output_size)


def adaptive_avg_pool3d(input: Any, output_size: Any) -> Any:
    """Means over a grid of windows that share depth, height and width."""
    return _adaptive_avg(3, input, output_size)


def _adaptive_max(count: int, input: Any, output_size: Any, return_indices: bool) -> Any:
    def pool(x: Any) -> Any:
        outputs = _adaptive_sizes(output_size, x, count)
        looked = tuple(map(windows.adaptive, x.shape[2:], outputs))
        return _maxima(x, looked, return_indices)

    return batched(f"adaptive_max_pool{count}d", count, pool, input)


def adaptive_max_pool1d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """Maxima over `output_size` windows that share the length."""
    return _adaptive_max(1, input, output_size, return_indices)


def adaptive_max_pool2d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """Maxima over a grid of windows that share height and width."""
    return _adaptive_max(2, input, output_size, return_indices)


def adaptive_max_pool3d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """Maxima over a grid of windows that share depth, height and width."""
    return _adaptive_max(3, input, output_size, return_indices)
