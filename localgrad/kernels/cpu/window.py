"""What the members of the convolution triple share: geometry, padded bands, packed weights.

An image lies in memory channels last, so the ``(kernel width, channels)`` window of an output
pixel is contiguous and a convolution is a batch-reduce product with no im2col.  A *band* is a run
of image rows, copied once into scratch with its zero padding; a channels-first image is turned
channels-last by the same copy.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from .by_name import ByName
from .callee import callee
from .microkernel import prepare as prepare_microkernel
from .pack import copy_row, size_of, store_at, transpose, width_of
from .rectangle import copy_tile


def ceil_div(a: int, b: int) -> int:
    """The least whole number that is not below ``a / b``."""
    return -(-a // b)


class Geometry(NamedTuple):
    """The integers of a two-dimensional convolution."""

    batch: int
    channels: int
    height: int
    width: int
    out_channels: int
    kernel_h: int
    kernel_w: int
    stride_h: int
    stride_w: int
    pad_h: int
    pad_w: int
    dilation_h: int
    dilation_w: int
    groups: int
    out_h: int
    out_w: int


@lru_cache(maxsize=256)
@lru_cache(maxsize=1024)  # a training step asks the same again, three times a layer
def geometry(
    input_shape: tuple[int, ...],
    weight_shape: tuple[int, ...],
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
    groups: int,
) -> Geometry:
    """The geometry of ``conv2d``; output size is ``(size + 2 pad - dilation (k - 1) - 1) / stride
    + 1`` rounded down."""
    batch, channels, height, width = input_shape
    out_channels, _, kernel_h, kernel_w = weight_shape
    out_h = (height + 2 * padding[0] - dilation[0] * (kernel_h - 1) - 1) // stride[0] + 1
    out_w = (width + 2 * padding[1] - dilation[1] * (kernel_w - 1) - 1) // stride[1] + 1
    return Geometry(batch, channels, height, width, out_channels, kernel_h, kernel_w,
                    *stride, *padding, *dilation, groups, max(out_h, 0), max(out_w, 0))


@callee
def clear(target, count, zero):  # type: ignore[no-untyped-def]
    size = size_of(zero)
    for index in range(count):
        store_at(target + index * size, zero)


@callee
def _load_band(  # type: ignore[no-untyped-def]
    target, image, channels_last, channels, height, width, first_row, rows, first_column, columns,
    zero,
):
    size = size_of(zero)
    left = min(max(-first_column, 0), columns)
    inside = max(min(first_column + columns, width) - max(first_column, 0), 0)
    source_column = max(first_column, 0)
    for row in range(rows):
        line = target + row * columns * channels * size
        source_row = first_row + row
        if source_row < 0 or source_row >= height or inside == 0:
            clear(line, columns * channels, zero)
            continue
        clear(line, left * channels, zero)
        place = line + left * channels * size
        if channels_last:
            source = image + (source_row * width + source_column) * channels * size
            copy_tile(place, 0, source, 0, 1, inside * channels, zero)
        else:
            source = image + (source_row * width + source_column) * size
            transpose(place, channels, source, height * width, channels, inside, zero)
        clear(place + inside * channels * size, (columns - left - inside) * channels, zero)


def _load_band_single(  # type: ignore[no-untyped-def]
    target, image, channels_last, channels, height, width, first_row, rows, first_column, columns,
):
    _load_band(target, image, channels_last, channels, height, width, first_row, rows, first_column,
               columns, np.float32(0))


def _load_band_double(  # type: ignore[no-untyped-def]
    target, image, channels_last, channels, height, width, first_row, rows, first_column, columns,
):
    _load_band(target, image, channels_last, channels, height, width, first_row, rows, first_column,
               columns, np.float64(0))


_named = ByName("localgrad_load_band", {4: _load_band_single, 8: _load_band_double}, 10)
_named_call = _named.call


def prepare(dtype: np.dtype) -> None:
    """Compile, or load, what the convolutions of an element type reach by name."""
    prepare_microkernel(dtype)
    _named.prepare(dtype)


@callee
def load_band(  # type: ignore[no-untyped-def]
    target, image, channels_last, channels, height, width,
    first_row, rows, first_column, columns, zero,
):
    """Copy rows ``first_row...`` and columns ``first_column...`` of one image, channels last.

    Rows and columns outside the image are zeros; both may start below zero.
    """
    _named_call(zero, (target, image, np.int64(channels_last), channels, height, width, first_row,
                       rows, first_column, columns))


@callee
def pack_forward(  # type: ignore[no-untyped-def]
    target, weight, inputs, taps, outputs, spare, zero,
):
    """One panel of weights (output, input, tap) as rows (tap, input) of a panel's width of outputs.

    ``outputs`` of the panel's columns exist, the others become zero.  ``spare`` holds one panel.
    """
    size, width = size_of(zero), width_of(zero)
    depth = inputs * taps
    if outputs < width:
        clear(spare, depth * width, zero)
    transpose(spare, width, weight, depth, outputs, depth, zero)
    for tap in range(taps):
        for channel in range(inputs):
            copy_row(target + (tap * inputs + channel) * width * size,
                     spare + (channel * taps + tap) * width * size, zero)


@callee
def pack_adjoint(  # type: ignore[no-untyped-def]
    target, weight, inputs, taps, outputs, first, turn, zero,
):
    """One panel of weights as rows (tap, output) of a panel's width of inputs from ``first`` on.

    Every ``turn`` taps, the kernel's width, stand in reverse order; 1 leaves them as they are.
    """
    size, width = size_of(zero), width_of(zero)
    valid = min(width, inputs - first)
    step = outputs * width * size
    for output in range(outputs):
        row = target + output * width * size
        if valid < width:
            for tap in range(taps):
                clear(row + tap * step, width, zero)
        source = weight + (output * inputs + first) * taps * size
        if turn == 1:
            transpose(row, outputs * width, source, taps, valid, taps, zero)
        else:
            for start in range(0, taps, turn):  # from the last column's place backwards
                transpose(row + (start + turn - 1) * step, -outputs * width, source + start * size,
                          taps, valid, turn, zero)
