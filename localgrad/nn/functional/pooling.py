"""Max, average, power and adaptive pooling, in 1, 2 and 3 dimensions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy

from localgrad import errors_of_layers as errors
from localgrad import kernels, ops
from localgrad.graph.record import here
from localgrad.local.operation import as_raw
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
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
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


def _lp_pool(
    count: int, input: Any, norm_type: float, kernel_size: Any, stride: Any, ceil_mode: bool
) -> Any:
    kernel = sizes(kernel_size, count)
    if math.isinf(norm_type):
        sign = math.copysign(1, norm_type)
        return sign * _max_pool(
            count, sign * ops.abs(input), kernel, stride, 0, 1, ceil_mode, False
        )
    raised = ops.pow(input, norm_type)
    total = _avg_pool(count, raised, kernel, stride, 0, ceil_mode, True, None)
    return ops.pow(ops.sign(total) * ops.relu(ops.abs(total)) * math.prod(kernel), 1 / norm_type)


def lp_pool1d(
    input: Any, norm_type: float, kernel_size: Size, stride: Any = None, ceil_mode: bool = False
) -> Any:
    """(Σ xᵖ)^(1/p) over every window of (batch, channels, length); p may be infinite."""
    return _lp_pool(1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    input: Any, norm_type: float, kernel_size: Size, stride: Any = None, ceil_mode: bool = False
) -> Any:
    """(Σ xᵖ)^(1/p) over every window of (batch, channels, height, width); p may be infinite."""
    return _lp_pool(2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    input: Any, norm_type: float, kernel_size: Size, stride: Any = None, ceil_mode: bool = False
) -> Any:
    """(Σ xᵖ)^(1/p) over every window of (batch, channels, three sizes); p may be infinite."""
    return _lp_pool(3, input, norm_type, kernel_size, stride, ceil_mode)


def _max_unpool(
    count: int,
    input: Any,
    indices: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    output_size: Any,
) -> Any:
    name = f"max_unpool{count}d"
    kernel, edges = sizes(kernel_size, count), sizes(padding, count)
    steps = kernel if stride is None else sizes(stride, count)
    index = as_raw(indices)
    least = tuple(
        (n - 1) * s + k - 2 * p
        for n, s, k, p in zip(input.shape[-count:], steps, kernel, edges)
    )
    places = least if output_size is None else tuple(output_size)[-count:]
    if any(abs(p - n) >= s for p, n, s in zip(places, least, steps)):
        raise errors.unpooled_size(name, places, least, steps, here())
    if index.shape != input.shape or (index.size and index.max() >= math.prod(places)):
        raise errors.unpooled_indices(name, input.shape, index.shape, places, here())

    def unpool(x: Any) -> Any:
        at = index.reshape(x.shape)
        return pooling.scatter_places(x, index=at, shape=(*x.shape[:2], *places))

    return batched(name, count, unpool, input)


def max_unpool1d(
    input: Any,
    indices: Any,
    kernel_size: Size,
    stride: Any = None,
    padding: Size = 0,
    output_size: Any = None,
) -> Any:
    """Maxima put back where max_pool1d found them, zeros elsewhere."""
    return _max_unpool(1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Any,
    indices: Any,
    kernel_size: Size,
    stride: Any = None,
    padding: Size = 0,
    output_size: Any = None,
) -> Any:
    """Maxima put back where max_pool2d found them, zeros elsewhere.

    A place that is named twice, by windows that overlap, gets the sum.
    """
    return _max_unpool(2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Any,
    indices: Any,
    kernel_size: Size,
    stride: Any = None,
    padding: Size = 0,
    output_size: Any = None,
) -> Any:
    """Maxima put back where max_pool3d found them, zeros elsewhere."""
    return _max_unpool(3, input, indices, kernel_size, stride, padding, output_size)


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
