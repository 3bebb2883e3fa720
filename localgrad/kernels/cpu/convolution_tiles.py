"""Convolution by matrix tiles, forward and adjoint in the input: no window is ever copied.

An image is split into words once (``tile_words``): a row of 16 channels of a pixel is a row of a
tile, so the tile that some window offset wants of 16 neighbouring pixels begins at another row of
the same words.  An output tile is one sum over taps and channels.

The adjoint in the input is the same walk over the upstream gradient, once for each *phase* of the
stride (``convolution_input``): a phase is a convolution of unit stride whose pixels interleave with
those of the others.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numba import njit

from .callee import callee
from .convolution_input import phases, reach
from .emit import address, array_at
from .host import CACHE, LINE
from .launch import barrier, parallel, share
from .microkernel import RELU
from .pack import store_at
from .tile_words import (
    LEFT_PARTS,
    PART,
    PLACES,
    RESUME,
    RIGHT_PARTS,
    ROW,
    configure,
    split_left,
    split_right_far,
    word_block,
)
from .tiles import SIDE, close_tiles, special
from .window import Geometry, ceil_div, clear, load_band
from .workspace import workspace

_CACHE = 1 << 20  # bytes: half of the second-level cache
_BAND = 1 << 19  # bytes of a work item's words
_RIGHT = RIGHT_PARTS * PART
_HEAD = LINE + -(-PLACES // LINE) * LINE  # bytes of a configuration and of a block's places
_ZERO = np.float32(0)


class Walk(NamedTuple):
    """The integers of one pass over bands of ``x``, which makes bands of ``y``.

    A *step* is what both axes count in: a row of outputs, or of outputs of every phase.
    """

    batch: int
    groups: int
    inputs: int  #: channels of a group
    height: int
    width: int
    outputs: int  #: of a group
    out_h: int
    out_w: int
    taps: int
    stride_h: int  #: rows of x from step to step
    stride_w: int
    phases_h: int  #: rows of y from step to step
    phases_w: int
    low_h: int  #: where in x the band of step 0 begins
    low_w: int
    reach_h: int  #: rows of x that a step needs
    columns: int  #: of a band
    steps: int  #: down an image
    rows: int  #: steps of a work item
    images: int  #: of a work item
    depth: int  #: blocks of inputs in one pass over an item


@lru_cache(maxsize=256)
def walk(g: Geometry, adjoint: bool, threads: int) -> tuple[Walk, np.ndarray]:
    """The pass, and a row of integers for each phase: see ``_phase``."""
    if adjoint:
        down = phases(g.stride_h, g.pad_h, g.dilation_h, g.kernel_h)
        across = phases(g.stride_w, g.pad_w, g.dilation_w, g.kernel_w)
        low_h, high_h = reach(down)
        low_w, high_w = reach(across)
        shape = (g.out_channels, g.out_h, g.out_w, g.channels, g.height, g.width)
        strides = 1, 1, g.stride_h, g.stride_w
        reach_h, reach_w = high_h - low_h + 1, high_w - low_w + 1
        table = [(h, w, ceil_div(g.height - h, g.stride_h), ceil_div(g.width - w, g.stride_w),
                  v[3] - low_h, z[3] - low_w, v[2], -v[4], v[1] * g.kernel_w, z[2], -z[4], z[1],
                  v[0] * g.kernel_w + z[0])
                 for h, v in enumerate(down.tolist()) for w, z in enumerate(across.tolist())]
    else:
        low_h, low_w = -g.pad_h, -g.pad_w
        shape = (g.channels, g.height, g.width, g.out_channels, g.out_h, g.out_w)
        strides = g.stride_h, g.stride_w, 1, 1
        reach_h = g.dilation_h * (g.kernel_h - 1) + 1
        reach_w = g.dilation_w * (g.kernel_w - 1) + 1
        table = [(0, 0, g.out_h, g.out_w, 0, 0, g.kernel_h, g.dilation_h, g.kernel_w, g.kernel_w,
                  g.dilation_w, 1, 0)]
    channels, height, width, outputs, out_h, out_w = shape
    steps = ceil_div(out_h, strides[2])
    columns = (ceil_div(out_w, strides[3]) - 1) * strides[1] + reach_w
    line = columns * g.groups * ceil_div(channels // g.groups, SIDE) * LEFT_PARTS * ROW
    weights = g.kernel_h * g.kernel_w * g.out_channels * ceil_div(channels // g.groups, SIDE) \
        * RIGHT_PARTS * ROW
    # Weights that do not stay in the cache should be walked through seldom.
    limit = _BAND if weights <= _CACHE else 16 * _BAND
    rows, images = item_shape(g.batch, steps, strides[0] * line, limit, threads)
    blocks = ceil_div(channels // g.groups, SIDE)
    passes = ceil_div(2 * g.kernel_h * g.kernel_w * blocks * _RIGHT, _BAND)
    depth = ceil_div(blocks, min(passes, blocks))
    return Walk(g.batch, g.groups, channels // g.groups, height, width, outputs // g.groups, out_h,
                out_w, g.kernel_h * g.kernel_w, *strides, low_h, low_w, reach_h, columns, steps,
                rows, images, depth), np.array(table, np.int64)


def item_shape(batch: int, steps: int, line: int, limit: int, threads: int) -> tuple[int, int]:
    """Steps and images of a work item: enough items for all threads, each of ``limit`` bytes."""
    fits = max(limit // line, 1)
    if fits >= steps and batch >= threads:
        turns = ceil_div(batch, threads * (fits // steps))
        return steps, ceil_div(batch, threads * turns)
    if batch % threads:
        fits = min(fits, ceil_div(steps * batch, 4 * threads))
    return ceil_div(steps, ceil_div(steps, min(fits, steps))), 1


@callee
def items(w):  # type: ignore[no-untyped-def]
    """How many work items a walk has."""
    return ((w.batch + w.images - 1) // w.images) * ((w.steps + w.rows - 1) // w.rows)


@callee
def item(w, number):  # type: ignore[no-untyped-def]
    """A work item: its first image, its images, its first step, its steps."""
    bands = (w.steps + w.rows - 1) // w.rows
    image, first = number // bands * w.images, number % bands * w.rows
    return image, min(w.images, w.batch - image), first, min(w.rows, w.steps - first)


@callee
def blocks_of(channels):  # type: ignore[no-untyped-def]
    """Tiles that hold so many channels."""
    return (channels + SIDE - 1) // SIDE


@callee
def tile_side(count):  # type: ignore[no-untyped-def]
    """How many rows or columns a tile has of those that share ``count`` evenly; the last of them
    may have fewer."""
    tiles = (count + SIDE - 1) // SIDE
    return (count + tiles - 1) // tiles


def _plane(w: Walk) -> int:
    """Bytes of one part of a block of channels: all pixels of an item."""
    return w.images * ((w.rows - 1) * w.stride_h + w.reach_h) * w.columns * ROW


def _own(w: Walk) -> int:
    """Bytes of a thread's own workspace: a configuration, a band's words, a line of pixels."""
    words = w.groups * ceil_div(w.inputs, SIDE) * LEFT_PARTS * _plane(w)
    line = w.columns * w.groups * w.inputs * 4
    return _HEAD + words + ceil_div(line, LINE) * LINE


def _weights(w: Walk) -> int:
    """Bytes of all weights' words."""
    return w.groups * ceil_div(w.outputs, SIDE) * w.taps * ceil_div(w.inputs, SIDE) * _RIGHT


@callee
def _split_weights(target, weight, adjoint, w, number):  # type: ignore[no-untyped-def]
    """The words of one tile of outputs: taps, then blocks of inputs; the largest magnitude."""
    tiles, blocks = blocks_of(w.outputs), blocks_of(w.inputs)
    group, start = number // tiles, number % tiles * tile_side(w.outputs)
    valid = min(tile_side(w.outputs), w.outputs - start)
    most = 0
    for block in range(blocks):
        rows = min(SIDE, w.inputs - block * SIDE)
        for tap in range(w.taps):
            place = target + (tap * blocks + block) * _RIGHT
            if rows < SIDE:
                clear(place, _RIGHT // 4, _ZERO)
            if adjoint:
                first = ((group * w.inputs + block * SIDE) * w.outputs + start) * w.taps + tap
                down, across = w.outputs * w.taps, w.taps
            else:
                first = ((group * w.outputs + start) * w.inputs + block * SIDE) * w.taps + tap
                down, across = w.taps, w.inputs * w.taps
            most = max(most, split_right_far((place, PART, weight + first * 4, down * 4,
                                              across * 4, rows, valid)))
    return most


@callee
def _split_band(band, line, x, x_last, w, plane, image, images, first, rows):  # type: ignore
    """The words of ``rows`` rows of some images; the largest magnitude."""
    channels, blocks = w.groups * w.inputs, blocks_of(w.inputs)
    in_place = x_last and w.low_w == 0 and w.columns == w.width
    most = 0
    for number in range(images):
        source = x + (image + number) * channels * w.height * w.width * 4
        for row in range(first, first + rows):
            here = line
            if in_place and 0 <= row < w.height:
                here = source + row * w.width * channels * 4
            else:
                load_band(line, source, x_last, channels, w.height, w.width, row, np.int64(1),
                          w.low_w, w.columns, _ZERO)
            target = band + (number * rows + row - first) * w.columns * ROW
            for block in range(w.groups * blocks):
                start = block // blocks * w.inputs + block % blocks * SIDE
                valid = min(SIDE, w.inputs - block % blocks * SIDE)
                most = max(most, split_left((
                    target + block * LEFT_PARTS * plane, plane, here + start * 4, channels * 4, 0,
                    w.columns, valid)))
    return most


@callee
def _phase(  # type: ignore[no-untyped-def]
    y, band, right, bias, w, plane, images, image, first, count, rows, phase, configuration,
):
    """All outputs of one phase in an item.

    ``phase`` holds: its first row and column in y; its steps down and across; where its first tap
    meets the band; then for its rows of taps how many, and from one to the next the rows of x and
    the taps; the same for its columns; and its first tap.
    """
    steps, length = min(count, phase[2] - first), phase[3]
    if steps <= 0 or length <= 0:
        return
    one_by_one = True
    if w.columns == length and w.stride_h == 1 and w.phases_h == 1 and w.phases_w == 1:
        one_by_one = steps == 1
        length, steps = length * steps, 1
    side, across = tile_side(length), blocks_of(length)
    rest = length - (across - 1) * side
    if rest == side:
        _spots(y, band, right, bias, w, plane, images, image, first, steps, rows, phase,
               configuration, one_by_one, side, np.int64(0), across, side)
    else:  # the last tiles of all lines have fewer rows
        _spots(y, band, right, bias, w, plane, images, image, first, steps, rows, phase,
               configuration, one_by_one, side, np.int64(0), across - 1, side)
        _spots(y, band, right, bias, w, plane, images, image, first, steps, rows, phase,
               configuration, one_by_one, side, across - 1, np.int64(1), rest)


@callee
def _taps(w, phase, step):  # type: ignore[no-untyped-def]
    """From which to which row of taps a step meets rows of x, not of its padding; at least one."""
    top = step * w.stride_h + w.low_h + phase[4]
    low, high = 0, phase[6]
    while low < high - 1 and not 0 <= top + low * phase[7] < w.height:
        low += 1
    while high - 1 > low and not 0 <= top + (high - 1) * phase[7] < w.height:
        high -= 1
    return low, high


@callee
def _spots(  # type: ignore[no-untyped-def]
    y, band, right, bias, w, plane, images, image, first, steps, rows, phase, configuration,
    one_by_one, side, begin, across, high,
):
    """Tiles of ``high`` pixels: of each line ``across`` of them, from number ``begin`` on.

    Steps that meet x with the same taps are made together; all are, unless ``one_by_one``.
    """
    places = configuration + LINE
    tiles, blocks, wide = blocks_of(w.outputs), blocks_of(w.inputs), tile_side(w.outputs)
    channels, line, tap = w.groups * w.outputs, w.columns * ROW, blocks * _RIGHT
    passes = (blocks + w.depth - 1) // w.depth
    for number in range(w.groups * passes):
        group, done = number % w.groups, number // w.groups * w.depth
        a_group = band + (group * blocks + done) * LEFT_PARTS * plane
        tile = 0
        while tile < tiles:
            valid = min(wide, w.outputs - tile * wide)
            columns = 2 if (tile + 2) * wide <= w.outputs else 1
            configure(configuration, high, valid)
            column = group * w.outputs + tile * wide
            b = right + ((group * tiles + tile) * w.taps + phase[12]) * tap + done * _RIGHT
            start = bias + column * 4 if bias != 0 else 0
            if done > 0:
                start = RESUME
            top = 0
            while top < steps:
                low, last, bottom = np.int64(0), phase[6], steps
                if one_by_one:
                    low, last = _taps(w, phase, first + top)
                    bottom = top + 1
                    while bottom < steps and _taps(w, phase, first + bottom) == (low, last):
                        bottom += 1
                store_at(places + 8 * 8, b + low * phase[8] * tap)
                store_at(places + 9 * 8, b + (w.taps + low * phase[8]) * tap)
                spot, spots = 0, images * (bottom - top) * across
                while spot < spots:
                    together = min(4 // columns, spots - spot)
                    for index in range(together):
                        at = spot + index
                        pixel = (begin + at % across) * side
                        step = top + at // across % (bottom - top)
                        held = at // across // (bottom - top)
                        a = a_group + ((held * rows + step * w.stride_h + phase[4]
                                        + low * phase[7]) * w.columns
                                       + pixel * w.stride_w + phase[5]) * ROW
                        c = y + ((((image + held) * w.out_h + (first + step) * w.phases_h
                                   + phase[0]) * w.out_w + pixel * w.phases_w + phase[1])
                                 * channels + column) * 4
                        store_at(places + index * 8, c)
                        store_at(places + (4 + index) * 8, a)
                    word_block(together, columns, (
                        places, w.phases_w * channels * 4, wide * 4,
                        w.stride_w * ROW, plane, ROW, PART,
                        last - low, phase[7] * line, phase[8] * tap,
                        phase[9], phase[10] * ROW, phase[11] * tap,
                        min(w.depth, blocks - done), LEFT_PARTS * plane, _RIGHT, start))
                    spot += together
                top = bottom
            tile += columns


@callee
def _task(  # type: ignore[no-untyped-def]
    x, x_last, weight, adjoint, bias, has_bias, y, flags, w, table, plane, own, weights, exact,
    work, thread, threads,
):
    configuration = work + weights + thread * own
    band = configuration + _HEAD
    line = band + w.groups * blocks_of(w.inputs) * LEFT_PARTS * plane
    tiles = w.groups * blocks_of(w.outputs)
    low, high = share(tiles, thread, threads)
    for number in range(low, high):
        most = _split_weights(work + number * (weights // tiles), address(weight), adjoint, w,
                              number)
        exact[thread] &= not special(most)
    barrier(threads)

    low, high = share(items(w), thread, threads)
    for number in range(low, high):
        image, images, first, count = item(w, number)
        rows = (count - 1) * w.stride_h + w.reach_h
        most = _split_band(band, line, address(x), x_last, w, plane, image, images,
                           first * w.stride_h + w.low_h, rows)
        exact[thread] &= not special(most)
        if not exact.all():
            break
        for index in range(table.shape[0]):
            _phase(address(y), band, work, address(bias) if has_bias else 0, w, plane, images,
                   image, first, count, rows, table[index], configuration)
        if flags & RELU:
            pixels = images * count * w.out_w if w.phases_h == 1 else 0
            size = w.groups * w.outputs
            made = array_at(address(y) + (image * w.out_h + first) * w.out_w * size * 4,
                            pixels * size, _ZERO)
            for index in range(made.size):
                value = made[index]
                made[index] = _ZERO if value < _ZERO else value
    close_tiles()


@njit(cache=CACHE)
def _walk(  # type: ignore[no-untyped-def]
    x, x_last, weight, adjoint, bias, has_bias, y, flags, w, table, plane, own, weights, exact,
    work, threads,
):
    parallel(_task, (x, x_last, weight, adjoint, bias, has_bias, y, flags, w, table, plane, own,
                     weights, exact, work), threads)


def by_tiles(
    g: Geometry, adjoint: bool, x: np.ndarray, x_last: bool, weight: np.ndarray, bias: np.ndarray,
    has_bias: bool, y: np.ndarray, flags: int, threads: int,
) -> bool:
    """Fill ``y``, channels last; False where an operand is left to vectors (see ``tiles``)."""
    w, table = walk(g, adjoint, threads)
    exact = np.ones(threads, np.bool_)
    own, weights = _own(w), _weights(w)
    _walk(x, x_last, weight, adjoint, bias, has_bias, y, flags, w, table, _plane(w), own, weights,
          exact, workspace(weights + threads * own), threads)
    return bool(exact.all())
