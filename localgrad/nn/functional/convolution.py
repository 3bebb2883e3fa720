"""Convolutions in 1, 2 and 3 dimensions, and transposed, with every padding."""

from __future__ import annotations

from typing import Any

from localgrad import errors_of_layers as errors
from localgrad import ops
from localgrad.errors import unknown_choice
from localgrad.graph.record import here
from localgrad.ops.network import convolution as triple
from localgrad.tensor import Tensor

__all__ = [
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
]


Size = int | tuple[int, ...]


def sizes(value: Any, count: int) -> tuple[int, ...]:
    """A number for each dimension."""
    if isinstance(value, tuple | list):
        return tuple(value) * count if len(value) == 1 else tuple(value)
    return (int(value),) * count


def same_padding(kernel: tuple[int, ...], dilation: tuple[int, ...]) -> list[tuple[int, int]]:
    """Zeros before and after each dimension that leave its size as it was at stride 1."""
    totals = [d * (k - 1) for k, d in zip(kernel, dilation)]
    return [(total // 2, total - total // 2) for total in totals]


def _checked(name: str, input: Any, weight: Any, groups: int, count: int, inputs: int) -> None:
    if input.ndim not in (count + 1, count + 2) or weight.ndim != count + 2:
        raise errors.convolution_rank(name, input.shape, weight.shape, count, here())
    channels = input.shape[-count - 1]
    if channels != inputs or weight.shape[0] % groups:
        raise errors.convolution_channels(name, channels, inputs, weight.shape, groups, here())


def convolution(
    count: int,
    input: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
    clamp: bool = False,
) -> Tensor:
    """A convolution of `count` dimensions, and if asked the relu behind it."""
    name = f"conv{count}d"
    _checked(name, input, weight, groups, count, weight.shape[1] * groups)
    if input.ndim == count + 1:
        y = convolution(
            count, input[None], weight, bias, stride, padding, dilation, groups, clamp
        )
        return y[0]
    steps, spread = sizes(stride, count), sizes(dilation, count)
    kernel = weight.shape[2:]
    if padding == "same":
        if any(s != 1 for s in steps):
            raise errors.same_needs_stride_one(name, steps, here())
        around = same_padding(kernel, spread)
        if any(before != after for before, after in around):
            input = ops.pad(input, [(0, 0), (0, 0), *around])
            around = [(0, 0)] * count
        edges = tuple(before for before, _ in around)
    elif padding == "valid":
        edges = (0,) * count
    elif isinstance(padding, str):
        raise unknown_choice("padding", padding, ["same", "valid"], here())
    else:
        edges = sizes(padding, count)
    for size, k, d, p in zip(input.shape[2:], kernel, spread, edges):
        if size + 2 * p < d * (k - 1) + 1:
            raise errors.kernel_too_large(name, input.shape, kernel, edges, spread, here())
    return triple.convolve(input, weight, bias, steps, edges, spread, groups, clamp)


def conv1d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Size = 1,
    padding: Any = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """input (batch, in, length), weight (out, in/groups, kernel)."""
    return convolution(1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Size = 1,
    padding: Any = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """input (batch, in, height, width), weight (out, in/groups, kernel height, kernel width).

    y[n, o, i, j] = bias[o] + Σ weight[o, c, a, b] · input[n, c, i·stride + a·dilation, …].
    `padding` is a number, one per dimension, "same" or "valid".

    >>> import localgrad as lg
    >>> lg.nn.functional.conv2d(lg.ones((1, 3, 8, 8)), lg.ones((4, 3, 3, 3)), padding=1).shape
    (1, 4, 8, 8)
    """
    return convolution(2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Size = 1,
    padding: Any = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """input (batch, in, depth, height, width), weight (out, in/groups, three kernel sizes)."""
    return convolution(3, input, weight, bias, stride, padding, dilation, groups)


def _transposed(
    count: int,
    input: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: int,
    dilation: Any,
) -> Tensor:
    name = f"conv_transpose{count}d"
    _checked(name, input, weight, groups, count, weight.shape[0])
    if input.ndim == count + 1:
        options = (stride, padding, output_padding, groups, dilation)
        return _transposed(count, input[None], weight, bias, *options)[0]
    steps, edges = sizes(stride, count), sizes(padding, count)
    extra, spread = sizes(output_padding, count), sizes(dilation, count)
    if any(e >= max(s, d) for e, s, d in zip(extra, steps, spread)):
        raise errors.output_padding(name, extra, steps, here())
    places = tuple(
        (n - 1) * s - 2 * p + d * (k - 1) + e + 1
        for n, s, p, d, k, e in zip(
            input.shape[2:], steps, edges, spread, weight.shape[2:], extra
        )
    )
    if any(e >= s for e, s in zip(extra, steps)):  # windows further than the input reaches
        beyond = [(0, e // s) for e, s in zip(extra, steps)]
        input = ops.pad(input, [(0, 0), (0, 0), *beyond])
    y = triple.convolution_input_adjoint(
        input,
        weight,
        shape=(input.shape[0], weight.shape[1] * groups, *places),
        stride=steps,
        padding=edges,
        dilation=spread,
        groups=groups,
    )
    return y if bias is None else y + ops.reshape(bias, (-1, *[1] * count))


def conv_transpose1d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Tensor:
    """The adjoint of conv1d to its input; weight (in, out/groups, kernel)."""
    return _transposed(
        1, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


def conv_transpose2d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Tensor:
    """The adjoint of conv2d to its input; weight (in, out/groups, kernel height and width)."""
    return _transposed(
        2, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


def conv_transpose3d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Tensor:
    """The adjoint of conv3d to its input; weight (in, out/groups, three kernel sizes)."""
    return _transposed(
        3, input, weight, bias, stride, padding, output_padding, groups, dilation
    )
