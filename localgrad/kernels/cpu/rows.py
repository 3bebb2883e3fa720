"""Kernels that treat an array as rows: softmax, its cross entropy, layer normalisation.

Sums within a row may be reassociated (that is what makes them vectors), but NaN and infinity keep
their meaning; every row is one thread's work, so results do not depend on the number of threads.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from . import arena
from .callee import callee
from .emit import SUMS, array_at, matrix_at, widest
from .functions import decay, exp, maximum
from .host import CACHE
from .launch import barrier, parallel, share
from .layout import contiguous
from .objects import (
    LIKES,
    data_of,
    is_run,
    is_run_of_labels,
    rows_of,
    run_at,
    size_of,
    table_at,
    width_of,
)
from .pointwise import shared, threads_for
from .pool import pool

INT64 = np.dtype(np.int64)


@callee(fastmath=SUMS)
def total(row):  # type: ignore[no-untyped-def]
    """Σ row."""
    result = row.dtype.type(0)
    for j in range(row.size):
        result += row[j]
    return result


@callee(fastmath=SUMS)
def inner(a, b):  # type: ignore[no-untyped-def]
    """Σ a · b."""
    result = a.dtype.type(0)
    for j in range(a.size):
        result += a[j] * b[j]
    return result


@callee(fastmath=SUMS)
def _spread(row, mean):  # type: ignore[no-untyped-def]
    result = row.dtype.type(0)
    for j in range(row.size):
        result += (row[j] - mean) * (row[j] - mean)
    return result


@callee(fastmath=SUMS)
def largest(row):  # type: ignore[no-untyped-def]
    """The maximum, NaN if there is one."""
    result = row[0]
    for j in range(row.size):
        result = maximum(result, row[j])
    return result


@callee(error_model="numpy")
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


@callee(error_model="numpy")
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
def _softmax(x, y, log, like, threads):  # type: ignore[no-untyped-def]
    fits = is_run(x, like)
    if fits:
        parallel(_softmax_task, (table_at(x, like), table_at(y, like), log), shared(x, threads))
    return fits


@callee(error_model="numpy")
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
def _softmax_backward(upstream, y, dx, log, like, threads):  # type: ignore[no-untyped-def]
    fits = is_run(upstream, like) and is_run(y, like)
    if fits:
        tables = table_at(upstream, like), table_at(y, like), table_at(dx, like)
        parallel(_softmax_backward_task, (*tables, log), shared(y, threads))
    return fits


@callee(error_model="numpy")
def _entropy_task(x, target, ignore, losses, p, thread, threads):  # type: ignore[no-untyped-def]
    widest()
    low, high = share(x.shape[0], thread, threads)
    for r in range(low, high):
        level = softmax_row(x[r], p[r])
        losses[r] = x.dtype.type(0) if target[r] == ignore else level - x[r, target[r]]


@njit(cache=CACHE)
def _entropy(x, target, ignore, losses, p, like, threads):  # type: ignore[no-untyped-def]
    """How many rows count, and the sum of the losses; −1 where a target names no class, −2 where
    the arrays do not fit."""
    if not (is_run(x, like) and is_run_of_labels(target)):
        return -2, like
    labels = array_at(data_of(target), size_of(target), 0)
    classes, counted = width_of(x), 0
    for label in labels:
        if label != ignore:
            if label < 0 or label >= classes:
                return -1, like
            counted += 1
    rows = run_at(losses, like)
    parallel(_entropy_task, (table_at(x, like), labels, ignore, rows, table_at(p, like)),
             shared(x, threads))
    return counted, total(rows)


@callee(error_model="numpy")
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
def _entropy_backward(upstream, divisor, p, target, ignore, dx, like, threads):  # type: ignore
    fits = is_run(upstream, like) and is_run(p, like) and is_run_of_labels(target)
    if fits:
        labels = array_at(data_of(target), size_of(target), 0)
        parallel(_entropy_backward_task,
                 (run_at(upstream, like), divisor, table_at(p, like), labels, ignore,
                  table_at(dx, like)), shared(p, threads))
    return fits


@callee(error_model="numpy")
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
    like = eps
    fits = is_run(x, like) and is_run(weight, like) and is_run(bias, like)
    if fits:
        parallel(_norm_task,
                 (table_at(x, like), run_at(weight, like), run_at(bias, like), eps,
                  table_at(y, like), run_at(mean, like), run_at(rstd, like)), shared(x, threads))
    return fits


@callee(fastmath=SUMS)
def _norm_sums(g, row, weight, middle, scale):  # type: ignore[no-untyped-def]
    one, two = row.dtype.type(0), row.dtype.type(0)
    for j in range(row.size):
        weighted = g[j] * weight[j]
        one += weighted
        two += weighted * ((row[j] - middle) * scale)
    return one, two


@callee(error_model="numpy")
def _norm_backward_task(  # type: ignore[no-untyped-def]
    upstream, x, weight, mean, rstd, arrived, dx, sums, thread, threads,
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
        # Loops of few arrays, each a vector's: one of all would have to tell six arrays apart.
        for j in range(row.size):
            d[j] = scale * (g[j] * weight[j] - one - (row[j] - middle) * scale * two)
        if arrived.size:
            sofar = arrived[r]
            for j in range(row.size):
                d[j] += sofar[j]
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
def _norm_backward(  # type: ignore[no-untyped-def]
    upstream, x, weight, mean, rstd, arrived, dx, sums, like, threads,
):
    fits = is_run(upstream, like) and is_run(x, like) and is_run(weight, like) and (
        arrived == 0 or is_run(arrived, like))
    if fits:
        rows = rows_of(x) if arrived else 0
        sofar = matrix_at(data_of(arrived if arrived else x), rows, width_of(x), like)
        parallel(_norm_backward_task,
                 (table_at(upstream, like), table_at(x, like), run_at(weight, like),
                  run_at(mean, like), run_at(rstd, like), sofar, table_at(dx, like), sums),
                 threads)
    return fits


def softmax(x: np.ndarray, log: bool = False) -> np.ndarray:
    """``exp(x) / Σ exp(x)`` along the last axis, or its logarithm."""
    y = arena.empty(x.shape, x.dtype)
    if x.size:
        how = (id(y), log, LIKES[x.dtype], pool.threads)
        if not _softmax(id(x), *how):
            x = contiguous(x)
            _softmax(id(x), *how)
    return y


def softmax_backward(upstream: np.ndarray, y: np.ndarray, log: bool = False) -> np.ndarray:
    """``y (g − Σ g y)`` from softmax's output, or ``g − exp(y) Σ g`` from its logarithm."""
    dx = arena.empty(y.shape, y.dtype)
    if y.size:
        how = (id(dx), log, LIKES[y.dtype], pool.threads)
        if not _softmax_backward(id(upstream), id(y), *how):
            upstream, y = contiguous(upstream), contiguous(y)
            _softmax_backward(id(upstream), id(y), *how)
    return dx


def cross_entropy(
    x: np.ndarray, target: np.ndarray, ignore_index: int = -100
) -> tuple[np.ndarray, float, np.ndarray, int]:
    """Per row ``log Σ exp(x) − x[target]`` (0 where the target is ignored); their sum, softmax(x),
    and how many rows are not ignored.

    x is (rows, classes) and not empty; IndexError where a target that counts names no class.
    """
    losses = np.empty(x.shape[0], x.dtype)
    probabilities = arena.empty(x.shape, x.dtype)
    how = (ignore_index, id(losses), id(probabilities), LIKES[x.dtype], pool.threads)
    counted, whole = _entropy(id(x), id(target), *how)
    if counted == -2:
        x, target = contiguous(x), contiguous(target.astype(INT64))
        counted, whole = _entropy(id(x), id(target), *how)
    if counted < 0:
        raise IndexError("a target names no class")
    return losses, whole, probabilities, counted


def cross_entropy_backward(
    upstream: np.ndarray, divisor: float, probabilities: np.ndarray, target: np.ndarray,
    ignore_index: int = -100,
) -> np.ndarray:
    """``upstream / divisor · (softmax(x) − onehot(target))``; ``upstream`` is one number or one
    per row."""
    p = probabilities
    dx = arena.empty(p.shape, p.dtype)
    upstream = np.asarray(upstream, p.dtype)
    how = (ignore_index, id(dx), LIKES[p.dtype], pool.threads)
    if not _entropy_backward(id(upstream), divisor, id(p), id(target), *how):
        upstream, p = contiguous(upstream), contiguous(p)
        target = contiguous(target.astype(INT64))
        _entropy_backward(id(upstream), divisor, id(p), id(target), *how)
    return dx


def layer_norm(
    x: np.ndarray, weight: np.ndarray | None, bias: np.ndarray | None, eps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``(x − mean) · rstd · weight + bias`` over the last axis; also mean and rstd, one per row."""
    dtype, width = x.dtype, x.shape[-1]
    rows = x.size // max(width, 1)
    y = arena.empty(x.shape, dtype)
    mean, rstd = np.empty(rows, dtype), np.empty(rows, dtype)
    if x.size:
        weight = np.ones(width, dtype) if weight is None else weight
        bias = np.zeros(width, dtype) if bias is None else bias
        how = (dtype.type(eps), id(y), id(mean), id(rstd), pool.threads)
        if not _norm(id(x), id(weight), id(bias), *how):
            x, weight, bias = contiguous(x), contiguous(weight), contiguous(bias)
            _norm(id(x), id(weight), id(bias), *how)
    return y, mean, rstd


def layer_norm_backward(
    upstream: np.ndarray, x: np.ndarray, weight: np.ndarray | None,
    mean: np.ndarray, rstd: np.ndarray, arrived: np.ndarray | None = None,
) -> list[np.ndarray]:
    """``dx, dweight, dbias`` of layer_norm; dx is added to what has ``arrived`` at x, if any."""
    dtype, width = x.dtype, x.shape[-1]
    dx = arena.empty(x.shape, dtype)
    threads = threads_for(x.size)
    sums = np.zeros((threads, 2, width), dtype)
    if x.size:
        weight = np.ones(width, dtype) if weight is None else weight
        how = (id(dx), sums, LIKES[dtype], threads)
        sofar = 0 if arrived is None else id(arrived)
        if not _norm_backward(id(upstream), id(x), id(weight), id(mean), id(rstd), sofar, *how):
            upstream, x, weight = contiguous(upstream), contiguous(x), contiguous(weight)
            arrived = None if arrived is None else contiguous(arrived)
            sofar = 0 if arrived is None else id(arrived)
            _norm_backward(id(upstream), id(x), id(weight), id(mean), id(rstd), sofar, *how)
    return [dx, sums[0, 0], sums[0, 1]]
