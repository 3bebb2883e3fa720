"""Kernels that treat an array as rows: softmax, its cross entropy, layer normalisation.

Sums within a row may be reassociated (that is what makes them vectors), but NaN and infinity keep
their meaning; every row is one thread's work, so results do not depend on the number of threads.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from . import arena
from .emit import SUMS, widest
from .functions import decay, exp, maximum
from .host import CACHE
from .launch import barrier, parallel, share
from .layout import contiguous
from .pointwise import threads_for

INT64 = np.dtype(np.int64)


@njit(cache=CACHE, fastmath=SUMS)
def total(row):  # type: ignore[no-untyped-def]
    """Σ row."""
    result = row.dtype.type(0)
    for j in range(row.size):
        result += row[j]
    return result


@njit(cache=CACHE, fastmath=SUMS)
def inner(a, b):  # type: ignore[no-untyped-def]
    """Σ a · b."""
    result = a.dtype.type(0)
    for j in range(a.size):
        result += a[j] * b[j]
    return result


@njit(cache=CACHE, fastmath=SUMS)
def _spread(row, mean):  # type: ignore[no-untyped-def]
    result = row.dtype.type(0)
    for j in range(row.size):
        result += (row[j] - mean) * (row[j] - mean)
    return result


@njit(cache=CACHE, fastmath=SUMS)
def largest(row):  # type: ignore[no-untyped-def]
    """The maximum, NaN if there is one."""
    result = row[0]
    for j in range(row.size):
        result = maximum(result, row[j])
    return result


@njit(cache=CACHE, error_model="numpy")
def softmax_row(x, y):  # type: ignore[no-untyped-def]
    """y = exp(x − max x) / Σ; returns log Σ exp(x)."""
    top = largest(x)  # where it is infinite, x − top is NaN there, and so is the whole row
    for j in range(x.size):
        y[j] = decay(x[j] - top)
    whole = total(y)
    scale = x.dtype.type(1) / whole
    for j in range(x.size):
        y[j] *= scale
    return x.dtype.type(math.log(whole)) + top


@njit(cache=CACHE, error_model="numpy")
def _softmax_task(x, y, log, thread, threads):  # type: ignore[no-untyped-def]
    widest()
    low, high = share(x.shape[0], thread, threads)
    for r in range(low, high):
        level = softmax_row(x[r], y[r])
        if log:
            source, target = x[r], y[r]
            for j in range(source.size):
                target[j] = source[j] - level


@njit(cache=CACHE)
def _softmax(x, y, log, threads):  # type: ignore[no-untyped-def]
    parallel(_softmax_task, (x, y, log), threads)


@njit(cache=CACHE, error_model="numpy")
def _softmax_backward_task(upstream, y, dx, log, thread, threads):  # type: ignore[no-untyped-def]
    widest()
    low, high = share(y.shape[0], thread, threads)
    for r in range(low, high):
        g, p, d = upstream[r], y[r], dx[r]
        if log:
            whole = total(g)
            for j in range(p.size):
                d[j] = g[j] - exp(p[j]) * whole
        else:
            whole = inner(g, p)
            for j in range(p.size):
                d[j] = p[j] * (g[j] - whole)


@njit(cache=CACHE)
def _softmax_backward(upstream, y, dx, log, threads):  # type: ignore[no-untyped-def]
    parallel(_softmax_backward_task, (upstream, y, dx, log), threads)


@njit(cache=CACHE, error_model="numpy")
def _entropy_task(x, target, ignore, losses, p, thread, threads):  # type: ignore[no-untyped-def]
    widest()
    low, high = share(x.shape[0], thread, threads)
    for r in range(low, high):
        level = softmax_row(x[r], p[r])
        losses[r] = x.dtype.type(0) if target[r] == ignore else level - x[r, target[r]]


@njit(cache=CACHE)
def _entropy(x, target, ignore, losses, p, threads):  # type: ignore[no-untyped-def]
    """How many rows count, and the sum of the losses; −1 where a target names no class."""
    classes, counted = x.shape[1], 0
    for label in target:
        if label != ignore:
            if label < 0 or label >= classes:
                return -1, x.dtype.type(0)
            counted += 1
    parallel(_entropy_task, (x, target, ignore, losses, p), threads)
    return counted, total(losses)


@njit(cache=CACHE, error_model="numpy")
def _entropy_backward_task(  # type: ignore[no-untyped-def]
    upstream, divisor, p, target, ignore, dx, thread, threads,
):
    low, high = share(p.shape[0], thread, threads)
    for r in range(low, high):
        source, d = p[r], dx[r]
        factor = upstream[r if upstream.size > 1 else 0] / p.dtype.type(divisor)
        if target[r] == ignore:
            for j in range(d.size):
                d[j] = factor * 0
        else:
            for j in range(d.size):
                d[j] = source[j] * factor
            d[target[r]] -= factor


@njit(cache=CACHE)
def _entropy_backward(upstream, divisor, p, target, ignore, dx, threads):  # type: ignore
    parallel(_entropy_backward_task, (upstream, divisor, p, target, ignore, dx), threads)


@njit(cache=CACHE, error_model="numpy")
def _norm_task(x, weight, bias, eps, y, mean, rstd, thread, threads):  # type: ignore
    low, high = share(x.shape[0], thread, threads)
    width = x.dtype.type(x.shape[1])
    for r in range(low, high):
        row, out = x[r], y[r]
        middle = total(row) / width
        scale = x.dtype.type(1) / np.sqrt(_spread(row, middle) / width + eps)
        for j in range(row.size):
            out[j] = (row[j] - middle) * scale * weight[j] + bias[j]
        mean[r], rstd[r] = middle, scale


@njit(cache=CACHE)
def _norm(x, weight, bias, eps, y, mean, rstd, threads):  # type: ignore[no-untyped-def]
    parallel(_norm_task, (x, weight, bias, eps, y, mean, rstd), threads)


@njit(cache=CACHE, fastmath=SUMS)
def _norm_sums(g, row, weight, middle, scale):  # type: ignore[no-untyped-def]
    one, two = row.dtype.type(0), row.dtype.type(0)
    for j in range(row.size):
        weighted = g[j] * weight[j]
        one += weighted
        two += weighted * ((row[j] - middle) * scale)
    return one, two


@njit(cache=CACHE, error_model="numpy")
def _norm_backward_task(  # type: ignore[no-untyped-def]
    upstream, x, weight, mean, rstd, dx, sums, thread, threads,
):
    widest()
    low, high = share(x.shape[0], thread, threads)
    width = x.dtype.type(x.shape[1])
    # Memory of this thread alone: lines that two of them write go from core to core at every row.
    dweight, dbias = np.zeros(x.shape[1], x.dtype), np.zeros(x.shape[1], x.dtype)
    for r in range(low, high):
        g, row, d, middle, scale = upstream[r], x[r], dx[r], mean[r], rstd[r]
        one, two = _norm_sums(g, row, weight, middle, scale)
        one, two = one / width, two / width
        # Three loops, each a vector's: one of all three would first have to tell six arrays apart.
        for j in range(row.size):
            d[j] = scale * (g[j] * weight[j] - one - (row[j] - middle) * scale * two)
        for j in range(row.size):
            dweight[j] += g[j] * ((row[j] - middle) * scale)
        for j in range(row.size):
            dbias[j] += g[j]
    sums[thread, 0], sums[thread, 1] = dweight, dbias
    barrier(threads)
    low, high = share(x.shape[1], thread, threads)
    for other in range(1, threads):
        for j in range(low, high):
            sums[0, 0, j] += sums[other, 0, j]
            sums[0, 1, j] += sums[other, 1, j]


@njit(cache=CACHE)
def _norm_backward(upstream, x, weight, mean, rstd, dx, sums, threads):  # type: ignore
    parallel(_norm_backward_task, (upstream, x, weight, mean, rstd, dx, sums), threads)


def softmax(x: np.ndarray, log: bool = False) -> np.ndarray:
    """``exp(x) / Σ exp(x)`` along the last axis, or its logarithm."""
    y = arena.empty(x.shape, x.dtype)
    if x.size:
        width = x.shape[-1]
        _softmax(contiguous(x).reshape(-1, width), y.reshape(-1, width), log, threads_for(x.size))
    return y


def softmax_backward(upstream: np.ndarray, y: np.ndarray, log: bool = False) -> np.ndarray:
    """``y (g − Σ g y)`` from softmax's output, or ``g − exp(y) Σ g`` from its logarithm."""
    dx = arena.empty(y.shape, y.dtype)
    if y.size:
        width = y.shape[-1]
        _softmax_backward(contiguous(upstream).reshape(-1, width), contiguous(y).reshape(-1, width),
                          dx.reshape(-1, width), log, threads_for(y.size))
    return dx


def cross_entropy(
    x: np.ndarray, target: np.ndarray, ignore_index: int = -100
) -> tuple[np.ndarray, np.floating, np.ndarray, int]:
    """Per row ``log Σ exp(x) − x[target]`` (0 where the target is ignored); their sum, softmax(x),
    and how many rows are not ignored.

    x is (rows, classes) and not empty; IndexError where a target that counts names no class.
    """
    losses = np.empty(x.shape[0], x.dtype)
    probabilities = arena.empty(x.shape, x.dtype)
    counted, total_loss = _entropy(contiguous(x), _whole(target), ignore_index, losses,
                                   probabilities, threads_for(x.size))
    if counted < 0:
        raise IndexError("a target names no class")
    return losses, x.dtype.type(total_loss), probabilities, counted


def cross_entropy_backward(
    upstream: np.ndarray, divisor: float, probabilities: np.ndarray, target: np.ndarray,
    ignore_index: int = -100,
) -> np.ndarray:
    """``upstream / divisor · (softmax(x) − onehot(target))``; ``upstream`` is one number or one
    per row."""
    dx = arena.empty(probabilities.shape, probabilities.dtype)
    factors = np.array(upstream, dx.dtype).reshape(-1)
    _entropy_backward(factors, divisor, probabilities, _whole(target), ignore_index, dx,
                      threads_for(dx.size))
    return dx


def _whole(target: np.ndarray) -> np.ndarray:
    """Targets as the kernels take them."""
    return contiguous(target if target.dtype is INT64 else target.astype(INT64))


def layer_norm(
    x: np.ndarray, weight: np.ndarray | None, bias: np.ndarray | None, eps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``(x − mean) · rstd · weight + bias`` over the last axis; also mean and rstd, one per row."""
    width = x.shape[-1]
    rows = x.size // max(width, 1)
    y = arena.empty(x.shape, x.dtype)
    mean, rstd = np.empty(rows, x.dtype), np.empty(rows, x.dtype)
    if x.size:
        _norm(contiguous(x).reshape(-1, width), _given(weight, width, 1, x.dtype),
              _given(bias, width, 0, x.dtype), x.dtype.type(eps), y.reshape(-1, width), mean, rstd,
              threads_for(x.size))
    return y, mean, rstd


def layer_norm_backward(
    upstream: np.ndarray, x: np.ndarray, weight: np.ndarray | None,
    mean: np.ndarray, rstd: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``dx, dweight, dbias`` of layer_norm."""
    width = x.shape[-1]
    dx = arena.empty(x.shape, x.dtype)
    threads = threads_for(x.size)
    sums = np.zeros((threads, 2, width), x.dtype)
    if x.size:
        _norm_backward(contiguous(upstream).reshape(-1, width), contiguous(x).reshape(-1, width),
                       _given(weight, width, 1, x.dtype), mean, rstd, dx.reshape(-1, width), sums,
                       threads)
    return dx, sums[0, 0], sums[0, 1]


def _given(vector: np.ndarray | None, width: int, default: float, dtype: np.dtype) -> np.ndarray:
    return np.full(width, default, dtype) if vector is None else contiguous(vector)
