"""The linear layer: ``y = activation(x @ weight.T + bias)`` and its three gradients in one call."""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from . import arena, dots
from .callee import callee
from .emit import address, array_at
from .host import CACHE
from .launch import barrier, parallel, share
from .layout import contiguous
from .matrices import SMALL
from .microkernel import RELU
from .objects import LIKES, data_of, is_run, length_of, rows_of, run_at
from .pack import size_of
from .pool import pool
from .product import prepare, product, product_and_sums, scratch_bytes
from .rectangle import add_columns
from .workspace import workspace


@callee
def _forward_task(  # type: ignore[no-untyped-def]
    x, weight, bias, y, m, k, n, flags, like, work, scratch, thread, threads,
):
    product(x, k, 1, weight, 1, k, y, n, m, k, n, bias, flags, work + thread * scratch, like,
            thread, threads)


@njit(cache=CACHE)
def _forward(  # type: ignore[no-untyped-def]
    x, weight, bias, y, flags, like, work, scratch, threads,
):
    fits = is_run(x, like) and is_run(weight, like) and (bias == 0 or is_run(bias, like))
    if fits:
        n, k = length_of(weight, 0), length_of(weight, 1)
        parallel(_forward_task,
                 (data_of(x), data_of(weight), data_of(bias) if bias else 0, data_of(y),
                  rows_of(x), k, n, flags, like, work, scratch), threads)
    return fits


@callee
def _weight_by_rows(  # type: ignore[no-untyped-def]
    upstream, x, dweight, dbias, m, k, n, partial, work, like, thread, threads,
):
    """Each thread takes the rows it made on the way up, which lie in its own cache; then the
    threads' sums are added, in order."""
    whole = n * k + n
    size = size_of(like)
    own = array_at(partial + thread * whole * size, whole, like)
    own[n * k:] = like
    low, high = share(m, thread, threads)
    product_and_sums(upstream + low * n * size, 1, n, x + low * k * size, k, 1, address(own), k, n,
                     high - low, k, 0, 0, address(own[n * k:]), work, like, 0, 1)
    barrier(threads)
    for target, start, length in ((dweight, 0, n * k), (dbias, n * k, n)):
        if target == 0:
            continue
        low, high = share(length, thread, threads)
        part = array_at(target, high, like)[low:]
        place = partial + (start + low) * size
        one = array_at(place, part.size, like)
        for other in range(1, threads):
            two = array_at(place + other * whole * size, part.size, like)
            for i in range(part.size):
                part[i] = one[i] + two[i]
            one = part


@callee
def _backward_task(  # type: ignore[no-untyped-def]
    upstream, x, weight, dx, dweight, dbias, m, k, n, by_rows, like, work, scratch, thread, threads,
):
    own = work + thread * scratch
    if dx:
        product(upstream, n, 1, weight, k, 1, dx, k, m, n, k, 0, 0, own, like, thread, threads)
    if dweight:
        if by_rows:
            _weight_by_rows(upstream, x, dweight, dbias, m, k, n, work + threads * scratch, own,
                            like, thread, threads)
        else:
            product_and_sums(upstream, 1, n, x, k, 1, dweight, k, n, m, k, 0, 0, dbias, own, like,
                             thread, threads)
    elif dbias:
        low, high = share(n, thread, threads)
        size = size_of(like)
        add_columns(dbias + low * size, upstream + low * size, n, high - low, m, like)


@njit(cache=CACHE)
def _backward(  # type: ignore[no-untyped-def]
    upstream, x, weight, dx, dweight, dbias, by_rows, like, work, scratch, threads,
):
    fits = is_run(upstream, like) and is_run(x, like) and is_run(weight, like)
    if fits:
        n, k = length_of(weight, 0), length_of(weight, 1)
        if dbias:
            run_at(dbias, like)[:] = like
        parallel(_backward_task,
                 (data_of(upstream), data_of(x), data_of(weight), data_of(dx) if dx else 0,
                  data_of(dweight) if dweight else 0, data_of(dbias) if dbias else 0,
                  rows_of(x), k, n, by_rows, like, work, scratch), threads)
    return fits


class Plan(NamedTuple):
    """How a layer of one shape is computed; a training step asks the same again."""

    shape: tuple[int, ...]  #: of its output
    like: Any  #: a zero of its type
    threads: int
    scratch: int  #: bytes of each thread
    whole: int  #: bytes of all of them
    by_rows: bool  #: whether each thread sums the weight's gradient over rows of its own
    by_dots: bool  #: whether each output is a dot product of its own


@lru_cache(maxsize=1024)
def _plan(
    inputs: tuple[int, ...], weights: tuple[int, int], dtype: np.dtype, threads: int
) -> Plan:
    """For inputs and weights of those shapes; compiles what they need, or loads it."""
    prepare(dtype)
    m, (n, k) = prod(inputs[:-1]), weights
    threads = threads if m * n * k >= SMALL else 1
    scratch = max(scratch_bytes(rows, columns, dtype.itemsize)
                  for rows, columns in ((k, n), (n, k), (m, k)))
    # The weight's product either shares out the weights, and every thread reads all rows of both
    # operands, or the rows, and the threads' results are added: whichever moves less.
    by_rows = threads > 1 and m * (n + k) > 2 * n * (k + 1)
    partial = (n * k + n) * dtype.itemsize if by_rows else 0
    return Plan((*inputs[:-1], n), LIKES[dtype], threads, scratch, (scratch + partial) * threads,
                by_rows, dots.pays(m, k))


def linear(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None, relu: bool = False
) -> np.ndarray:
    """``y[..., o] = bias[o] + sum over i of x[..., i] weight[o, i]``, then relu if asked."""
    plan = _plan(x.shape, weight.shape, x.dtype, pool.threads)
    y = arena.empty(plan.shape, x.dtype)
    if y.size:
        flags = RELU if relu else 0
        if plan.by_dots:
            x, weight = contiguous(x).reshape(-1, x.shape[-1]), contiguous(weight)
            held = weight[0] if bias is None else contiguous(bias)
            dots.dots(x, weight, held, bias is not None, flags, y.reshape(len(x), -1),
                      plan.threads)
            return y
        how = (flags, plan.like, workspace(plan.whole), plan.scratch, plan.threads)
        if not _forward(id(x), id(weight), 0 if bias is None else id(bias), id(y), *how):
            x, weight = contiguous(x), contiguous(weight)
            bias = None if bias is None else contiguous(bias)
            _forward(id(x), id(weight), 0 if bias is None else id(bias), id(y), *how)
    return y


def linear_backward(
    upstream: np.ndarray,
    x: np.ndarray,
    weight: np.ndarray,
    wants: tuple[bool, bool, bool] = (True, True, True),
) -> list[np.ndarray | None]:
    """``dx = upstream @ weight``, ``dweight = upstream.T @ x``, ``dbias = upstream`` summed.

    ``wants`` says which of the three are asked for; the others are None.
    """
    dtype = x.dtype
    plan = _plan(x.shape, weight.shape, dtype, pool.threads)
    dx = arena.empty(x.shape, dtype) if wants[0] else None
    dweight = arena.empty(weight.shape, dtype) if wants[1] else None
    dbias = np.empty(weight.shape[0], dtype) if wants[2] else None
    where = (id(dx) if wants[0] else 0, id(dweight) if wants[1] else 0,
             id(dbias) if wants[2] else 0)
    how = (plan.by_rows, plan.like, workspace(plan.whole), plan.scratch, plan.threads)
    if not _backward(id(upstream), id(x), id(weight), *where, *how):
        upstream, x, weight = contiguous(upstream), contiguous(x), contiguous(weight)
        _backward(id(upstream), id(x), id(weight), *where, *how)
    return [dx, dweight, dbias]
