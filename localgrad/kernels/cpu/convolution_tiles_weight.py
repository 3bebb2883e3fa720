"""Convolution by matrix tiles, adjoint in the weight: the pixels are the sum's index.

    dweight[o, i, tap] = sum over pixels of dy[pixel, o] * x[pixel + tap, i]

A right tile is 16 channels of 16 pixels of x, which for another tap begins at another row of the
same words (``tile_words``); a left tile is 16 channels of dy, turned, for 16 pixels.  Every thread
sums its own images, and the threads' sums are added in a fixed order.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numba import njit

from .callee import callee
from .convolution_tiles import blocks_of, item, item_shape, items, tile_side
from .convolution_weight import add_bias
from .emit import address, array_at
from .host import CACHE, LINE
from .launch import barrier, parallel, share
from .pack import store_at, transpose
from .tile_words import (
    LEFT_PARTS,
    PART,
    PLACES,
    RESUME,
    RIGHT_PARTS,
    ROW,
    configure,
    split_left,
    split_right,
    word_block,
)
from .tiles import SIDE, close_tiles, special
from .window import Geometry, ceil_div, clear, load_band
from .workspace import whole_lines, workspace

_CACHE = 1 << 20  # bytes of sums beyond which they should be walked through seldom
_BAND = 1 << 19  # bytes of a work item's words
_SUM = SIDE * ROW  # bytes of a tile of sums
_ZERO = np.float32(0)


class Walk(NamedTuple):
    """The integers of one pass over bands of x and of dy."""

    batch: int
    groups: int
    inputs: int  #: of a group
    height: int
    width: int
    outputs: int  #: of a group
    steps: int  #: rows of dy
    out_w: int
    kernel_h: int
    kernel_w: int
    stride_h: int
    stride_w: int
    dilation_h: int
    dilation_w: int
    pad_h: int
    pad_w: int
    reach_h: int  #: rows of x that a row of dy needs
    columns: int  #: of a band of x
    pitch: int  #: pixels from row to row of dy's tiles
    rows: int  #: rows of dy in a work item
    images: int  #: images in a work item


class Places(NamedTuple):
    """Bytes from the beginning of a thread's workspace."""

    bias: int
    x: int
    dy: int
    line: int
    turned: int
    scratch: int
    plane: int  #: of one part of a tile's channels: all pixels of x in an item
    blocks: int  #: tiles of pixels of dy in an item
    own: int  #: all of them


@lru_cache(maxsize=256)
def walk(g: Geometry, threads: int) -> tuple[Walk, Places]:
    """The pass, and where a thread keeps what."""
    reach_h = g.dilation_h * (g.kernel_h - 1) + 1
    columns = (g.out_w - 1) * g.stride_w + g.dilation_w * (g.kernel_w - 1) + 1
    pitch = ceil_div(g.out_w, SIDE) * SIDE
    if (g.stride_h, g.stride_w) == (1, 1) and columns < pitch:
        pitch = columns  # rows of dy then lie as those of x do, with zeros between them
    inputs, outputs = g.channels // g.groups, g.out_channels // g.groups
    tiles_in, tiles_out = (g.groups * ceil_div(n, SIDE) for n in (inputs, outputs))
    line = g.stride_h * columns * tiles_in * RIGHT_PARTS * ROW + pitch * tiles_out * \
        LEFT_PARTS * ROW
    taps = g.kernel_h * g.kernel_w
    sums = tiles_out * taps * tiles_in // g.groups * _SUM
    limit = _BAND if sums <= _CACHE else 16 * _BAND
    rows, images = item_shape(g.batch, g.out_h, line, limit, threads)
    w = Walk(g.batch, g.groups, inputs, g.height, g.width, outputs, g.out_h, g.out_w, g.kernel_h,
             g.kernel_w, g.stride_h, g.stride_w, g.dilation_h, g.dilation_w, g.pad_h, g.pad_w,
             reach_h, columns, pitch, rows, images)
    # Tiles of dy that end beyond a row meet what follows in x, which must be finite.
    beyond = SIDE * g.stride_w
    plane = (images * ((rows - 1) * g.stride_h + reach_h) * columns + beyond) * ROW
    blocks = images * ceil_div(rows * pitch, SIDE)
    x = sums + whole_lines(g.out_channels * 4)
    dy = x + tiles_in * RIGHT_PARTS * plane
    line_at = dy + tiles_out * LEFT_PARTS * blocks * PART
    turned = line_at + whole_lines(max(columns * g.channels, g.out_w * g.out_channels) * 4)
    scratch = turned + SIDE * blocks * ROW
    own = scratch + whole_lines(max(taps * ceil_div(inputs, SIDE) * SIDE * ROW, LINE + PLACES))
    return w, Places(sums, x, dy, line_at, turned, scratch, plane, blocks, own)


@callee
def _start(tile, count):  # type: ignore[no-untyped-def]
    """Where a tile of channels begins; the last may overlap the one before it, and has sums of its
    own, which are the same."""
    return min(tile * tile_side(count), count - tile_side(count))


@callee
def _split_x(band, line, x, x_last, w, p, image, images, first, rows):  # type: ignore
    """The words of ``rows`` rows of some images; the largest magnitude."""
    channels, tiles = w.groups * w.inputs, blocks_of(w.inputs)
    most = 0
    for number in range(images):
        source = x + (image + number) * channels * w.height * w.width * 4
        for row in range(first, first + rows):
            here = line
            if x_last and w.pad_w == 0 and w.columns == w.width and 0 <= row < w.height:
                here = source + row * w.width * channels * 4
            else:
                load_band(line, source, x_last, channels, w.height, w.width, row, np.int64(1),
                          -w.pad_w, w.columns, _ZERO)
            target = band + (number * rows + row - first) * w.columns * ROW
            for tile in range(w.groups * tiles):
                start = tile // tiles * w.inputs + _start(tile % tiles, w.inputs)
                most = max(most, split_right((
                    target + tile * RIGHT_PARTS * p.plane, p.plane, here + start * 4, channels * 4,
                    0, w.columns, tile_side(w.inputs))))
    for plane in range(w.groups * tiles * RIGHT_PARTS):
        clear(band + plane * p.plane + images * rows * w.columns * ROW, SIDE * w.stride_w * SIDE,
              _ZERO)
    return most


@callee(fastmath={"reassoc"})
def _total(place, count):  # type: ignore[no-untyped-def]
    """The sum of so many numbers, by vectors."""
    values = array_at(place, count, _ZERO)
    total = _ZERO
    for index in range(count):
        total += values[index]
    return total


@callee
def _split_dy(words, line, turned, dy, dy_last, w, p, image, images, first, count, sums):  # type: ignore
    """The words of ``count`` rows of some images, turned, after adding them to ``sums``, if any;
    the largest magnitude."""
    channels, tiles, side = w.groups * w.outputs, blocks_of(w.outputs), tile_side(w.outputs)
    blocks = (count * w.pitch + SIDE - 1) // SIDE
    most = 0
    for number in range(images):
        source = dy + (image + number) * channels * w.steps * w.out_w * 4
        clear(turned, SIDE * blocks * SIDE, _ZERO)
        for tile in range(w.groups * tiles):
            start = tile // tiles * w.outputs + _start(tile % tiles, w.outputs)
            for row in range(count):
                place = turned + row * w.pitch * 4
                if dy_last:
                    here = source + (first + row) * w.out_w * channels * 4
                    transpose(place, blocks * SIDE, here + start * 4, channels, w.out_w, side,
                              _ZERO)
                    if tile == 0 and sums.size > 0:
                        add_bias(sums, here, w.out_w, _ZERO)
                else:
                    for channel in range(side):
                        here = source + ((start + channel) * w.steps + first + row) * w.out_w * 4
                        values = array_at(here, w.out_w, _ZERO)
                        array_at(place + channel * blocks * ROW, w.out_w, _ZERO)[:] = values
            for block in range(blocks):
                most = max(most, split_left((
                    words + ((tile * LEFT_PARTS * p.blocks) + number * blocks + block) * PART,
                    p.blocks * PART, turned + block * ROW, blocks * ROW, 0, side, SIDE)))
        if not dy_last and sums.size > 0:
            for channel in range(channels):
                sums[channel] += _total(source + (channel * w.steps + first) * w.out_w * 4,
                                        count * w.out_w)
    return most


@callee
def _add_item(sums, band, words, places, w, p, images, count, start):  # type: ignore
    """Add an item's products to all tiles of sums."""
    rows = (count - 1) * w.stride_h + w.reach_h
    blocks = (count * w.pitch + SIDE - 1) // SIDE
    tiles_in, tiles_out = blocks_of(w.inputs), blocks_of(w.outputs)
    spots = w.kernel_h * w.kernel_w * tiles_in
    lines, across = count, w.pitch // SIDE
    if w.pitch % SIDE:
        lines, across = 1, blocks
    for group in range(w.groups):
        tile = 0
        while tile < tiles_out:
            high = min(2, tiles_out - tile)
            number = group * tiles_out + tile
            spot = 0
            while spot < spots:
                wide = min(4 // high, spots - spot)
                for index in range(high):
                    store_at(places + index * 8,
                             sums + ((number + index) * spots + spot) * _SUM)
                    store_at(places + (4 + index) * 8,
                             words + (number + index) * LEFT_PARTS * p.blocks * PART)
                for index in range(wide):
                    # Taps of the same channels follow each other, while these are in the cache.
                    tap = (spot + index) % (w.kernel_h * w.kernel_w)
                    channel = (spot + index) // (w.kernel_h * w.kernel_w)
                    store_at(places + (8 + index) * 8,
                             band + (group * tiles_in + channel) * RIGHT_PARTS * p.plane
                             + (tap // w.kernel_w * w.dilation_h * w.columns
                                + tap % w.kernel_w * w.dilation_w) * ROW)
                word_block(high, wide, (
                    places, ROW, _SUM, ROW, p.blocks * PART, w.stride_w * ROW, p.plane,
                    images, blocks * PART, rows * w.columns * ROW,
                    lines, across * PART, w.stride_h * w.columns * ROW,
                    across, PART, SIDE * w.stride_w * ROW, start))
                spot += wide
            tile += high


@callee
def _deliver(dweight, work, scratch, w, p, number, threads):  # type: ignore[no-untyped-def]
    """Add the threads' sums of one tile of outputs, in order, and turn them into PyTorch's
    layout."""
    taps, tiles_in, tiles_out = w.kernel_h * w.kernel_w, blocks_of(w.inputs), blocks_of(w.outputs)
    side, depth = tile_side(w.outputs), w.inputs * taps
    for tile in range(tiles_in):
        for tap in range(taps):
            place = ((number * tiles_in + tile) * taps + tap) * _SUM
            total = array_at(work + place, side * SIDE, _ZERO)
            for other in range(1, threads):
                total += array_at(work + other * p.own + place, side * SIDE, _ZERO)
            row = _start(tile, w.inputs) * taps + tap
            transpose(scratch + row * ROW, taps * SIDE, work + place, SIDE, side,
                      tile_side(w.inputs), _ZERO)
    output = number // tiles_out * w.outputs + _start(number % tiles_out, w.outputs)
    transpose(dweight + output * depth * 4, depth, scratch, SIDE, depth, side, _ZERO)


@callee
def _task(x, x_last, dy, dy_last, dweight, dbias, w, p, exact, work, thread, threads):  # type: ignore
    sums = work + thread * p.own
    band, words = sums + p.x, sums + p.dy
    line, turned, scratch = sums + p.line, sums + p.turned, sums + p.scratch
    bias_sums = array_at(sums + p.bias, dbias.size, _ZERO)
    bias_sums[:] = _ZERO
    low, high = share(items(w), thread, threads)
    if low == high:
        clear(sums, p.bias // 4, _ZERO)
    configure(scratch, tile_side(w.outputs), tile_side(w.inputs))
    for number in range(low, high):
        image, images, first, count = item(w, number)
        most = _split_dy(words, line, turned, address(dy), dy_last, w, p, image, images, first,
                         count, bias_sums)
        exact[thread] &= not special(most)
        most = _split_x(band, line, address(x), x_last, w, p, image, images,
                        first * w.stride_h - w.pad_h, (count - 1) * w.stride_h + w.reach_h)
        exact[thread] &= not special(most)
        if not exact.all():
            break
        _add_item(sums, band, words, scratch, w, p, images, count,
                  0 if number == low else RESUME)
    close_tiles()
    barrier(threads)
    if not exact.all():
        return
    low, high = share(w.groups * blocks_of(w.outputs), thread, threads)
    for number in range(low, high):
        _deliver(address(dweight), work, scratch, w, p, number, threads)
    if thread == 0:
        for other in range(1, threads):
            bias_sums += array_at(work + other * p.own + p.bias, dbias.size, _ZERO)
        dbias[:] = bias_sums


@njit(cache=CACHE)
def _walk(x, x_last, dy, dy_last, dweight, dbias, w, p, exact, work, threads):  # type: ignore
    parallel(_task, (x, x_last, dy, dy_last, dweight, dbias, w, p, exact, work), threads)


def weight_by_tiles(
    g: Geometry, x: np.ndarray, x_last: bool, dy: np.ndarray, dy_last: bool, dweight: np.ndarray,
    dbias: np.ndarray, threads: int,
) -> bool:
    """Fill ``dweight`` and, unless it is empty, ``dbias``; False where an operand is left to
    vectors (see ``tiles``)."""
    w, p = walk(g, threads)
    exact = np.ones(threads, np.bool_)
    _walk(x, x_last, dy, dy_last, dweight, dbias, w, p, exact, workspace(threads * p.own), threads)
    return bool(exact.all())
