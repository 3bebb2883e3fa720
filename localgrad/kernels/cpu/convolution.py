"""The convolution triple for arrays: forward, and its adjoints in the input and in the weight.

Shapes are PyTorch's: input (batch, channels, height, width), weight (out, channels / groups,
kernel_h, kernel_w).  Inputs may be channels-first or channels-last in memory; results are
channels-last.  Three roads lead there (``convolution_roads``); the plain sum also takes what the
others refuse.
"""

from __future__ import annotations

import numpy as np

from . import arena
from .convolution_forward import band_rows, forward, forward_scratch
from .convolution_input import input_adjoint, plan
from .convolution_roads import FORWARD, TILES, TO_INPUT, TO_WEIGHT, WINOGRAD, road
from .convolution_tiles import by_tiles
from .convolution_tiles_weight import weight_by_tiles
from .convolution_weight import weight_adjoint, weight_plan
from .layout import contiguous, image_memory
from .microkernel import RELU
from .pool import pool
from .window import Geometry, geometry, prepare
from .winograd_forward import over_tiles
from .winograd_weight import weight_over_tiles
from .workspace import workspace

Pair = tuple[int, int]
_FAST = {WINOGRAD: over_tiles, TILES: by_tiles}
_FAST_WEIGHT = {WINOGRAD: weight_over_tiles, TILES: weight_by_tiles}
_SMALL = 1 << 17  # multiply-adds below which one thread is quicker
_MOVE = 8  # an element of an image costs as much to bring to its place as so many of them


def _threads(g: Geometry) -> int:
    images = g.batch * (g.channels * g.height * g.width + g.out_channels * g.out_h * g.out_w)
    work = (g.batch * g.out_h * g.out_w * g.out_channels
            * g.kernel_h * g.kernel_w * g.channels // g.groups)
    return pool.threads if work + _MOVE * images >= _SMALL else 1


def conv2d(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
    relu: bool = False,
) -> np.ndarray:
    """``y[n, o] = bias[o] + sum over i of x[n, i] ⋆ weight[o, i]``, then relu if asked."""
    g = geometry(x.shape, weight.shape, stride, padding, dilation, groups)
    prepare(x.dtype)
    y = arena.channels_last((g.batch, g.out_channels, g.out_h, g.out_w), x.dtype)
    if y.size:
        memory, last = image_memory(x)
        weight = contiguous(weight)
        held = weight.reshape(-1) if bias is None else contiguous(bias)
        threads, flags, target = _threads(g), RELU if relu else 0, y.transpose(0, 2, 3, 1)
        fast = _FAST.get(road(g, FORWARD, x.itemsize))
        if fast and fast(g, False, memory, last, weight, held, bias is not None, target, flags,
                         threads):
            return y
        rows = band_rows(g, x.itemsize, threads)
        work = workspace(forward_scratch(g, rows, x.itemsize, threads))
        forward(memory, last, weight, held, bias is not None, target, flags, tuple(g), rows, work,
                threads)
    return y


def conv2d_input(
    upstream: np.ndarray,
    weight: np.ndarray,
    input_shape: tuple[int, ...],
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> np.ndarray:
    """The adjoint in the input: ``dx`` with ``<dx, x> = <upstream, conv2d(x, weight)>``."""
    g = geometry(input_shape, weight.shape, stride, padding, dilation, groups)
    prepare(upstream.dtype)
    dx = arena.channels_last(input_shape, upstream.dtype)
    if not upstream.size:
        dx[...] = 0
    elif dx.size:
        memory, last = image_memory(upstream)
        threads, weight, target = _threads(g), contiguous(weight), dx.transpose(0, 2, 3, 1)
        fast = _FAST.get(road(g, TO_INPUT, dx.itemsize))
        if fast and fast(g, True, memory, last, weight, weight.reshape(-1), False, target, 0,
                         threads):
            return dx
        *how, scratch = plan(g, dx.itemsize, threads)
        input_adjoint(memory, last, weight, target, tuple(g), *how, workspace(scratch), threads)
    return dx


def conv2d_weight(
    x: np.ndarray,
    upstream: np.ndarray,
    weight_shape: tuple[int, ...],
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
    bias: bool = True,
) -> tuple[np.ndarray, np.ndarray | None]:
    """The adjoint in the weight, ``dweight``, and where there is a bias its own: ``upstream``
    summed over all pixels."""
    g = geometry(x.shape, weight_shape, stride, padding, dilation, groups)
    prepare(x.dtype)
    dweight = arena.empty(weight_shape, x.dtype)
    dbias = np.empty(g.out_channels if bias else 0, x.dtype)
    if not upstream.size or not x.size:
        dweight[...] = 0
        return dweight, upstream.sum(axis=(0, 2, 3)) if bias else None
    memory, x_last = image_memory(x)
    upstream, upstream_last = image_memory(upstream)
    threads = _threads(g)
    fast = _FAST_WEIGHT.get(road(g, TO_WEIGHT, x.itemsize))
    if fast and fast(g, memory, x_last, upstream, upstream_last, dweight, dbias, threads):
        return dweight, dbias if bias else None
    rows, block, scratch = weight_plan(g, x.itemsize, threads)
    weight_adjoint(memory, x_last, upstream, upstream_last, dweight, dbias, tuple(g), rows, block,
                   workspace(scratch), threads)
    return dweight, dbias if bias else None
