"""Batch normalisation: sums and maps over channels, wherever these lie in memory.

An array is (images, groups, run); in a run, the channels of a group take turns (see
``layout.channel_runs``).  Channels last, that is one run of all channels; channels first, one run
of one channel for every image.  Either way a pass walks *periods* of many elements, with the
channels' constants repeated, because rows of a few channels would make short vectors.

Sums are taken around each channel's first value, in blocks that are added up in float64: no digits
are lost where the mean is large beside the spread.  Where that first value is an outlier, they are
taken again, around the mean.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from . import arena
from .callee import callee
from .emit import SUMS, address, array_at, widest
from .host import CACHE
from .launch import barrier, parallel, share
from .layout import channel_runs, channels_first, contiguous
from .pointwise import threads_for

_PERIOD = 256  # elements of a period, at least
_BLOCK = 32  # periods summed in the array's own precision
_FAR = 256  # how many variances the square of an origin's distance may be before digits are lost
_GROUPS = 8  # groups of each thread, from which on a thread has some to itself


@callee
def _part(x, channels, thread, threads):  # type: ignore[no-untyped-def]
    """What a thread does: from which group to which, of their runs from where to where, and with
    how many threads it shares them.

    A channel that one thread has to itself is still in its cache when it is walked again.
    """
    groups, width = x.shape[1], channels // x.shape[1]
    if groups % threads == 0 or groups >= _GROUPS * threads:
        first, last = share(groups, thread, threads)
        return first, last, 0, x.shape[2], 1
    low, high = share(x.shape[2] // width, thread, threads)
    return 0, groups, low * width, high * width, threads


@callee
def _piece(x, image, group, begin, count):  # type: ignore[no-untyped-def]
    """So many elements of a run.  Runs may be short, and slices of three axes take their time."""
    place = ((image * x.shape[1] + group) * x.shape[2] + begin) * x.itemsize
    return array_at(address(x) + place, count, x.dtype.type(0))


@callee
def _period(x, width):  # type: ignore[no-untyped-def]
    """Elements of a period: whole rows of a group's channels."""
    return (min(_PERIOD, x.shape[2]) + width - 1) // width * width


@callee
def _repeat(vector, group, width, line):  # type: ignore[no-untyped-def]
    """Fill ``line`` with the numbers of a group's channels, again and again."""
    first = group * width
    if width == 1:
        for j in range(line.size):
            line[j] = vector[first]
    else:
        for start in range(0, line.size, width):
            for j in range(width):
                line[start + j] = vector[first + j]


@callee(fastmath=SUMS)
def _total(line):  # type: ignore[no-untyped-def]
    """Σ line, in float64."""
    result = 0.0
    for j in range(line.size):
        result += line[j]
    return result


@callee
def _added(sums, number, channel):  # type: ignore[no-untyped-def]
    """The threads' sums of a channel, added in order."""
    result = 0.0
    for thread in range(sums.shape[0]):
        result += sums[thread, number, channel]
    return result


@callee
def _flush(one, two, sums, group, width):  # type: ignore[no-untyped-def]
    """Add a block's numbers to the sums of their channels, and clear it."""
    first = group * width
    if width == 1:
        sums[0, first] += _total(one)
        sums[1, first] += _total(two)
    else:
        for start in range(0, one.size, width):
            for j in range(width):
                sums[0, first + j] += one[start + j]
                sums[1, first + j] += two[start + j]
    for j in range(one.size):
        one[j] = two[j] = 0


@callee
def _moment_sums(x, group, low, high, origin, one, two, sums):  # type: ignore[no-untyped-def]
    """Add Σ (x − origin) and Σ (x − origin)² of a group's channels to ``sums``."""
    widest()
    width, period = sums.shape[1] // x.shape[1], origin.size
    held = 0
    for image in range(x.shape[0]):
        for begin in range(low, high, period):
            line = _piece(x, image, group, begin, min(period, high - begin))
            for j in range(line.size):
                d = line[j] - origin[j]
                one[j] += d
                two[j] += d * d
            held += 1
            if held == _BLOCK:
                _flush(one, two, sums, group, width)
                held = 0
    _flush(one, two, sums, group, width)


@callee
def _moments_task(x, origin, sums, thread, threads):  # type: ignore[no-untyped-def]
    channels = origin.size
    width = channels // x.shape[1]
    first, last, low, high, _ = _part(x, channels, thread, threads)
    room = np.zeros((3, _period(x, width)), x.dtype)
    for group in range(first, last):
        _repeat(origin, group, width, room[0])
        _moment_sums(x, group, low, high, room[0], room[1], room[2], sums[thread])


@njit(cache=CACHE)
def _moments(x, origin, threads):  # type: ignore[no-untyped-def]
    """Mean and variance, from sums around ``origin``; and whether it lies too far away for them."""
    channels = origin.size
    sums = np.zeros((threads, 2, channels), np.float64)
    parallel(_moments_task, (x, origin, sums), threads)
    mean, variance = np.empty_like(origin), np.empty_like(origin)
    rows, far = x.size // channels, False
    for j in range(channels):
        one, two = _added(sums, 0, j) / rows, _added(sums, 1, j) / rows
        spread = two - one * one
        mean[j], variance[j] = origin[j] + one, spread
        far |= two > _FAR * spread
    return mean, variance, far


@callee
def _map_task(x, factor, shift, y, thread, threads):  # type: ignore[no-untyped-def]
    """y = x · factor + shift."""
    widest()
    channels = factor.size
    width = channels // x.shape[1]
    first, last, low, high, _ = _part(x, channels, thread, threads)
    room = np.empty((2, _period(x, width)), x.dtype)
    scaled, shifted = room[0], room[1]
    for group in range(last - 1, first - 1, -1):  # what was read last is still in the cache
        _repeat(factor, group, width, scaled)
        _repeat(shift, group, width, shifted)
        for image in range(x.shape[0]):
            for begin in range(low, high, scaled.size):
                count = min(scaled.size, high - begin)
                line = _piece(x, image, group, begin, count)
                result = _piece(y, image, group, begin, count)
                for j in range(line.size):
                    result[j] = line[j] * scaled[j] + shifted[j]


@njit(cache=CACHE, error_model="numpy")
def _map(x, mean, variance, weight, bias, eps, y, threads):  # type: ignore[no-untyped-def]
    """Fill y; returns 1/√(variance + eps)."""
    scale, factor, shift = np.empty((3, mean.size), mean.dtype)
    for j in range(mean.size):
        scale[j] = 1 / np.sqrt(variance[j] + eps)
        factor[j] = scale[j] * weight[j]
        shift[j] = bias[j] - mean[j] * factor[j]
    parallel(_map_task, (x, factor, shift, y), threads)
    return scale


@callee
def _pulled_sums(g, x, group, low, high, mean, one, two, sums):  # type: ignore[no-untyped-def]
    """Add Σ g and Σ g (x − mean) of a group's channels to ``sums``."""
    widest()
    width, period = sums.shape[1] // x.shape[1], mean.size
    held = 0
    for image in range(x.shape[0]):
        for begin in range(low, high, period):
            count = min(period, high - begin)
            upstream = _piece(g, image, group, begin, count)
            line = _piece(x, image, group, begin, count)
            for j in range(line.size):
                one[j] += upstream[j]
                two[j] += upstream[j] * (line[j] - mean[j])
            held += 1
            if held == _BLOCK:
                _flush(one, two, sums, group, width)
                held = 0
    _flush(one, two, sums, group, width)


@callee
def _send(g, x, group, low, high, factor, along, shift, fixed, dx):  # type: ignore
    """dx = g · factor + x · along + shift in a group's channels; g · factor alone if ``fixed``."""
    widest()
    period = factor.size
    for image in range(x.shape[0] - 1, -1, -1):  # what was read last is still in the cache
        for begin in range(high - 1 - (high - 1 - low) % period, low - 1, -period):
            count = min(period, high - begin)
            upstream = _piece(g, image, group, begin, count)
            line = _piece(x, image, group, begin, count)
            target = _piece(dx, image, group, begin, count)
            if fixed:  # x is not looked at: it may be NaN
                for j in range(line.size):
                    target[j] = upstream[j] * factor[j]
            else:
                for j in range(line.size):
                    target[j] = upstream[j] * factor[j] + line[j] * along[j] + shift[j]


@callee
def _backward_task(  # type: ignore[no-untyped-def]
    g, x, mean, scale, factor, fixed, wants_input, sums, dx, thread, threads,
):
    channels = mean.size
    width, rows = channels // x.shape[1], x.size // channels
    first, last, low, high, together = _part(x, channels, thread, threads)
    room = np.zeros((5, _period(x, width)), x.dtype)
    middle, scaled, shifted = room[0], room[1], room[2]
    slopes = np.zeros((2, channels), x.dtype)
    along, shift = slopes[0], slopes[1]
    for group in range(first, last):
        _repeat(mean, group, width, middle)
        _pulled_sums(g, x, group, low, high, middle, room[3], room[4],
                     sums[thread])
        if together > 1:
            barrier(threads)
        if not wants_input:
            continue
        for j in range(group * width, (group + 1) * width):
            whole, pulled = _added(sums, 0, j), _added(sums, 1, j)
            slope = pulled * scale[j] * scale[j] / rows
            along[j] = -factor[j] * slope
            shift[j] = factor[j] * (slope * mean[j] - whole / rows)
        _repeat(factor, group, width, scaled)
        _repeat(along, group, width, middle)
        _repeat(shift, group, width, shifted)
        _send(g, x, group, low, high, scaled, middle, shifted, fixed, dx)


@njit(cache=CACHE)
def _backward(g, x, mean, scale, factor, fixed, wants_input, dx, threads):  # type: ignore
    """Fill dx; returns what the weight and the bias of every channel are sent."""
    channels = mean.size
    sums = np.zeros((threads, 2, channels), np.float64)
    parallel(_backward_task, (g, x, mean, scale, factor, fixed, wants_input, sums, dx), threads)
    weight, bias = np.empty_like(mean), np.empty_like(mean)
    for j in range(channels):
        weight[j] = _added(sums, 1, j) * scale[j]
        bias[j] = _added(sums, 0, j)
    return weight, bias


def _empty(x: np.ndarray, first: bool) -> np.ndarray:
    """A new array of x's shape and order."""
    return arena.empty(x.shape, x.dtype) if first else arena.channels_last(x.shape, x.dtype)


def channel_moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance (divided by n) of every channel of (batch, channels, …)."""
    runs, threads = channel_runs(x, channels_first(x)), threads_for(x.size)
    origin = runs[0, :, :x.shape[1] // runs.shape[1]].flatten()
    mean, variance, far = _moments(runs, origin, threads)
    if far:
        mean, variance, _ = _moments(runs, mean, threads)
    return mean, variance


def channel_norm(
    x: np.ndarray, mean: np.ndarray, variance: np.ndarray,
    weight: np.ndarray | None, bias: np.ndarray | None, eps: float,
) -> tuple[np.ndarray, np.ndarray]:
    """``(x − mean) · scale · weight + bias`` with ``scale = 1/√(variance + eps)``, vectors of
    channels; and the scale."""
    dtype, first = x.dtype, channels_first(x)
    y = _empty(x, first)
    weight = np.ones(mean.size, dtype) if weight is None else contiguous(weight)
    bias = np.zeros(mean.size, dtype) if bias is None else contiguous(bias)
    scale = _map(channel_runs(x, first), _as(mean, dtype), _as(variance, dtype), weight, bias,
                 dtype.type(eps), channel_runs(y, first), threads_for(x.size))
    return y, scale


def _as(vector: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """A vector of that type, which a kernel reads in place."""
    return contiguous(vector if vector.dtype is dtype else vector.astype(dtype))


def channel_norm_backward(
    g: np.ndarray, x: np.ndarray, mean: np.ndarray, scale: np.ndarray,
    weight: np.ndarray | None, fixed: bool, needs: tuple[bool, bool, bool],
) -> list[Any]:
    """Downstreams of x, weight and bias; ``fixed`` where mean and scale do not depend on x."""
    factor = scale if weight is None else scale * weight
    first = channels_first(x)
    dx = _empty(x, first) if needs[0] else None
    memory = channel_runs(x, first)
    dtype = x.dtype
    to_weight, to_bias = _backward(
        channel_runs(g, first), memory, _as(mean, dtype), _as(scale, dtype), _as(factor, dtype),
        fixed, needs[0],
        memory if dx is None else channel_runs(dx, first), threads_for(x.size))
    return [dx, to_weight if needs[1] else None, to_bias if needs[2] else None]
