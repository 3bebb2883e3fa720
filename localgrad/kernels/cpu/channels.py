"""Batch normalisation: sums and maps over channels, wherever these lie in memory.

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
from .channel_runs import lies, part_of, period_of, piece_of, repeat, runs_at
from .emit import SUMS, widest
from .host import CACHE
from .launch import barrier, parallel
from .layout import channels_first, contiguous
from .objects import LIKES, is_run, run_at
from .pointwise import shared
from .pool import pool

_BLOCK = 32  # periods summed in the array's own precision
_FAR = 256  # how many variances the square of an origin's distance may be before digits are lost


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
            line = piece_of(x, image, group, begin, min(period, high - begin))
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
    first, last, low, high, _ = part_of(x, channels, thread, threads)
    room = np.zeros((3, period_of(x, width)), x.dtype)
    for group in range(first, last):
        repeat(origin, group, width, room[0])
        _moment_sums(x, group, low, high, room[0], room[1], room[2], sums[thread])


@callee
def _moments_around(x, origin, mean, variance, threads):  # type: ignore[no-untyped-def]
    """Mean and variance, from sums around ``origin``; and whether it lies too far away for them."""
    channels = origin.size
    sums = np.zeros((threads, 2, channels), np.float64)
    parallel(_moments_task, (x, origin, sums), threads)
    rows, far = x.size // channels, False
    for j in range(channels):
        one, two = _added(sums, 0, j) / rows, _added(sums, 1, j) / rows
        spread = two - one * one
        mean[j], variance[j] = origin[j] + one, spread
        far |= two > _FAR * spread
    return far


@njit(cache=CACHE)
def _moments(x, first, mean, variance, means, variances, momentum, like, threads):  # type: ignore
    """Mean and variance of every channel, towards which ``means`` and ``variances`` (if given) are
    moved; false, and nothing done, where the arrays do not lie as they should."""
    if not lies(x, first, like):
        return False
    runs, mean, variance = runs_at(x, first, like), run_at(mean, like), run_at(variance, like)
    threads = shared(x, threads)
    origin = np.empty_like(mean)
    for j in range(mean.size):
        origin[j] = runs[0, j, 0] if first else runs[0, 0, j]
    if _moments_around(runs, origin, mean, variance, threads):
        origin[:] = mean
        _moments_around(runs, origin, mean, variance, threads)
    if means:
        running_mean, running_variance = run_at(means, like), run_at(variances, like)
        rows = runs.size // mean.size
        for j in range(mean.size):
            running_mean[j] += (mean[j] - running_mean[j]) * momentum
            unbiased = variance[j] * (rows / (rows - 1))
            running_variance[j] += (unbiased - running_variance[j]) * momentum
    return True


@callee
def _map_task(x, factor, shift, y, thread, threads):  # type: ignore[no-untyped-def]
    """y = x · factor + shift."""
    widest()
    channels = factor.size
    width = channels // x.shape[1]
    first, last, low, high, _ = part_of(x, channels, thread, threads)
    room = np.empty((2, period_of(x, width)), x.dtype)
    scaled, shifted = room[0], room[1]
    for group in range(last - 1, first - 1, -1):  # what was read last is still in the cache
        repeat(factor, group, width, scaled)
        repeat(shift, group, width, shifted)
        for image in range(x.shape[0]):
            for begin in range(low, high, scaled.size):
                count = min(scaled.size, high - begin)
                line = piece_of(x, image, group, begin, count)
                result = piece_of(y, image, group, begin, count)
                for j in range(line.size):
                    result[j] = line[j] * scaled[j] + shifted[j]


@njit(cache=CACHE, error_model="numpy")
def _map(x, first, mean, variance, weight, bias, eps, y, scale, threads):  # type: ignore
    """Fill y and scale, which is 1/√(variance + eps)."""
    fits = (lies(x, first, eps) and is_run(mean, eps) and is_run(variance, eps)
            and (weight == 0 or is_run(weight, eps)) and (bias == 0 or is_run(bias, eps)))
    if fits:
        means, variances, scales = run_at(mean, eps), run_at(variance, eps), run_at(scale, eps)
        factor, shift = np.empty((2, means.size), means.dtype)
        for j in range(means.size):
            scales[j] = 1 / np.sqrt(variances[j] + eps)
            factor[j], shift[j] = scales[j], 0
        if weight:
            weights = run_at(weight, eps)
            for j in range(means.size):
                factor[j] *= weights[j]
        if bias:
            shift[:] = run_at(bias, eps)
        for j in range(means.size):
            shift[j] -= means[j] * factor[j]
        parallel(_map_task, (runs_at(x, first, eps), factor, shift, runs_at(y, first, eps)),
                 shared(x, threads))
    return fits


@callee
def _pulled_sums(g, x, group, low, high, mean, one, two, sums):  # type: ignore[no-untyped-def]
    """Add Σ g and Σ g (x − mean) of a group's channels to ``sums``."""
    widest()
    width, period = sums.shape[1] // x.shape[1], mean.size
    held = 0
    for image in range(x.shape[0]):
        for begin in range(low, high, period):
            count = min(period, high - begin)
            upstream = piece_of(g, image, group, begin, count)
            line = piece_of(x, image, group, begin, count)
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
            upstream = piece_of(g, image, group, begin, count)
            line = piece_of(x, image, group, begin, count)
            target = piece_of(dx, image, group, begin, count)
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
    first, last, low, high, together = part_of(x, channels, thread, threads)
    room = np.zeros((5, period_of(x, width)), x.dtype)
    middle, scaled, shifted = room[0], room[1], room[2]
    slopes = np.zeros((2, channels), x.dtype)
    along, shift = slopes[0], slopes[1]
    for group in range(first, last):
        repeat(mean, group, width, middle)
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
        repeat(factor, group, width, scaled)
        repeat(along, group, width, middle)
        repeat(shift, group, width, shifted)
        _send(g, x, group, low, high, scaled, middle, shifted, fixed, dx)


@njit(cache=CACHE)
def _backward(  # type: ignore[no-untyped-def]
    g, x, first, mean, scale, weight, fixed, dx, to_weight, to_bias, like, threads,
):
    """Fill dx, if it is wanted, and what the weight and the bias of every channel are sent."""
    fits = (lies(g, first, like) and lies(x, first, like) and is_run(mean, like)
            and is_run(scale, like) and (weight == 0 or is_run(weight, like)))
    if fits:
        threads, scales = shared(x, threads), run_at(scale, like)
        factor = scales.copy()
        if weight:
            weights = run_at(weight, like)
            for j in range(factor.size):
                factor[j] *= weights[j]
        sums = np.zeros((threads, 2, scales.size), np.float64)
        parallel(_backward_task,
                 (runs_at(g, first, like), runs_at(x, first, like), run_at(mean, like), scales,
                  factor, fixed, dx != 0, sums, runs_at(dx if dx else x, first, like)), threads)
        weights_sent, biases_sent = run_at(to_weight, like), run_at(to_bias, like)
        for j in range(scales.size):
            weights_sent[j] = _added(sums, 1, j) * scales[j]
            biases_sent[j] = _added(sums, 0, j)
    return fits


def _empty(x: np.ndarray, first: bool) -> np.ndarray:
    """A new array of x's shape, without holes, with channels first or last."""
    return arena.empty(x.shape, x.dtype) if first else arena.channels_last(x.shape, x.dtype)


def _dense(x: np.ndarray, first: bool) -> np.ndarray:
    """x if it lies so, and a copy that does otherwise."""
    model = _empty(x, first)
    if x.strides == model.strides and x.flags.aligned:
        return x
    model[...] = x
    return model


def _as(vector: np.ndarray | None, dtype: np.dtype) -> np.ndarray | None:
    """A vector of that type, which a kernel reads in place."""
    return None if vector is None else contiguous(vector.astype(dtype, copy=False))


def _id(vector: np.ndarray | None) -> int:
    return 0 if vector is None else id(vector)


def channel_moments(
    x: np.ndarray, running: tuple[np.ndarray, np.ndarray] | None = None, momentum: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance (divided by n) of every channel of (batch, channels, …).

    ``running`` ones, of x's type and contiguous, are moved towards them, the variance divided by
    n − 1, by ``momentum``.
    """
    first, dtype, channels = channels_first(x), x.dtype, x.shape[1]
    mean, variance = np.empty(channels, dtype), np.empty(channels, dtype)
    means, variances = (0, 0) if running is None else map(id, running)
    how = (first, id(mean), id(variance), means, variances, momentum, LIKES[dtype], pool.threads)
    if not _moments(id(x), *how):
        x = _dense(x, first)
        _moments(id(x), *how)
    return mean, variance


def channel_norm(
    x: np.ndarray, mean: np.ndarray, variance: np.ndarray,
    weight: np.ndarray | None, bias: np.ndarray | None, eps: float,
) -> tuple[np.ndarray, np.ndarray]:
    """``(x − mean) · scale · weight + bias`` with ``scale = 1/√(variance + eps)``, vectors of
    channels; and the scale."""
    first, dtype = channels_first(x), x.dtype
    y, scale = _empty(x, first), np.empty(x.shape[1], dtype)
    how = (dtype.type(eps), id(y), id(scale), pool.threads)
    if not _map(id(x), first, id(mean), id(variance), _id(weight), _id(bias), *how):
        x, mean, variance = _dense(x, first), _as(mean, dtype), _as(variance, dtype)
        weight, bias = _as(weight, dtype), _as(bias, dtype)
        _map(id(x), first, id(mean), id(variance), _id(weight), _id(bias), *how)
    return y, scale


def channel_norm_backward(
    g: np.ndarray, x: np.ndarray, mean: np.ndarray, scale: np.ndarray,
    weight: np.ndarray | None, fixed: bool, needs: tuple[bool, bool, bool],
) -> list[Any]:
    """Downstreams of x, weight and bias; ``fixed`` where mean and scale do not depend on x."""
    first, dtype = channels_first(x), x.dtype
    dx = _empty(x, first) if needs[0] else None
    to_weight, to_bias = np.empty(x.shape[1], dtype), np.empty(x.shape[1], dtype)
    how = (fixed, _id(dx), id(to_weight), id(to_bias), LIKES[dtype], pool.threads)
    if not _backward(id(g), id(x), first, id(mean), id(scale), _id(weight), *how):
        g, x = _dense(g, first), _dense(x, first)
        mean, scale, weight = _as(mean, dtype), _as(scale, dtype), _as(weight, dtype)
        _backward(id(g), id(x), first, id(mean), id(scale), _id(weight), *how)
    return [dx, to_weight if needs[1] else None, to_bias if needs[2] else None]
