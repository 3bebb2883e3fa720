"""Convolution, forward: every output row is one call of the microkernel per panel of channels."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numba import njit

from .callee import callee
from .emit import address
from .host import CACHE, host
from .launch import barrier, parallel, share
from .microkernel import ACCUMULATE, NARROW, reduce_product
from .pack import lanes_of, size_of, width_of
from .rectangle import copy_tile
from .window import Geometry, ceil_div, load_band, pack_forward

_BAND = 1 << 17  # bytes of a padded band: a quarter of the second-level cache
PANEL = 1 << 17  # bytes of a panel of weights that is still walked from end to end at every row
_PIECE = 192  # elements of a window's row in a piece of a larger panel: the first-level cache


@lru_cache(maxsize=256)
def band_rows(g: Geometry, size: int, threads: int) -> int:
    """Output rows of one work item: enough items for all threads, each within the cache."""
    line = (g.width + 2 * g.pad_w) * g.channels * size * g.stride_h
    rows = max(_BAND // max(line, 1), 4)
    if g.batch % threads:
        rows = min(rows, max(ceil_div(g.out_h * g.batch, 4 * threads), 1))
    bands = ceil_div(g.out_h, max(min(rows, g.out_h), 1))
    return max(ceil_div(g.out_h, max(bands, 1)), 1)


def forward_scratch(g: Geometry, rows: int, size: int, threads: int) -> int:
    """Bytes of workspace: packed weights and bias, and per thread a band, a panel and a tile."""
    width = host().lanes(size) * host().vectors
    panels = g.groups * ceil_div(g.out_channels // g.groups, width)
    depth = g.kernel_h * g.kernel_w * (g.channels // g.groups)
    band_h = (rows - 1) * g.stride_h + g.dilation_h * (g.kernel_h - 1) + 1
    band = band_h * (g.width + 2 * g.pad_w) * g.channels
    flat = g.out_h * g.out_w if g.kernel_h == 1 and g.kernel_w == 1 else g.out_w
    return size * (panels * (depth + 1) * width
                   + threads * (band + depth * width + flat * width + 64))


@callee
def rows_by_pieces(  # type: ignore[no-untyped-def]
    lines, length, c, c_row, c_line, a, a_row, a_line, a_tap, panel, taps_h, run, init, flags, met,
    zero,
):
    """Lines of outputs from a panel that exceeds the first-level cache, one piece of it at a time.

    ``run`` is a row of the window, ``taps_h`` are its rows, ``a_tap`` elements apart in A.  ``met``
    says which row of the image the first line meets at the first tap, how many rows further the
    next line and the next tap are, and how many there are: beyond them are zeros.
    """
    size, width = size_of(zero), width_of(zero)
    first, line_step, tap_step, height = met
    pieces = (run + _PIECE - 1) // _PIECE
    last = taps_h * pieces - 1
    for number in range(last + 1):
        tap, piece = number // pieces, number % pieces
        begin, end = run * piece // pieces, run * (piece + 1) // pieces
        how = flags & NARROW
        if number > 0:
            how |= ACCUMULATE
        if number == last:
            how |= flags
        needed = number == 0 or number == last  # where C begins, and where it is clamped
        b = panel + (tap * run + begin) * width * size
        for line in range(lines):
            row = first + line * line_step + tap * tap_step
            if not (needed or 0 <= row < height):
                continue
            reduce_product(zero, (
                length, c + line * c_line * size, c_row,
                a + (line * a_line + tap * a_tap + begin) * size, a_row, 1, b, width, end - begin,
                1, 0, 0, 1, 0, 0, init if number == 0 else 0, how))


@callee
def _task(  # type: ignore[no-untyped-def]
    x, channels_last, weight, bias, has_bias, y, flags, g, rows, work, thread, threads,
):
    (batch, channels, height, width_in, out_channels, kernel_h, kernel_w, stride_h, stride_w,
     pad_h, pad_w, dilation_h, dilation_w, groups, out_h, out_w) = g
    zero = y.dtype.type(0)
    size, width, lanes = size_of(zero), width_of(zero), lanes_of(zero)
    inputs, outputs = channels // groups, out_channels // groups
    taps = kernel_h * kernel_w
    depth = taps * inputs
    panels = (outputs + width - 1) // width
    biases = work + groups * panels * depth * width * size
    columns = width_in + 2 * pad_w
    band_h = (rows - 1) * stride_h + dilation_h * (kernel_h - 1) + 1
    flat = out_h * out_w if taps == 1 else out_w
    own = biases + groups * panels * width * size + thread * (
        band_h * columns * channels + depth * width + flat * width + 64) * size
    band = own
    spare = band + band_h * columns * channels * size
    tile = spare + depth * width * size

    low, high = share(groups * panels, thread, threads)
    for number in range(low, high):
        group, panel = number // panels, number % panels
        first = group * outputs + panel * width
        valid = min(width, outputs - panel * width)
        pack_forward(work + number * depth * width * size,
                     address(weight) + first * depth * size, inputs, taps, valid, spare, zero)
        if has_bias:
            copy_tile(biases + number * width * size, width, address(bias) + first * size,
                      width, np.int64(1), valid, zero)
    barrier(threads)

    # One tap, unit stride, no padding: the image is one long row.
    in_place = channels_last and pad_h == 0 and pad_w == 0
    merged = inputs == channels and dilation_w == 1
    if merged:
        run, s_count = kernel_w * channels, 1
    else:
        run, s_count = inputs, kernel_w
    bands = (out_h + rows - 1) // rows
    low, high = share(batch * bands, thread, threads)
    for item in range(low, high):
        image, first = item // bands, item % bands * rows
        count = min(rows, out_h - first)
        source = address(x) + image * channels * height * width_in * size
        if in_place:
            start = source + first * stride_h * columns * channels * size
        else:
            start = band
            load_band(band, source, channels_last, channels, height, width_in,
                      first * stride_h - pad_h,
                      (count - 1) * stride_h + dilation_h * (kernel_h - 1) + 1,
                      -pad_w, columns, zero)
        length = out_w
        if taps == 1 and stride_h == 1 and stride_w == 1 and columns == out_w:
            length, count = out_w * count, 1
        for number in range(groups * panels):
            group, panel = number // panels, number % panels
            valid = min(width, outputs - panel * width)
            narrow = valid <= lanes
            how = flags | NARROW if narrow else flags
            direct = valid == (lanes if narrow else width)
            init = biases + number * width * size if has_bias else 0
            panel_at = work + number * depth * width * size
            if merged and direct and depth * width * size > PANEL:
                rows_by_pieces(
                    count, length, address(y) + ((image * out_h + first) * out_w * out_channels
                                                 + panel * width) * size,
                    out_channels, out_w * out_channels, start, stride_w * channels,
                    stride_h * columns * channels, dilation_h * columns * channels, panel_at,
                    kernel_h, run, init, how,
                    (first * stride_h - pad_h, stride_h, dilation_h, height), zero)
                continue
            for row in range(count):
                a = start + (row * stride_h * columns * channels + group * inputs) * size
                c = address(y) + (((image * out_h + first + row) * out_w) * out_channels
                                  + group * outputs + panel * width) * size
                c_row = out_channels
                if not direct:
                    c, c_row = tile, width
                reduce_product(zero, (
                    length, c, c_row, a, stride_w * channels, 1, panel_at, width, run,
                    kernel_h, dilation_h * columns * channels, kernel_w * inputs * width,
                    s_count, dilation_w * channels, inputs * width, init, how))
                if not direct:
                    c = address(y) + (((image * out_h + first + row) * out_w) * out_channels
                                      + group * outputs + panel * width) * size
                    copy_tile(c, out_channels, tile, width, length, valid, zero)


@njit(cache=CACHE)
def forward(  # type: ignore[no-untyped-def]
    x, channels_last, weight, bias, has_bias, y, flags, g, rows, work, threads,
):
    """``y[n, i, j] = epilogue(bias + sum of x * weight)``; y channels last, bias may be absent."""
    parallel(_task, (x, channels_last, weight, bias, has_bias, y, flags, g, rows, work), threads)
