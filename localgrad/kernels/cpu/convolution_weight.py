"""Convolution, adjoint in the weight (and the bias): the pixels are the sum's index.

    dweight[o, i, kh, kw] = sum over n, h, w of x[n, i, h s + kh d, w s + kw d] * dy[n, o, h, w]

In memory, a window row of x is the microkernel's transposed A and dy is B.  Every thread sums its
own images, a few rows at a time so that both stay in the first-level cache, and the partial sums
are added in a fixed order: results are the same bit for bit at a fixed number of threads.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numba import njit

from .callee import callee
from .convolution_forward import band_rows
from .emit import address, array_at
from .host import CACHE, host
from .launch import barrier, parallel, share
from .microkernel import ACCUMULATE, NARROW, reduce_product
from .pack import lanes_of, pack_panels, size_of, transpose, width_of
from .window import Geometry, load_band

_PIXELS = 192  # output pixels in one accumulation
_PIXELS_WIDE = 448  # the same where the sums themselves exceed the second-level cache


@lru_cache(maxsize=256)
def weight_plan(g: Geometry, size: int, threads: int) -> tuple[int, int, int]:
    """Output rows of a work item, output rows of one accumulation, bytes of workspace."""
    width = host().lanes(size) * host().vectors
    panels = g.groups * -(-(g.out_channels // g.groups) // width)
    depth = g.kernel_h * g.kernel_w * (g.channels // g.groups)
    sums = panels * depth * width
    pixels = _PIXELS if sums * size < 1 << 19 else _PIXELS_WIDE
    rows = band_rows(g, size, threads)
    block = min(max(pixels // max(g.out_w, 1), 1), rows)
    band = ((rows - 1) * g.stride_h + g.dilation_h * (g.kernel_h - 1) + 1) \
        * (g.width + 2 * g.pad_w) * g.channels
    own = sums + g.out_channels + band + block * g.out_w * (g.out_channels + panels * width) \
        + depth * width + 64
    return rows, block, size * threads * own


@callee
def add_bias(sums, dy, pixels, zero):  # type: ignore[no-untyped-def]
    """Add all pixels to the channels' sums, four at a time to spare the sums' memory."""
    channels = sums.size
    pixel_bytes = channels * size_of(zero)
    whole = pixels - pixels % 4
    for pixel in range(0, whole, 4):
        one = array_at(dy + pixel * pixel_bytes, channels, zero)
        two = array_at(dy + (pixel + 1) * pixel_bytes, channels, zero)
        three = array_at(dy + (pixel + 2) * pixel_bytes, channels, zero)
        four = array_at(dy + (pixel + 3) * pixel_bytes, channels, zero)
        for channel in range(channels):
            sums[channel] += (one[channel] + two[channel]) + (three[channel] + four[channel])
    for pixel in range(whole, pixels):
        one = array_at(dy + pixel * pixel_bytes, channels, zero)
        for channel in range(channels):
            sums[channel] += one[channel]


@callee
def _task(  # type: ignore[no-untyped-def]
    x, x_last, dy, dy_last, dweight, dbias, g, rows, block, work, thread, threads,
):
    (batch, channels, height, width_in, out_channels, kernel_h, kernel_w, stride_h, stride_w,
     pad_h, pad_w, dilation_h, dilation_w, groups, out_h, out_w) = g
    zero = dweight.dtype.type(0)
    size, width, lanes = size_of(zero), width_of(zero), lanes_of(zero)
    inputs, outputs = channels // groups, out_channels // groups
    taps = kernel_h * kernel_w
    depth = taps * inputs
    panels = (outputs + width - 1) // width
    columns = width_in + 2 * pad_w
    band_h = (rows - 1) * stride_h + dilation_h * (kernel_h - 1) + 1
    sums_count = groups * panels * depth * width
    own_count = sums_count + out_channels + band_h * columns * channels \
        + block * out_w * (out_channels + groups * panels * width) + depth * width + 64
    sums = work + thread * own_count * size
    bias_sums = array_at(sums + sums_count * size, dbias.size, zero)
    band = sums + (sums_count + out_channels) * size
    packed = band + band_h * columns * channels * size
    plain = packed + block * out_w * groups * panels * width * size
    spare = plain + block * out_w * out_channels * size
    every = array_at(sums, sums_count + out_channels, zero)
    for index in range(every.size):
        every[index] = zero
    # Upstream pixels of exactly one panel's channels lie as a panel would.
    panel_lies = groups == 1 and outputs in (width, lanes)

    in_place = x_last and pad_h == 0 and pad_w == 0
    merged = inputs == channels and dilation_w == 1
    run, runs = (kernel_w * inputs, 1) if merged else (inputs, kernel_w)
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
            load_band(band, source, x_last, channels, height, width_in,
                      first * stride_h - pad_h,
                      (count - 1) * stride_h + dilation_h * (kernel_h - 1) + 1,
                      -pad_w, columns, zero)
        upstream = address(dy) + image * out_channels * out_h * out_w * size
        for line in range(0, count, block):
            lines = min(block, count - line)
            pixels = lines * out_w
            here = plain
            if dy_last:
                here = upstream + (first + line) * out_w * out_channels * size
            else:
                load_band(plain, upstream, False, out_channels, out_h, out_w,
                          first + line, lines, np.int64(0), out_w, zero)
            if dbias.size > 0:
                add_bias(bias_sums, here, pixels, zero)
            if not panel_lies:
                for group in range(groups):
                    pack_panels(packed + group * panels * pixels * width * size,
                                here + group * outputs * size, out_channels, np.int64(1), pixels,
                                outputs, zero)
            for number in range(groups * panels):
                group, panel = number // panels, number % panels
                b, b_k = packed + number * pixels * width * size, width
                if panel_lies:
                    b, b_k = here, out_channels
                how = ACCUMULATE | NARROW if outputs - panel * width <= lanes else ACCUMULATE
                for row in range(kernel_h):
                    for column in range(runs):
                        a = start + (((line * stride_h + row * dilation_h) * columns
                                      + column * dilation_w) * channels + group * inputs) * size
                        c = sums + (number * depth + (row * kernel_w + column) * inputs) \
                            * width * size
                        reduce_product(zero, (
                            run, c, width, a, 1, stride_w * channels, b, b_k, out_w,
                            lines, stride_h * columns * channels, out_w * b_k,
                            1, 0, 0, 0, how))
    barrier(threads)

    # Add the threads' sums, in order, and turn (tap, input, output) into PyTorch's layout.
    low, high = share(groups * panels, thread, threads)
    for number in range(low, high):
        group, panel = number // panels, number % panels
        valid = min(width, outputs - panel * width)
        target = address(dweight) + (group * outputs + panel * width) * depth * size
        for tap in range(taps):
            for channel in range(inputs):
                place = (number * depth + tap * inputs + channel) * width
                row = array_at(spare + (channel * taps + tap) * width * size, width, zero)
                own = array_at(work + place * size, width, zero)
                for column in range(width):
                    row[column] = own[column]
                for other in range(1, threads):
                    theirs = array_at(work + (other * own_count + place) * size, width, zero)
                    for column in range(width):
                        row[column] += theirs[column]
        transpose(target, depth, spare, width, depth, valid, zero)
    if thread == 0:
        for channel in range(dbias.size):
            dbias[channel] = zero
        for other in range(threads):
            theirs = array_at(work + (other * own_count + sums_count) * size, dbias.size, zero)
            for channel in range(dbias.size):
                dbias[channel] += theirs[channel]


@njit(cache=CACHE)
def weight_adjoint(  # type: ignore[no-untyped-def]
    x, x_last, dy, dy_last, dweight, dbias, g, rows, block, work, threads,
):
    """``dweight`` in PyTorch's layout (out, in / groups, kernel_h, kernel_w), and ``dbias``
    unless it is empty."""
    parallel(_task, (x, x_last, dy, dy_last, dweight, dbias, g, rows, block, work), threads)
