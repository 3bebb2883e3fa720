"""Padding as modules: zeros, a constant, or what the image itself goes on with."""

from __future__ import annotations

from typing import Any, ClassVar

from localgrad.nn import functional as F
from localgrad.nn.functional.convolution import Size
from localgrad.nn.module import Module


class _Pad(Module):
    """Pairs (before, after) from the last axis backwards; one number for all of them."""

    axes: ClassVar[int]
    mode: ClassVar[str] = "constant"

    def __init__(self, padding: Size) -> None:
        super().__init__()
        self.padding = (padding,) * (2 * self.axes) if isinstance(padding, int) else tuple(padding)

    def forward(self, input: Any) -> Any:
        return F.pad(input, self.padding, self.mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPad(_Pad):
    def __init__(self, padding: Size, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Any) -> Any:
        return F.pad(input, self.padding, self.mode, self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """(…, length) with `value` before and after."""

    axes = 1


class ConstantPad2d(_ConstantPad):
    """(…, height, width) with `value` around."""

    axes = 2


class ConstantPad3d(_ConstantPad):
    """(…, depth, height, width) with `value` around."""

    axes = 3


class ZeroPad1d(_Pad):
    """(…, length) with zeros before and after."""

    axes = 1


class ZeroPad2d(_Pad):
    """(…, height, width) with zeros around."""

    axes = 2


class ZeroPad3d(_Pad):
    """(…, depth, height, width) with zeros around."""

    axes = 3


class ReflectionPad1d(_Pad):
    """(…, length), mirrored at its first and last element."""

    axes, mode = 1, "reflect"


class ReflectionPad2d(_Pad):
    """(…, height, width), mirrored at its outermost rows and columns."""

    axes, mode = 2, "reflect"


class ReflectionPad3d(_Pad):
    """(…, depth, height, width), mirrored at its outermost planes."""

    axes, mode = 3, "reflect"


class ReplicationPad1d(_Pad):
    """(…, length) with its first and last element repeated."""

    axes, mode = 1, "replicate"


class ReplicationPad2d(_Pad):
    """(…, height, width) with its outermost rows and columns repeated."""

    axes, mode = 2, "replicate"


class ReplicationPad3d(_Pad):
    """(…, depth, height, width) with its outermost planes repeated."""

    axes, mode = 3, "replicate"


class CircularPad1d(_Pad):
    """(…, length) that goes on at its other end."""

    axes, mode = 1, "circular"


class CircularPad2d(_Pad):
    """(…, height, width) that goes on at its other side."""

    axes, mode = 2, "circular"


class CircularPad3d(_Pad):
    """(…, depth, height, width) that goes on at its other side."""

    axes, mode = 3, "circular"
