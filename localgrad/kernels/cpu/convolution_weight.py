"""Convolution, adjoint in the weight (and the bias): the pixels are the sum's index.

    dweight[o, i, kh, kw] = sum over n, h, w of x[n, i, h s + kh d, w s + kw d] * dy[n, o, h, w]

In memory, a window row of x is the microkernel's transposed A and dy is B.  Every thread sums its
own images, a few rows at a time so that both stay in the first-level cache, and the partial sums
are added in a fixed order: results are the same bit for bit at a fixed number of threads.
"""

from __future__ import annotations

from numba import njit

from .convolution_forward import band_rows
from .emit import address
from .host import CACHE, host
from .launch import barrier, parallel, share
from .microkernel import ACCUMULATE, reduce_product
from .pack import load_at, pack_panels, size_of, store_at, transpose, width_of
from .window import Geometry, load_band

_PIXELS = 192  # output pixels in one accumulation
_PIXELS_WIDE = 448  # the same where the sums themselves exceed the second-level cache


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
    own = sums + band + block * g.out_w * (g.out_channels + panels * width) + panels * width \
        + depth * width + 64
    return rows, block, size * threads * own


@njit(cache=CACHE)
def _add_bias(sums, dy, pixels, channels, zero):  # type: ignore[no-untyped-def]
    size = size_of(zero)
    for pixel in range(pixels):
        row = dy + pixel * channels * size
        for channel in range(channels):
            store_at(sums + channel * size, load_at(sums + channel * size, zero)
                     + load_at(row + channel * size, zero))


@njit(cache=CACHE)
def _task(  # type: ignore[no-untyped-def]
    x, x_last, dy, dy_last, dweight, dbias, g, rows, block, work, thread, threads,
):
    (batch, channels, height, width_in, out_channels, kernel_h, kernel_w, stride_h, stride_w,
     pad_h, pad_w, dilation_h, dilation_w, groups, out_h, out_w) = g
    zero = dweight.dtype.type(0)
    size, width = size_of(zero), width_of(zero)
    inputs, outputs = channels // groups, out_channels // groups
    taps = kernel_h * kernel_w
    depth = taps * inputs
    panels = (outputs + width - 1) // width
    columns = width_in + 2 * pad_w
    band_h = (rows - 1) * stride_h + dilation_h * (kernel_h - 1) + 1
    sums_count = groups * panels * depth * width
    own_count = sums_count + band_h * columns * channels \
        + block * out_w * (out_channels + groups * panels * width) \
        + groups * panels * width + depth * width + 64
    sums = work + thread * own_count * size
    bias_sums = sums + sums_count * size
    band = bias_sums + groups * panels * width * size
    packed = band + band_h * columns * channels * size
    plain = packed + block * out_w * groups * panels * width * size
    spare = plain + block * out_w * out_channels * size
    for index in range(sums_count + groups * panels * width):
        store_at(sums + index * size, zero)

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
                          first + line, lines, 0, out_w, zero)
            _add_bias(bias_sums, here, pixels, out_channels, zero)
            for group in range(groups):
                pack_panels(packed + group * panels * pixels * width * size,
                            here + group * outputs * size, out_channels, 1, pixels, outputs, zero)
            for number in range(groups * panels):
                group = number // panels
                b = packed + number * pixels * width * size
                for row in range(kernel_h):
                    for column in range(runs):
                        a = start + (((line * stride_h + row * dilation_h) * columns
                                      + column * dilation_w) * channels + group * inputs) * size
                        c = sums + (number * depth + (row * kernel_w + column) * inputs) \
                            * width * size
                        reduce_product(zero, (
                            run, c, width, a, 1, stride_w * channels, b, width, out_w,
                            lines, stride_h * columns * channels, out_w * width,
                            1, 0, 0, 0, ACCUMULATE))
    barrier(threads)

    # Add the threads' sums, in order, and turn (tap, input, output) into PyTorch's layout.
    low, high = share(groups * panels, thread, threads)
    for number in range(low, high):
        group, panel = number // panels, number % panels
        valid = min(width, outputs - panel * width)
        target = address(dweight) + (group * outputs + panel * width) * depth * size
        for tap in range(taps):
            for channel in range(inputs):
                place = (number * depth + tap * inputs + channel) * width * size
                row = spare + (channel * taps + tap) * width * size
                for column in range(width):
                    total = load_at(work + place + column * size, zero)
                    for other in range(1, threads):
                        total += load_at(
                            work + (other * own_count + 0) * size + place + column * size, zero)
                    store_at(row + column * size, total)
        transpose(target, depth, spare, width, depth, valid, zero)
    if thread == 0:
        for channel in range(out_channels):
            total = zero
            for other in range(threads):
                total += load_at(
                    work + (other * own_count + sums_count + channel) * size, zero)
            dbias[channel] = total


@njit(cache=CACHE)
def weight_adjoint(  # type: ignore[no-untyped-def]
    x, x_last, dy, dy_last, dweight, dbias, g, rows, block, work, threads,
):
    """``dweight`` in PyTorch's layout (out, in / groups, kernel_h, kernel_w), and ``dbias``."""
    parallel(_task, (x, x_last, dy, dy_last, dweight, dbias, g, rows, block, work), threads)
