"""The linear layer: ``y = activation(x @ weight.T + bias)`` and its three gradients in one call."""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import NamedTuple

import numpy as np
from numba import njit

from . import arena
from .emit import address, array_at
from .host import CACHE
from .launch import barrier, parallel, share
from .layout import contiguous
from .matrices import SMALL
from .microkernel import RELU
from .pack import size_of
from .pool import pool
from .product import prepare, product, product_and_sums, scratch_bytes
from .rectangle import add_columns
from .workspace import workspace


@njit(cache=CACHE)
def _forward_task(  # type: ignore[no-untyped-def]
    x, weight, bias, has_bias, y, flags, work, scratch, thread, threads,
):
    m, k = x.shape
    n = weight.shape[0]
    product(address(x), k, 1, address(weight), 1, k, address(y), n, m, k, n,
            address(bias) if has_bias else 0, flags, work + thread * scratch, y.dtype.type(0),
            thread, threads)


@njit(cache=CACHE)
def _forward(  # type: ignore[no-untyped-def]
    x, weight, bias, has_bias, y, flags, work, scratch, threads,
):
    parallel(_forward_task, (x, weight, bias, has_bias, y, flags, work, scratch), threads)


@njit(cache=CACHE)
def _weight_by_rows(  # type: ignore[no-untyped-def]
    upstream, x, dweight, dbias, partial, work, thread, threads,
):
    """Each thread takes the rows it made on the way up, which lie in its own cache; then the
    threads' sums are added, in order."""
    m, n = upstream.shape
    k = x.shape[1]
    zero = upstream.dtype.type(0)
    size = size_of(zero)
    whole = n * k + n
    own = array_at(partial + thread * whole * size, whole, zero)
    own[n * k:] = zero
    low, high = share(m, thread, threads)
    product_and_sums(address(upstream[low:]), 1, n, address(x[low:]), k, 1, address(own), k, n,
                     high - low, k, 0, 0, address(own[n * k:]), work, zero, 0, 1)
    barrier(threads)
    for target, start in ((dweight.reshape(-1), 0), (dbias, n * k)):
        low, high = share(target.size, thread, threads)
        part = target[low:high]
        place = partial + (start + low) * size
        one = array_at(place, part.size, zero)
        for other in range(1, threads):
            two = array_at(place + other * whole * size, part.size, zero)
            for i in range(part.size):
                part[i] = one[i] + two[i]
            one = part


@njit(cache=CACHE)
def _backward_task(  # type: ignore[no-untyped-def]
    upstream, x, weight, dx, dweight, dbias, wants, by_rows, work, scratch, thread, threads,
):
    m, n = upstream.shape
    k = x.shape[1]
    zero = upstream.dtype.type(0)
    own = work + thread * scratch
    if wants & 1:
        product(address(upstream), n, 1, address(weight), k, 1, address(dx), k, m, n, k,
                0, 0, own, zero, thread, threads)
    if wants & 2:
        if by_rows:
            _weight_by_rows(upstream, x, dweight, dbias, work + threads * scratch, own, thread,
                            threads)
        else:
            product_and_sums(address(upstream), 1, n, address(x), k, 1, address(dweight), k, n, m,
                             k, 0, 0, address(dbias) if wants & 4 else 0, own, zero, thread,
                             threads)
    elif wants & 4:
        low, high = share(n, thread, threads)
        add_columns(address(dbias[low:high]), address(upstream[:, low:high]), n, high - low, m,
                    zero)


@njit(cache=CACHE)
def _backward(  # type: ignore[no-untyped-def]
    upstream, x, weight, dx, dweight, dbias, wants, by_rows, work, scratch, threads,
):
    parallel(_backward_task, (upstream, x, weight, dx, dweight, dbias, wants, by_rows, work,
                              scratch), threads)


class Plan(NamedTuple):
    """How a product of one shape is made; a training step asks the same again."""

    threads: int
    scratch: int  #: bytes of each thread
    whole: int  #: bytes of all of them
    by_rows: bool  #: whether each thread sums the weight's gradient over rows of its own


@lru_cache(maxsize=1024)
def _plan(m: int, n: int, k: int, dtype: np.dtype, threads: int) -> Plan:
    """For (m, k) inputs and (m, n) outputs; compiles what they need, or loads it."""
    prepare(dtype)
    threads = threads if m * n * k >= SMALL else 1
    scratch = max(scratch_bytes(rows, columns, dtype.itemsize)
                  for rows, columns in ((k, n), (n, k), (m, k)))
    # The weight's product either shares out the weights, and every thread reads all rows of both
    # operands, or the rows, and the threads' results are added: whichever moves less.
    by_rows = threads > 1 and m * (n + k) > 2 * n * (k + 1)
    partial = (n * k + n) * dtype.itemsize if by_rows else 0
    return Plan(threads, scratch, (scratch + partial) * threads, by_rows)


def linear(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None, relu: bool = False
) -> np.ndarray:
    """``y[..., o] = bias[o] + sum over i of x[..., i] weight[o, i]``, then relu if asked."""
    n, k = weight.shape
    shape = (*x.shape[:-1], n)
    y = arena.empty(shape, x.dtype)
    if y.size:
        m = prod(shape[:-1])
        plan = _plan(m, n, k, x.dtype, pool.threads)
        x, weight = contiguous(x), contiguous(weight)
        held = weight.reshape(-1) if bias is None else contiguous(bias)
        _forward(x.reshape(m, k), weight, held, bias is not None, y.reshape(m, n),
                 RELU if relu else 0, workspace(plan.whole), plan.scratch, plan.threads)
    return y


def linear_backward(
    upstream: np.ndarray,
    x: np.ndarray,
    weight: np.ndarray,
    wants: tuple[bool, bool, bool] = (True, True, True),
) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None]:
    """``dx = upstream @ weight``, ``dweight = upstream.T @ x``, ``dbias = upstream`` summed.

    ``wants`` says which of the three are asked for; the others are None.
    """
    n, k = weight.shape
    shape, dtype = x.shape, x.dtype
    m = prod(shape[:-1])
    plan = _plan(m, n, k, dtype, pool.threads)
    upstream = contiguous(upstream).reshape(m, n)
    x, weight = contiguous(x).reshape(m, k), contiguous(weight)
    none = upstream[:0]
    dx = arena.empty((m, k), dtype) if wants[0] else none
    dweight = arena.empty((n, k), dtype) if wants[1] else none
    dbias = np.zeros(n, dtype) if wants[2] else upstream.reshape(-1)[:0]
    _backward(upstream, x, weight, dx, dweight, dbias,
              wants[0] + 2 * wants[1] + 4 * wants[2], plan.by_rows, workspace(plan.whole),
              plan.scratch, plan.threads)
    return (dx.reshape(shape) if wants[0] else None,
            dweight if wants[1] else None, dbias if wants[2] else None)
