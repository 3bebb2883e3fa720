"""Convolution, adjoint in the input, with no upsampling for strides.

Input row ``i = f + stride t`` of *phase* f meets only those taps whose product with an upstream
row exists: ``tap = first + step q`` with upstream row ``t + base - move q``.  Each phase is a
unit-stride convolution of the upstream gradient; its rows interleave in the result.
"""

from __future__ import annotations

from functools import lru_cache
from math import gcd

import numpy as np
from numba import njit

from .callee import callee
from .convolution_forward import PANEL, band_rows, rows_by_pieces
from .emit import address
from .host import CACHE, host
from .launch import barrier, parallel, share
from .microkernel import ACCUMULATE, NARROW, reduce_product
from .pack import lanes_of, size_of, width_of
from .rectangle import copy_tile
from .window import Geometry, clear, load_band, pack_adjoint


def phases(stride: int, pad: int, dilation: int, kernel: int) -> np.ndarray:
    """For each phase of one axis: first tap, step between taps, number of taps, base, move."""
    rows = []
    for phase in range(stride):
        taps = [tap for tap in range(kernel) if (phase + pad - tap * dilation) % stride == 0]
        first = taps[0] if taps else 0
        rows.append((first, stride // gcd(stride, dilation), len(taps),
                     (phase + pad - first * dilation) // stride,
                     dilation // gcd(stride, dilation)))
    return np.array(rows, dtype=np.int64)


def reach(table: np.ndarray) -> tuple[int, int]:
    """Upstream rows before and after t that the phases touch, as offsets from t."""
    used = table[table[:, 2] > 0]
    if not len(used):
        return 0, 0
    return (int((used[:, 3] - (used[:, 2] - 1) * used[:, 4]).min()), int(used[:, 3].max()))


def input_scratch(
    g: Geometry, rows: int, low_h: int, high_h: int, columns: int, size: int, threads: int
) -> int:
    """Bytes of workspace: packed weights, and per thread a band of upstream rows and a tile."""
    width = host().lanes(size) * host().vectors
    inputs, outputs = g.channels // g.groups, g.out_channels // g.groups
    panels = g.groups * -(-inputs // width)
    packed = panels * g.kernel_h * g.kernel_w * outputs * width
    band = (rows + high_h - low_h) * columns * g.out_channels
    tile_rows = _tile_rows.py_func(g.height, g.width, g.kernel_h * g.kernel_w, rows)
    return size * (packed + threads * (band + width * tile_rows + 64))


@njit(cache=CACHE)
def _tile_rows(height, width, taps, rows):  # type: ignore[no-untyped-def]
    """A tile holds a row or a column of dx; a one-tap unit-stride image is one long row."""
    return width * height if taps == 1 else max(width, rows)


@callee
def _row_by_taps(  # type: ignore[no-untyped-def]
    tile, length, a, b, merged, g, phase, rows_met, back_h, down, narrow, zero,
):
    """A row of dx into a tile, column by column of the kernel: each meets a part of the row only.

    ``a`` is where the first tap of the phase finds its upstream pixel for the row's first element.
    """
    size, width = size_of(zero), width_of(zero)
    out_channels, kernel_w, groups, out_w = g[4], g[6], g[13], g[15]
    outputs = out_channels // groups
    _, step, count, base, move = phase
    clear(tile, length * width, zero)
    for tap in range(count):
        shift = base - tap * move
        left, right = max(-shift, 0), min(out_w - shift, length)
        if left < right:
            place = kernel_w - 1 - tap if merged else tap * step
            reduce_product(zero, (
                right - left, tile + left * width * size, width,
                a + (left - tap * move) * out_channels * size, out_channels, 1,
                b + place * outputs * width * size, width, outputs, rows_met, back_h, down,
                1, 0, 0, 0, narrow | ACCUMULATE))


@callee
def _by_columns(  # type: ignore[no-untyped-def]
    c, c_row, c_column, tile, valid, direct, lines, length, a, b, merged, g, phase_h, phase_w,
    columns, narrow, zero,
):
    """Rows of dx, a column at a time: those of a narrow dy are too short for the microkernel.

    ``a`` is where the first tap finds upstream column 0 of the first row.
    """
    size, width = size_of(zero), width_of(zero)
    out_channels, kernel_w, groups, out_w = g[4], g[6], g[13], g[15]
    outputs = out_channels // groups
    _, step_h, count_h, _, move_h = phase_h
    _, step_w, count_w, base_w, move_w = phase_w
    for column in range(length):
        meets = column + base_w
        lowest = max((meets - out_w + move_w) // move_w, 0)
        highest = min(meets // move_w + 1, count_w) if meets >= 0 else 0
        tap = kernel_w - 1 - lowest if merged else lowest * step_w
        place = c + column * c_column * size
        target, target_row = (place, c_row) if direct else (tile, width)
        reduce_product(zero, (
            lines, target, target_row, a + (meets - lowest * move_w) * out_channels * size,
            columns * out_channels, 1, b + tap * outputs * width * size, width, outputs,
            count_h, -move_h * columns * out_channels, step_h * kernel_w * outputs * width,
            max(highest - lowest, 0), -move_w * out_channels,
            -outputs * width if merged else step_w * outputs * width, 0, narrow))
        if not direct:
            copy_tile(place, c_row, tile, width, lines, valid, zero)


@callee
def _task(  # type: ignore[no-untyped-def]
    dy, channels_last, weight, dx, g, rows, table_h, table_w, low_h, high_h, low_w, columns, work,
    thread, threads,
):
    (batch, channels, height, width_in, out_channels, kernel_h, kernel_w, stride_h, stride_w,
     _pad_h, _pad_w, _dilation_h, dilation_w, groups, out_h, out_w) = g
    zero = dx.dtype.type(0)
    size, width, lanes = size_of(zero), width_of(zero), lanes_of(zero)
    inputs, outputs = channels // groups, out_channels // groups
    taps = kernel_h * kernel_w
    depth = taps * outputs
    panels = (inputs + width - 1) // width
    tile_rows = _tile_rows(height, width_in, taps, rows)
    band_elements = (rows + high_h - low_h) * columns * out_channels
    band = work + (groups * panels * depth * width
                   + thread * (band_elements + width * tile_rows + 64)) * size
    tile = band + band_elements * size

    # Taps of a unit dilation and stride lie side by side, though they run backwards in dy: with the
    # kernel's rows turned round they are one run.
    merged = groups == 1 and stride_w == 1 and dilation_w == 1
    low, high = share(groups * panels, thread, threads)
    for number in range(low, high):
        group, panel = number // panels, number % panels
        pack_adjoint(work + number * depth * width * size,
                     address(weight) + group * outputs * inputs * taps * size,
                     inputs, taps, outputs, panel * width, kernel_w if merged else 1, zero)
    barrier(threads)

    steps_h = (height + stride_h - 1) // stride_h
    bands = (steps_h + rows - 1) // rows
    in_place = channels_last and low_w == 0 and columns == out_w and low_h == 0 and high_h == 0 \
        and steps_h <= out_h
    low, high = share(batch * bands, thread, threads)
    for item in range(low, high):
        image, first = item // bands, item % bands * rows
        count = min(rows, steps_h - first)
        source = address(dy) + image * out_channels * out_h * out_w * size
        if in_place:
            start = source + first * columns * out_channels * size
        else:
            start = band
            load_band(band, source, channels_last, out_channels, out_h, out_w,
                      first + low_h, count + high_h - low_h, low_w, columns, zero)
        for phase in range(stride_h * stride_w):
            phase_h, phase_w = phase // stride_w, phase % stride_w
            first_h, step_h, count_h, base_h, move_h = table_h[phase_h]
            first_w, step_w, count_w, base_w, move_w = table_w[phase_w]
            length = (width_in - phase_w + stride_w - 1) // stride_w
            lines = min(count, (height - phase_h + stride_h - 1) // stride_h - first)
            if length <= 0 or lines <= 0:
                continue
            flat = taps == 1 and stride_h == 1 and stride_w == 1 and columns == width_in
            if flat:
                length, lines = length * lines, 1
            run, taps_w, back_w = outputs, count_w, 0
            back_h, down = -move_h * columns * out_channels, step_h * kernel_w * outputs * width
            if merged:
                run, taps_w, back_w = kernel_w * outputs, 1, kernel_w - 1
            # An image much larger than dy would multiply mostly zeros.
            by_taps = 4 * length > 5 * out_w and not flat
            by_columns = by_taps and lines > 2 * out_w and 4 * steps_h <= 5 * out_h
            by_pieces = merged and stride_h == 1 and not by_taps and 4 * height <= 5 * out_h \
                and depth * width * size > PANEL
            for number in range(groups * panels):
                group, panel = number // panels, number % panels
                valid = min(width, inputs - panel * width)
                narrow = NARROW if valid <= lanes else 0
                direct = valid == (lanes if narrow else width)
                skipped = (first_h * kernel_w + first_w) * outputs
                b = work + (number * depth + skipped) * width * size
                if by_pieces and direct:
                    rows_by_pieces(
                        lines, length, address(dx) + ((image * height + first) * width_in * channels
                                                      + panel * width) * size,
                        channels, width_in * channels,
                        start + ((base_h - low_h) * columns + base_w - back_w - low_w)
                        * out_channels * size, out_channels, columns * out_channels,
                        back_h, b, kernel_h, run, 0, narrow,
                        (first + base_h, np.int64(1), -move_h, out_h), zero)
                    continue
                if by_columns:
                    _by_columns(
                        address(dx) + (((image * height + first * stride_h + phase_h) * width_in
                                        + phase_w) * channels + group * inputs + panel * width)
                        * size, stride_h * width_in * channels, stride_w * channels, tile, valid,
                        direct, lines, length,
                        start + (((base_h - low_h) * columns - low_w) * out_channels
                                 + group * outputs) * size,
                        b, merged, g, table_h[phase_h], table_w[phase_w], columns, narrow, zero)
                    continue
                for line in range(lines):
                    # Only those rows of the kernel count that meet a row of dy.
                    meets = first + line + base_h
                    lowest, highest = 0, count_h
                    if not flat and count_h > 0:
                        lowest = max((meets - out_h + move_h) // move_h, 0)
                        highest = min(meets // move_h + 1, count_h) if meets >= 0 else 0
                    rows_met = max(highest - lowest, 0)
                    a = start + (((line + base_h - low_h - lowest * move_h) * columns
                                  + base_w - back_w - low_w) * out_channels
                                 + group * outputs) * size
                    b_line = b + lowest * step_h * kernel_w * outputs * width * size
                    place = address(dx) + (
                        ((image * height + (first + line) * stride_h + phase_h) * width_in
                         + phase_w) * channels + group * inputs + panel * width) * size
                    c, c_row = place, stride_w * channels
                    if by_taps or not direct:
                        c, c_row = tile, width
                    if by_taps:
                        _row_by_taps(tile, length, a + back_w * out_channels * size, b_line, merged,
                                     g, table_w[phase_w], rows_met, back_h, down, narrow, zero)
                    else:
                        reduce_product(zero, (
                            length, c, c_row, a, out_channels, 1, b_line, width, run,
                            rows_met, back_h, down,
                            taps_w, -move_w * out_channels, step_w * outputs * width, 0, narrow))
                    if by_taps or not direct:
                        copy_tile(place, stride_w * channels, tile, width, length, valid, zero)


@njit(cache=CACHE)
def input_adjoint(  # type: ignore[no-untyped-def]
    dy, channels_last, weight, dx, g, rows, table_h, table_w, low_h, high_h, low_w, columns, work,
    threads,
):
    """``dx[n, h, w] = sum of dy * weight`` over the windows that hold (h, w); dx channels last."""
    parallel(_task, (dy, channels_last, weight, dx, g, rows, table_h, table_w,
                     low_h, high_h, low_w, columns, work), threads)


@lru_cache(maxsize=256)
def plan(g: Geometry, size: int, threads: int) -> tuple[object, ...]:
    """Everything ``input_adjoint`` wants to know about a geometry, and its workspace's size."""
    table_h = phases(g.stride_h, g.pad_h, g.dilation_h, g.kernel_h)
    table_w = phases(g.stride_w, g.pad_w, g.dilation_w, g.kernel_w)
    low_h, high_h = reach(table_h)
    low_w, high_w = reach(table_w)
    steps_h, steps_w = -(-g.height // g.stride_h), -(-g.width // g.stride_w)
    columns = steps_w + high_w - low_w
    shape = Geometry(g.batch, g.out_channels, steps_h, columns, g.channels, 1, 1, 1, 1, 0, 0, 1, 1,
                     1, steps_h, columns)
    rows = band_rows(shape, size, threads)
    scratch = input_scratch(g, rows, low_h, high_h, columns, size, threads)
    return rows, table_h, table_w, low_h, high_h, low_w, columns, scratch
