"""Convolution layers, and their transposes."""

from __future__ import annotations

import math
from typing import Any

from localgrad import errors_of_layers as errors
from localgrad.errors import unknown_choice
from localgrad.graph.record import here
from localgrad.nn import functional as F
from localgrad.nn import init
from localgrad.nn.dense import empty
from localgrad.nn.functional.convolution import Size, convolution, same_padding, sizes
from localgrad.nn.module import Module

MODES = ("zeros", "reflect", "replicate", "circular")


class _ConvNd(Module):
    """What all convolutions share: sizes, weights, their first values, and repr."""

    count: int
    transposed = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        output_padding: Any,
        groups: int,
        bias: bool,
        padding_mode: str,
        dtype: Any,
    ) -> None:
        super().__init__()
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise errors.channels_in_groups(in_channels, out_channels, groups, here())
        if padding_mode not in MODES:
            raise unknown_choice("padding_mode", padding_mode, list(MODES), here())
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = sizes(kernel_size, self.count)
        self.stride = sizes(stride, self.count)
        self.padding = padding if isinstance(padding, str) else sizes(padding, self.count)
        self.dilation = sizes(dilation, self.count)
        self.output_padding = sizes(output_padding, self.count)
        self.groups = groups
        self.padding_mode = padding_mode
        first, second = in_channels, out_channels
        if not self.transposed:
            first, second = out_channels, in_channels
        self.weight = empty((first, second // groups, *self.kernel_size), dtype)
        self.register_parameter("bias", empty((out_channels,), dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew: uniform within 1/√(inputs of one output)."""
        inputs = math.prod(self.weight.shape[1:])
        bound = 1 / math.sqrt(inputs) if inputs else 0
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def padded(self, input: Any) -> tuple[Any, Any]:
        """The input with its padding where that is not of zeros, and what is left to pad."""
        if self.padding_mode == "zeros":
            return input, self.padding
        if self.padding == "same":
            around = same_padding(self.kernel_size, self.dilation)
        elif self.padding == "valid":
            return input, 0
        else:
            around = [(p, p) for p in sizes(self.padding, self.count)]
        last_first = [n for pair in reversed(around) for n in pair]
        return F.pad(input, last_first, mode=self.padding_mode), 0

    def extra_repr(self) -> str:
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}"
        text += f", stride={self.stride}"
        if self.padding not in ((0,) * self.count, "valid"):
            text += f", padding={self.padding}"
        for name, usual in (("dilation", 1), ("output_padding", 0)):
            if getattr(self, name) != (usual,) * self.count:
                text += f", {name}={getattr(self, name)}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        if self.padding_mode != "zeros":
            text += f", padding_mode={self.padding_mode}"
        return text


class _Convolution(_ConvNd):
    function: Any

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Any = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, 0, groups, bias,
            padding_mode, dtype,
        )  # fmt: skip

    def forward(self, input: Any) -> Any:
        x, left = self.padded(input)
        return type(self).function(
            x, self.weight, self.bias, self.stride, left, self.dilation, self.groups
        )


class Conv1d(_Convolution):
    """A convolution of (batch, in_channels, length); weight (out, in/groups, kernel)."""

    count = 1
    function = staticmethod(F.conv1d)


class Conv2d(_Convolution):
    """A convolution of (batch, in_channels, height, width).

    weight (out, in/groups, kernel height, kernel width). `padding` is a number, one per
    dimension, "same" or "valid"; `padding_mode` zeros, reflect, replicate or circular.
    """

    count = 2
    function = staticmethod(F.conv2d)

    def clamped(self, input: Any) -> Any:
        """relu(self(input)), in one pass over the output."""
        x, left = self.padded(input)
        return convolution(
            2, x, self.weight, self.bias, self.stride, left, self.dilation, self.groups, clamp=True
        )


class Conv3d(_Convolution):
    """A convolution of (batch, in_channels, depth, height, width)."""

    count = 3
    function = staticmethod(F.conv3d)


class _Transposed(_ConvNd):
    transposed = True
    function: Any

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        output_padding: Size = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Size = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if padding_mode != "zeros":
            raise unknown_choice("padding_mode", padding_mode, ["zeros"], here())
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, output_padding,
            groups, bias, padding_mode, dtype,
        )  # fmt: skip

    def forward(self, input: Any, output_size: Any = None) -> Any:
        extra = self.output_padding if output_size is None else self.left_over(input, output_size)
        return type(self).function(
            input, self.weight, self.bias, self.stride, self.padding, extra, self.groups,
            self.dilation,
        )  # fmt: skip

    def left_over(self, input: Any, output_size: Any) -> tuple[int, ...]:
        """The output padding that leads to this output size."""
        asked = tuple(output_size)[-self.count :]
        sizes: Any = (input.shape[-self.count :], self.stride, self.padding, self.dilation)
        least = [
            (n - 1) * s - 2 * p + d * (k - 1) + 1
            for n, s, p, d, k in zip(*sizes, self.kernel_size)
        ]
        extra = tuple(a - b for a, b in zip(asked, least))
        if any(e < 0 or e >= s for e, s in zip(extra, self.stride)):
            raise errors.output_size(asked, least, self.stride, here())
        return extra


class ConvTranspose1d(_Transposed):
    """The adjoint of Conv1d to its input; weight (in, out/groups, kernel)."""

    count = 1
    function = staticmethod(F.conv_transpose1d)


class ConvTranspose2d(_Transposed):
    """The adjoint of Conv2d to its input; weight (in, out/groups, kernel height and width)."""

    count = 2
    function = staticmethod(F.conv_transpose2d)


class ConvTranspose3d(_Transposed):
    """The adjoint of Conv3d to its input; weight (in, out/groups, three kernel sizes)."""

    count = 3
    function = staticmethod(F.conv_transpose3d)
