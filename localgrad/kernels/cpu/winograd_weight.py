"""Winograd convolution, adjoint in the weight: transformed tiles of x and of dy meet in 36 sums.

    dweight = Gᵀ [sum over tiles of (Bᵀ x B) ⊗ (A dy Aᵀ)] G

Every thread sums its own images and transforms its sums, to a quarter or less of what they were;
then the threads' parts are added, in order.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .callee import callee
from .convolution_weight import add_bias
from .emit import address, array_at
from .host import CACHE, host
from .launch import barrier, parallel, share
from .microkernel import ACCUMULATE, NARROW, reduce_product
from .pack import lanes_of, size_of, transpose, width_of
from .window import Geometry, load_band
from .winograd import (
    TILE,
    transform_sums_3,
    transform_sums_5,
    transform_upstream_3,
    transform_upstream_5,
)
from .winograd_forward import PRODUCTS, Walk, item, items, load_points, walk
from .workspace import workspace


def _own(w: Walk, lanes: int) -> int:
    """Elements of a thread's own workspace: its part of the results, sums, tiles and bands of both,
    kernels."""
    kernels = w.kernel**2 * w.inputs
    tiles = PRODUCTS * (w.inputs * w.outputs + w.plane_in + w.plane_out)
    return (kernels + 1) * w.outputs + tiles + w.band + _upstream_band(w) + kernels * lanes


def _upstream_band(w: Walk) -> int:
    return w.rows * w.side * w.tiles_w * w.side * w.outputs


@callee
def _load_upstream(z, band, dy, dy_last, w, first, count, first_image, last_image, sums, zero):
    """Transform the upstream gradient of rows of tiles; adds its pixels to ``sums``, if any."""
    size, lanes = size_of(zero), lanes_of(zero)
    side = w.side
    in_place = dy_last and w.out_h % side == 0 and w.out_w % side == 0
    columns = w.tiles_w * side
    place = z
    for image in range(first_image, last_image):
        source = dy + image * w.outputs * w.out_h * w.out_w * size
        here = band
        if in_place:
            here = source + first * side * columns * w.outputs * size
        else:
            load_band(band, source, dy_last, w.outputs, w.out_h, w.out_w, first * side,
                      count * side, np.int64(0), columns, zero)
        if sums.size > 0:
            add_bias(sums, here, count * side * columns, zero)
        for i in range(count):
            for j in range(w.tiles_w):
                tile = here + (i * columns + j) * side * w.outputs * size
                for channel in range(0, w.outputs, lanes):
                    where = (place + channel * size, TILE * w.plane_out, w.plane_out,
                             tile + channel * size, columns * w.outputs, w.outputs)
                    if w.kernel == 3:
                        transform_upstream_3(zero, where)
                    else:
                        transform_upstream_5(zero, where)
                place += w.outputs * size


@callee
def _task(x, x_last, dy, dy_last, dweight, dbias, w, own, upstream_band, work, thread,
          threads):
    zero = dweight.dtype.type(0)
    size, width, lanes = size_of(zero), width_of(zero), lanes_of(zero)
    panels = (w.outputs + width - 1) // width
    taps = w.kernel * w.kernel
    sums_count = PRODUCTS * w.inputs * w.outputs
    depth = w.inputs * taps
    part = work + thread * own * size
    bias_place = part + w.outputs * depth * size
    sums = bias_place + w.outputs * size
    v = sums + sums_count * size
    z = v + PRODUCTS * w.plane_in * size
    x_band = z + PRODUCTS * w.plane_out * size
    dy_band = x_band + w.band * size
    spare = dy_band + upstream_band * size
    bias_sums = array_at(bias_place, dbias.size, zero)
    bias_sums[:] = zero
    array_at(sums, sums_count, zero)[:] = zero

    low, high = share(items(w), thread, threads)
    for number in range(low, high):
        first_image, last_image, first, count = item(w, number)
        tiles = load_points(v, x_band, address(x), x_last, w, first, count, first_image,
                            last_image, zero)
        _load_upstream(z, dy_band, address(dy), dy_last, w, first, count, first_image,
                       last_image, bias_sums, zero)
        for point in range(PRODUCTS):
            for panel in range(panels):
                narrow = NARROW if w.outputs - panel * width <= lanes else 0
                for block in range(w.inputs // lanes):
                    row = point * w.inputs + block * lanes
                    reduce_product(zero, (
                        lanes, sums + (row * w.outputs + panel * width) * size, w.outputs,
                        v + (point * w.plane_in + block * w.block) * size, 1, lanes,
                        z + (point * w.plane_out + panel * width) * size, w.outputs, tiles,
                        1, 0, 0, 1, 0, 0, 0, ACCUMULATE | narrow))

    # Gᵀ … G, and from (tap, input, output) to PyTorch's layout.
    step = w.inputs * w.outputs
    for block in range(w.outputs // lanes):
        for channel in range(w.inputs):
            where = (spare + channel * taps * lanes * size, w.kernel * lanes, lanes,
                     sums + (channel * w.outputs + block * lanes) * size, TILE * step, step)
            if w.kernel == 3:
                transform_sums_3(zero, where)
            else:
                transform_sums_5(zero, where)
        transpose(part + block * lanes * depth * size, depth, spare, lanes, depth, lanes, zero)
    barrier(threads)

    low, high = share(w.outputs * depth, thread, threads)
    result = array_at(address(dweight) + low * size, high - low, zero)
    for other in range(threads):
        part = array_at(work + (other * own + low) * size, high - low, zero)
        for i in range(result.size):
            result[i] = result[i] + part[i] if other > 0 else part[i]
    if thread == 0:
        dbias[:] = zero
        for other in range(threads):
            dbias += array_at(bias_place + other * own * size, dbias.size, zero)


@njit(cache=CACHE)
def _over_tiles(x, x_last, dy, dy_last, dweight, dbias, w, own, upstream_band, work, threads):
    parallel(_task, (x, x_last, dy, dy_last, dweight, dbias, w, own, upstream_band, work), threads)


def weight_over_tiles(
    g: Geometry, x: np.ndarray, x_last: bool, dy: np.ndarray, dy_last: bool, dweight: np.ndarray,
    dbias: np.ndarray, threads: int,
) -> bool:
    """Fill ``dweight`` and, unless it is empty, ``dbias``; False where it is left to the plain
    sum, as ``over_tiles`` does."""
    size = x.itemsize
    w = walk(g, False, size, threads)
    own = _own(w, host().lanes(size))
    _over_tiles(x, x_last, dy, dy_last, dweight, dbias, w, own, _upstream_band(w),
                workspace(size * threads * own), threads)
    return bool(np.isfinite(dweight).all())
