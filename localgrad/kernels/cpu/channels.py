"""Batch normalisation: sums and maps over (pixels, channels), channels last in memory.

Rows of a few channels would make short vectors, so a pass walks *periods* of several rows at once,
with the channels' constants repeated.  Sums are taken around each channel's first value, in blocks
that are added up in float64: no digits are lost where the mean is large beside the spread.  Where
that first value is an outlier, they are taken again, around the mean.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from . import arena
from .emit import widest
from .host import CACHE
from .launch import barrier, parallel, share
from .layout import channels_memory
from .pointwise import threads_for

_PERIOD = 256  # elements of a period, at least
_BLOCK = 32  # periods summed in the array's own precision
_FAR = 256  # how many variances the square of an origin's distance may be before digits are lost


@njit(cache=CACHE)
def _repeated(vector):  # type: ignore[no-untyped-def]
    """The channels' numbers again and again, until they fill a period."""
    channels = vector.size
    result = np.empty(max(1, (_PERIOD + channels - 1) // channels) * channels, vector.dtype)
    for start in range(0, result.size, channels):
        result[start:start + channels] = vector
    return result


@njit(cache=CACHE)
def _added(sums):  # type: ignore[no-untyped-def]
    """The threads' sums, added in order."""
    total = sums[0]
    for other in range(1, sums.shape[0]):
        total += sums[other]
    return total


@njit(cache=CACHE)
def _moment_sums(x, origin, sums, block):  # type: ignore[no-untyped-def]
    """Add Σ (x − origin) and Σ (x − origin)² of each channel to ``sums``."""
    widest()
    channels, period = sums.shape[1], origin.size
    one, two = block[0], block[1]
    for start in range(0, x.size, period * _BLOCK):
        stop = min(start + period * _BLOCK, x.size)
        for j in range(period):
            one[j] = two[j] = x.dtype.type(0)
        for begin in range(start, stop, period):
            line = x[begin:min(begin + period, stop)]
            for j in range(line.size):
                d = line[j] - origin[j]
                one[j] += d
                two[j] += d * d
        for j in range(period):
            sums[0, j % channels] += one[j]
            sums[1, j % channels] += two[j]


@njit(cache=CACHE)
def _moments_task(x, origin, sums, thread, threads):  # type: ignore[no-untyped-def]
    channels = sums.shape[2]
    low, high = share(x.size // channels, thread, threads)
    _moment_sums(x[low * channels:high * channels], origin, sums[thread],
                 np.empty((2, origin.size), x.dtype))


@njit(cache=CACHE)
def _moments_around(origin, x, threads):  # type: ignore[no-untyped-def]
    """Mean and variance, from sums around ``origin``; and whether it lies too far away for them."""
    channels = origin.size
    sums = np.zeros((threads, 2, channels), np.float64)
    parallel(_moments_task, (x, _repeated(origin), sums), threads)
    total, mean, variance = _added(sums), np.empty_like(origin), np.empty_like(origin)
    rows, far = x.size // channels, False
    for j in range(channels):
        one, two = total[0, j] / rows, total[1, j] / rows
        spread = two - one * one
        mean[j], variance[j] = origin[j] + one, spread
        far |= two > _FAR * spread
    return mean, variance, far


@njit(cache=CACHE)
def _moments(x, channels, threads):  # type: ignore[no-untyped-def]
    mean, variance, far = _moments_around(x[:channels].copy(), x, threads)
    if far:
        mean, variance, far = _moments_around(mean, x, threads)
    return mean, variance


@njit(cache=CACHE)
def _map_task(x, factor, shift, y, thread, threads):  # type: ignore[no-untyped-def]
    """y = x · factor + shift, with the two repeated along x."""
    widest()
    period = factor.size
    low, high = share((x.size + period - 1) // period, thread, threads)
    for number in range(low, high):
        source, target = x[number * period:(number + 1) * period], \
            y[number * period:(number + 1) * period]
        for j in range(source.size):
            target[j] = source[j] * factor[j] + shift[j]


@njit(cache=CACHE)
def _map(x, factor, shift, y, threads):  # type: ignore[no-untyped-def]
    parallel(_map_task, (x, _repeated(factor), _repeated(shift), y), threads)


@njit(cache=CACHE)
def _pulled_sums(g, x, mean, sums, block):  # type: ignore[no-untyped-def]
    """Add Σ g and Σ g (x − mean) of each channel to ``sums``."""
    widest()
    channels, period = sums.shape[1], mean.size
    one, two = block[0], block[1]
    for start in range(0, x.size, period * _BLOCK):
        stop = min(start + period * _BLOCK, x.size)
        for j in range(period):
            one[j] = two[j] = x.dtype.type(0)
        for begin in range(start, stop, period):
            end = min(begin + period, stop)
            upstream, line = g[begin:end], x[begin:end]
            for j in range(line.size):
                one[j] += upstream[j]
                two[j] += upstream[j] * (line[j] - mean[j])
        for j in range(period):
            sums[0, j % channels] += one[j]
            sums[1, j % channels] += two[j]


@njit(cache=CACHE)
def _backward_task(  # type: ignore[no-untyped-def]
    g, x, mean, scale, factor, fixed, wants_input, sums, dx, thread, threads,
):
    widest()
    channels, period = sums.shape[2], mean.size
    rows = x.size // channels
    low, high = share(rows, thread, threads)
    _pulled_sums(g[low * channels:high * channels], x[low * channels:high * channels],
                 mean, sums[thread], np.empty((2, period), x.dtype))
    barrier(threads)
    if not wants_input:
        return
    along, shift = np.zeros(period, x.dtype), np.zeros(period, x.dtype)
    if not fixed:
        for j in range(period):
            whole, pulled = 0.0, 0.0
            for other in range(threads):
                whole += sums[other, 0, j % channels]
                pulled += sums[other, 1, j % channels]
            slope = pulled * scale[j] * scale[j] / rows
            along[j] = -factor[j] * slope
            shift[j] = factor[j] * (slope * mean[j] - whole / rows)
    low, high = share((x.size + period - 1) // period, thread, threads)
    for number in range(high - 1, low - 1, -1):  # what was read last is still in the cache
        begin, end = number * period, (number + 1) * period
        upstream, line, target = g[begin:end], x[begin:end], dx[begin:end]
        if fixed:  # x is not looked at: it may be NaN
            for j in range(line.size):
                target[j] = upstream[j] * factor[j]
        else:
            for j in range(line.size):
                target[j] = upstream[j] * factor[j] + line[j] * along[j] + shift[j]


@njit(cache=CACHE)
def _backward(g, x, mean, scale, factor, fixed, wants_input, dx, threads):  # type: ignore
    """Fill dx; returns what the weight and the bias of every channel are sent."""
    channels = mean.size
    sums = np.zeros((threads, 2, channels), np.float64)
    parallel(_backward_task, (g, x, _repeated(mean), _repeated(scale), _repeated(factor), fixed,
                              wants_input, sums, dx), threads)
    total = _added(sums)
    weight, bias = np.empty(channels, x.dtype), np.empty(channels, x.dtype)
    for j in range(channels):
        weight[j] = total[1, j] * scale[j]
        bias[j] = total[0, j]
    return weight, bias


def channel_moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance (divided by n) of every channel of (batch, channels, …)."""
    channels = x.shape[1]
    return _moments(channels_memory(x), channels, threads_for(x.size))


def channel_norm(
    x: np.ndarray, mean: np.ndarray, scale: np.ndarray,
    weight: np.ndarray | None, bias: np.ndarray | None,
) -> np.ndarray:
    """``(x − mean) · scale · weight + bias``, each a vector of channels."""
    factor = scale if weight is None else scale * weight
    shift = -mean * factor if bias is None else bias - mean * factor
    y = arena.channels_last(x.shape, x.dtype)
    _map(channels_memory(x), factor.astype(x.dtype, copy=False), shift.astype(x.dtype, copy=False),
         channels_memory(y), threads_for(x.size))
    return y


def channel_norm_backward(
    g: np.ndarray, x: np.ndarray, mean: np.ndarray, scale: np.ndarray,
    weight: np.ndarray | None, fixed: bool, needs: tuple[bool, bool, bool],
) -> list[Any]:
    """Downstreams of x, weight and bias; ``fixed`` where mean and scale do not depend on x."""
    factor = scale if weight is None else scale * weight
    dx = arena.channels_last(x.shape if needs[0] else (0, *x.shape[1:]), x.dtype)
    mean, scale, factor = (vector.astype(x.dtype, copy=False) for vector in (mean, scale, factor))
    to_weight, to_bias = _backward(
        channels_memory(g), channels_memory(x), mean, scale, factor, fixed, needs[0],
        channels_memory(dx), threads_for(x.size))
    return [dx if needs[0] else None, to_weight if needs[1] else None,
            to_bias if needs[2] else None]
