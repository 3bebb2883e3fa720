"""Winograd convolution, forward and adjoint in the input: transform, 36 products, transform back.

The adjoint in the input is the same walk over the upstream gradient, with the kernel turned round
and inputs and outputs exchanged.  A work item is a band of tiles, as many as let all three steps
stay in the second-level cache.  Every thread transforms the kernels for itself, which takes a
fraction of the time in which they would travel from one core's cache to another's; only kernels
too large for such a cache are transformed together.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numba import njit

from .callee import callee
from .emit import address, array_at
from .host import CACHE, LINE, host
from .launch import barrier, parallel, share
from .microkernel import RELU
from .pack import lanes_of, size_of, width_of
from .rectangle import copy_tile
from .window import Geometry, ceil_div, load_band, pack_adjoint, pack_forward
from .winograd import (
    KERNELS,
    TILE,
    outputs_of,
    transform_inputs,
    transform_kernel_3,
    transform_kernel_5,
    transform_outputs_3,
    transform_outputs_5,
)
from .winograd_product import multiply_points
from .winograd_product import prepare as prepare_products
from .workspace import workspace

PRODUCTS = TILE * TILE  # of a tile: one for each pair of points
_TILES = 64  # tiles of a work item, at least: fewer would read the kernels too often
_LARGEST = 1 << 24  # bytes of all transformed kernels
_OWN = 1 << 20  # bytes of them that leave room for tiles in the second-level cache


class Walk(NamedTuple):
    """The integers of one pass over tiles of ``x``, which makes tiles of ``y``."""

    batch: int
    inputs: int
    height: int
    width: int
    outputs: int
    out_h: int
    out_w: int
    kernel: int
    pad_h: int
    pad_w: int
    side: int  #: outputs a side of a tile
    tiles_h: int
    tiles_w: int
    rows: int  #: rows of tiles in a work item
    images: int  #: images in a work item
    copies: int  #: of the transformed kernels: one for each thread, or one for all
    columns: int  #: columns of a padded band of images, which has all that a row of tiles needs
    band: int  #: elements of such a band, for all rows of a work item
    block: int  #: elements of a vector of channels of a work item's transformed inputs
    plane_in: int  #: elements between the points of these
    plane_out: int  #: the same of its outputs


@lru_cache(maxsize=256)
def suits(g: Geometry, size: int) -> bool:
    """Whether a convolution can go this way: channels fill vectors, all kernels fit the cache."""
    lanes = host().lanes(size)
    return (g.kernel_h == g.kernel_w and g.kernel_h in KERNELS and g.groups == 1
            and (g.stride_h, g.stride_w) == (g.dilation_h, g.dilation_w) == (1, 1)
            and g.channels % lanes == g.out_channels % lanes == 0
            and PRODUCTS * g.channels * g.out_channels * size <= _LARGEST)


@lru_cache(maxsize=256)
def walk(g: Geometry, adjoint: bool, size: int, threads: int) -> Walk:
    """The forward pass of a convolution, or its adjoint in the input."""
    kernel = g.kernel_h
    if adjoint:
        shape = (g.batch, g.out_channels, g.out_h, g.out_w, g.channels, g.height, g.width)
        pads = kernel - 1 - g.pad_h, kernel - 1 - g.pad_w
    else:
        shape = (g.batch, g.channels, g.height, g.width, g.out_channels, g.out_h, g.out_w)
        pads = g.pad_h, g.pad_w
    batch, inputs, _, _, outputs, out_h, out_w = shape
    side = outputs_of(kernel)
    tiles_h, tiles_w = ceil_div(out_h, side), ceil_div(out_w, side)
    tiles = max(_TILES, min(inputs, outputs))
    bands = ceil_div(tiles_h, max(tiles // tiles_w, 1))
    turns = ceil_div(batch, threads * max(tiles // (tiles_h * tiles_w), 1))  # of every thread
    rows = ceil_div(tiles_h, bands)
    images = 1 if bands > 1 else ceil_div(batch, threads * turns)
    columns = tiles_w * side + kernel - 1
    # A line more than the tiles need, for else all points would compete for the same sets of the
    # cache.
    whole, line = images * rows * tiles_w, LINE // size
    copies = threads if _kernels(inputs, outputs, size) * size <= _OWN else 1
    return Walk(*shape, kernel, *pads, side, tiles_h, tiles_w, rows, images, copies, columns,
                band=(rows * side + kernel - 1) * columns * inputs,
                block=whole * host().lanes(size),
                plane_in=whole * inputs + line, plane_out=whole * outputs + line)


def _kernels(inputs: int, outputs: int, size: int) -> int:
    """Elements of all transformed kernels, as whole panels of outputs."""
    width = host().lanes(size) * host().vectors
    return PRODUCTS * inputs * ceil_div(outputs, width) * width


def _own(w: Walk, width: int) -> int:
    """Elements of a thread's own workspace: transformed tiles, a band, kernels or a tile."""
    spare = max(2 * w.kernel**2 * w.inputs * width, w.side**2 * w.outputs)
    return width + PRODUCTS * (w.plane_in + w.plane_out) + w.band + spare


def scratch_bytes(w: Walk, size: int, threads: int) -> int:
    """Bytes of workspace: transformed kernels, and every thread's own."""
    own = _own(w, host().lanes(size) * host().vectors)
    return size * (w.copies * _kernels(w.inputs, w.outputs, size) + threads * own)


@callee
def items(w):  # type: ignore[no-untyped-def]
    """How many work items a walk has."""
    return ((w.batch + w.images - 1) // w.images) * ((w.tiles_h + w.rows - 1) // w.rows)


@callee
def item(w, number):  # type: ignore[no-untyped-def]
    """A work item: its first image, the one after its last, its first row of tiles, its rows."""
    bands = (w.tiles_h + w.rows - 1) // w.rows
    image, row = number // bands * w.images, number % bands * w.rows
    return image, min(image + w.images, w.batch), row, min(w.rows, w.tiles_h - row)


@callee
def load_points(v, band, x, x_last, w, first, count, first_image, last_image, zero):
    """Transform ``count`` rows of tiles of some images, as (point, channels by the vector, tile,
    channel of a vector); returns how many tiles they are."""
    size, lanes = size_of(zero), lanes_of(zero)
    side, columns = w.side, w.columns
    place = v
    # Row by row of tiles a band stays in the first-level cache; but an image that has to be turned
    # is turned once.
    step = 1 if x_last else count
    for number in range((last_image - first_image) * count):
        image, row = first_image + number // count, first + number % count
        if (row - first) % step == 0:
            load_band(band, x + image * w.inputs * w.height * w.width * size, x_last, w.inputs,
                      w.height, w.width, row * side - w.pad_h, step * side + w.kernel - 1,
                      -w.pad_w, columns, zero)
        line = band + (row - first) % step * columns * side * w.inputs * size
        for j in range(w.tiles_w):
            source = line + j * side * w.inputs * size
            for block in range(w.inputs // lanes):
                transform_inputs(zero, (
                    place + block * w.block * size, TILE * w.plane_in, w.plane_in,
                    source + block * lanes * size, columns * w.inputs, w.inputs))
            place += lanes * size
    return (last_image - first_image) * count * w.tiles_w


@callee
def _load_kernels(target, weight, adjoint, w, panel, spare, zero):
    """Transform the kernels of one panel of outputs."""
    size, width, lanes = size_of(zero), width_of(zero), lanes_of(zero)
    taps = w.kernel * w.kernel
    turn = 1
    first = spare
    if adjoint:
        pack_adjoint(spare, weight, w.outputs, taps, w.inputs, panel * width, 1, zero)
        turn, first = -1, spare + (taps - 1) * w.inputs * width * size
    else:
        valid = min(width, w.outputs - panel * width)
        pack_forward(spare, weight + panel * width * w.inputs * taps * size, w.inputs, taps,
                     valid, spare + taps * w.inputs * width * size, zero)
    step = w.inputs * width
    for row in range(0, step, lanes):
        where = (target + row * size, TILE * step, step,
                 first + row * size, turn * w.kernel * step, turn * step)
        if w.kernel == 3:
            transform_kernel_3(zero, where)
        else:
            transform_kernel_5(zero, where)


@callee
def _store_tile(y, m, bias, flags, watch, w, image, row, column, spare, zero):
    """Transform one tile of all outputs back; what lies outside the image is dropped."""
    size, lanes = size_of(zero), lanes_of(zero)
    side = w.side
    target = y + ((image * w.out_h + row) * w.out_w + column) * w.outputs * size
    across, down = min(side, w.out_w - column), min(side, w.out_h - row)
    whole = across == side and down == side
    place = target if whole else spare
    line = w.out_w * w.outputs if whole else side * w.outputs
    for channel in range(0, w.outputs, lanes):
        where = (place + channel * size, line, w.outputs,
                 m + channel * size, TILE * w.plane_out, w.plane_out,
                 bias + channel * size if bias != 0 else 0, flags & RELU, watch)
        if w.kernel == 3:
            transform_outputs_3(zero, where)
        else:
            transform_outputs_5(zero, where)
    if not whole:
        copy_tile(target, w.out_w * w.outputs, spare, side * w.outputs, down,
                  across * w.outputs, zero)


@callee
def _task(
    x, x_last, weight, adjoint, bias, has_bias, y, flags, w, own, finite, work, thread,
    threads,
):
    zero = y.dtype.type(0)
    size, width, lanes = size_of(zero), width_of(zero), lanes_of(zero)
    panels = (w.outputs + width - 1) // width
    panel_bytes = PRODUCTS * w.inputs * width * size
    kernels = work + thread % w.copies * panels * panel_bytes
    watch = work + w.copies * panels * panel_bytes + thread * own * size
    v = watch + width * size
    m = v + PRODUCTS * w.plane_in * size
    band = m + PRODUCTS * w.plane_out * size
    spare = band + w.band * size

    low, high = share(panels, thread, threads) if w.copies == 1 else (0, panels)
    for panel in range(low, high):
        _load_kernels(kernels + panel * panel_bytes, address(weight), adjoint, w, panel, spare,
                      zero)
    if w.copies == 1:
        barrier(threads)

    seen = array_at(watch, lanes, zero)
    seen[:] = zero
    low, high = share(items(w), thread, threads)
    for number in range(low, high):
        first_image, last_image, first, count = item(w, number)
        tiles = load_points(v, band, address(x), x_last, w, first, count, first_image, last_image,
                            zero)
        for point in range(PRODUCTS):
            for panel in range(panels):
                multiply_points(zero, (
                    m + (point * w.plane_out + panel * width) * size, w.outputs,
                    v + point * w.plane_in * size, w.block,
                    kernels + panel * panel_bytes + point * w.inputs * width * size,
                    w.inputs // lanes, tiles, w.outputs - panel * width))
        place = m
        for image in range(first_image, last_image):
            for i in range(first, first + count):
                for j in range(w.tiles_w):
                    _store_tile(address(y), place, address(bias) if has_bias else 0, flags, watch,
                                w, image, i * w.side, j * w.side, spare, zero)
                    place += w.outputs * size
    for lane in range(lanes):
        finite[thread] &= seen[lane] == 0


@njit(cache=CACHE)
def _walk(x, x_last, weight, adjoint, bias, has_bias, y, flags, w, own, finite, work,
          threads):
    parallel(_task, (x, x_last, weight, adjoint, bias, has_bias, y, flags, w, own, finite, work),
             threads)


def over_tiles(
    g: Geometry, adjoint: bool, x: np.ndarray, x_last: bool, weight: np.ndarray, bias: np.ndarray,
    has_bias: bool, y: np.ndarray, flags: int, threads: int,
) -> bool:
    """Fill ``y``, channels last; False where a result is not finite.

    Infinity and NaN spread through a tile; the plain sum keeps them to the outputs that depend on
    them.
    """
    size = y.itemsize
    prepare_products(y.dtype)
    w = walk(g, adjoint, size, threads)
    finite = np.ones(threads, np.bool_)
    own = _own(w, host().lanes(size) * host().vectors)
    _walk(x, x_last, weight, adjoint, bias, has_bias, y, flags, w, own, finite,
          workspace(scratch_bytes(w, size, threads)), threads)
    return bool(finite.all())
