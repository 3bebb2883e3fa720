"""The linear layer: ``y = activation(x @ weight.T + bias)`` and its three gradients in one call."""

from __future__ import annotations

from math import prod

import numpy as np
from numba import njit

from . import arena
from .emit import address
from .host import CACHE
from .launch import parallel, share
from .layout import contiguous
from .matrices import SMALL
from .microkernel import RELU
from .pool import pool
from .product import add_columns, prepare, product, product_and_sums, scratch_bytes
from .workspace import workspace


@njit(cache=CACHE)
def _forward_task(x, weight, bias, has_bias, y, flags, work, thread, threads):  # type: ignore
    m, k = x.shape
    n = weight.shape[0]
    product(address(x), k, 1, address(weight), 1, k, address(y), n, m, k, n,
            address(bias) if has_bias else 0, flags, work, y.dtype.type(0), thread, threads)


@njit(cache=CACHE)
def _forward(x, weight, bias, has_bias, y, flags, work, threads):  # type: ignore[no-untyped-def]
    parallel(_forward_task, (x, weight, bias, has_bias, y, flags, work), threads)


@njit(cache=CACHE)
def _backward_task(  # type: ignore[no-untyped-def]
    upstream, x, weight, dx, dweight, dbias, wants, work, thread, threads,
):
    m, n = upstream.shape
    k = x.shape[1]
    zero = upstream.dtype.type(0)
    if wants & 1:
        product(address(upstream), n, 1, address(weight), k, 1, address(dx), k, m, n, k,
                0, 0, work, zero, thread, threads)
    if wants & 2:
        product_and_sums(address(upstream), 1, n, address(x), k, 1, address(dweight), k, n, m, k,
                         0, 0, address(dbias) if wants & 4 else 0, work, zero, thread, threads)
    elif wants & 4:
        low, high = share(n, thread, threads)
        add_columns(address(dbias[low:high]), address(upstream[:, low:high]), n, high - low, m,
                    zero)


@njit(cache=CACHE)
def _backward(  # type: ignore[no-untyped-def]
    upstream, x, weight, dx, dweight, dbias, wants, work, threads,
):
    parallel(_backward_task, (upstream, x, weight, dx, dweight, dbias, wants, work), threads)


def linear(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None, relu: bool = False
) -> np.ndarray:
    """``y[..., o] = bias[o] + sum over i of x[..., i] weight[o, i]``, then relu if asked."""
    prepare(x.dtype)
    n, k = weight.shape
    shape = (*x.shape[:-1], n)
    y = arena.empty(shape, x.dtype)
    if y.size:
        x, weight = contiguous(x), contiguous(weight)
        held = weight.reshape(-1) if bias is None else contiguous(bias)
        threads = pool.threads if y.size * k >= SMALL else 1
        m = prod(shape[:-1])
        _forward(x.reshape(m, k), weight, held, bias is not None, y.reshape(m, n),
                 RELU if relu else 0, workspace(scratch_bytes(k, n, x.itemsize, threads)), threads)
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
    prepare(x.dtype)
    n, k = weight.shape
    shape, dtype = x.shape, x.dtype
    m = prod(shape[:-1])
    upstream = contiguous(upstream).reshape(m, n)
    x, weight = contiguous(x).reshape(m, k), contiguous(weight)
    none = upstream[:0]
    dx = arena.empty((m, k), dtype) if wants[0] else none
    dweight = arena.empty((n, k), dtype) if wants[1] else none
    dbias = np.zeros(n, dtype) if wants[2] else upstream.reshape(-1)[:0]
    threads = pool.threads if m * n * k >= SMALL else 1
    scratch = max(scratch_bytes(rows, k, x.itemsize, threads) for rows in (n, m))
    _backward(upstream, x, weight, dx, dweight, dbias,
              wants[0] + 2 * wants[1] + 4 * wants[2], workspace(scratch), threads)
    return (dx.reshape(shape) if wants[0] else None,
            dweight if wants[1] else None, dbias if wants[2] else None)
