"""Activations and sums of large arrays, element by element, on all threads.

Arrays keep their memory order: what is channels-last stays channels-last.  Two operands of
different order are brought to the first one's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from . import arena
from .callee import callee
from .emit import widest
from .functions import decay, normal, sigmoid
from .host import CACHE
from .launch import parallel, share
from .objects import LIKES, in_step, run_at, size_of
from .pool import pool

SMALL = 1 << 15  # elements below which one thread is quicker

_DENSITY = 0.3989422804014327  # 1 / sqrt(2 pi)


def threads_for(count: int) -> int:
    """The number of threads worth starting for ``count`` elements."""
    return pool.threads if count >= SMALL else 1


@callee
def shared(place, threads):  # type: ignore[no-untyped-def]
    """How many of the threads are worth starting for that array object's elements."""
    return threads if size_of(place) >= SMALL else 1


@callee
def _relu_task(x, y, thread, threads):  # type: ignore[no-untyped-def]
    low, high = share(x.size, thread, threads)
    x, y = x[low:high], y[low:high]
    zero = x.dtype.type(0)
    for i in range(x.size):
        y[i] = zero if x[i] < zero else x[i]


@njit(cache=CACHE)
def _relu(x, y, like, threads):  # type: ignore[no-untyped-def]
    fits = in_step(x, y, like)
    if fits:
        parallel(_relu_task, (run_at(x, like), run_at(y, like)), shared(y, threads))
    return fits


@callee
def _relu_backward_task(upstream, y, dx, thread, threads):  # type: ignore[no-untyped-def]
    low, high = share(y.size, thread, threads)
    upstream, y, dx = upstream[low:high], y[low:high], dx[low:high]
    zero = y.dtype.type(0)
    for i in range(y.size):
        dx[i] = zero if y[i] <= zero else upstream[i]


@njit(cache=CACHE)
def _relu_backward(upstream, y, dx, like, threads):  # type: ignore[no-untyped-def]
    fits = in_step(upstream, dx, like) and in_step(y, dx, like)
    if fits:
        parallel(_relu_backward_task, (run_at(upstream, like), run_at(y, like), run_at(dx, like)),
                 shared(dx, threads))
    return fits


@callee
def _gelu_task(x, y, thread, threads):  # type: ignore[no-untyped-def]
    low, high = share(x.size, thread, threads)
    x, y = x[low:high], y[low:high]
    widest()
    for i in range(x.size):
        y[i] = x[i] * normal(x[i])


@njit(cache=CACHE)
def _gelu(x, y, like, threads):  # type: ignore[no-untyped-def]
    fits = in_step(x, y, like)
    if fits:
        parallel(_gelu_task, (run_at(x, like), run_at(y, like)), shared(y, threads))
    return fits


@callee
def _gelu_backward_task(upstream, x, dx, thread, threads):  # type: ignore[no-untyped-def]
    low, high = share(x.size, thread, threads)
    upstream, x, dx = upstream[low:high], x[low:high], dx[low:high]
    widest()
    kind = x.dtype.type
    for i in range(x.size):
        density = kind(_DENSITY) * decay((x[i] * x[i]) * kind(-0.5))  # the same power as in normal
        dx[i] = upstream[i] * (normal(x[i]) + x[i] * density)


@njit(cache=CACHE)
def _gelu_backward(upstream, x, dx, like, threads):  # type: ignore[no-untyped-def]
    fits = in_step(upstream, dx, like) and in_step(x, dx, like)
    if fits:
        parallel(_gelu_backward_task, (run_at(upstream, like), run_at(x, like), run_at(dx, like)),
                 shared(dx, threads))
    return fits


@callee
def _sigmoid_task(x, y, thread, threads):  # type: ignore[no-untyped-def]
    low, high = share(x.size, thread, threads)
    x, y = x[low:high], y[low:high]
    widest()
    for i in range(x.size):
        y[i] = sigmoid(x[i])


@njit(cache=CACHE)
def _sigmoid(x, y, like, threads):  # type: ignore[no-untyped-def]
    fits = in_step(x, y, like)
    if fits:
        parallel(_sigmoid_task, (run_at(x, like), run_at(y, like)), shared(y, threads))
    return fits


@callee
def _add_task(a, b, y, thread, threads):  # type: ignore[no-untyped-def]
    low, high = share(y.size, thread, threads)
    a, b, y = a[low:high], b[low:high], y[low:high]
    for i in range(y.size):
        y[i] = a[i] + b[i]


@njit(cache=CACHE)
def _add(a, b, y, like, threads):  # type: ignore[no-untyped-def]
    fits = in_step(a, y, like) and in_step(b, y, like)
    if fits:
        parallel(_add_task, (run_at(a, like), run_at(b, like), run_at(y, like)),
                 shared(y, threads))
    return fits


def _unary(kernel: Any, x: np.ndarray) -> np.ndarray:
    y = arena.empty_like(x)
    like = LIKES[x.dtype]
    if not kernel(id(x), id(y), like, pool.threads):
        x = arena.copy_like(x, y)
        kernel(id(x), id(y), like, pool.threads)
    return y


def _binary(kernel: Any, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    y = arena.empty_like(b)
    like = LIKES[b.dtype]
    if not kernel(id(a), id(b), id(y), like, pool.threads):
        a, b = arena.copy_like(a, y), arena.copy_like(b, y)
        kernel(id(a), id(b), id(y), like, pool.threads)
    return y


def relu(x: np.ndarray) -> np.ndarray:
    """``max(x, 0)``; NaN stays NaN."""
    return _unary(_relu, x)


def relu_backward(upstream: np.ndarray, y: np.ndarray) -> np.ndarray:
    """``upstream`` where relu's output ``y`` (or its input) is above zero or NaN, else 0."""
    return _binary(_relu_backward, upstream, y)


def gelu(x: np.ndarray) -> np.ndarray:
    """``x Φ(x)`` with the exact normal distribution function, ``Φ(x) = (1 + erf(x/√2)) / 2``."""
    return _unary(_gelu, x)


def gelu_backward(upstream: np.ndarray, x: np.ndarray) -> np.ndarray:
    """``upstream · (Φ(x) + x φ(x))``."""
    return _binary(_gelu_backward, upstream, x)


def sigmoid_forward(x: np.ndarray) -> np.ndarray:
    """``1 / (1 + exp(−x))``."""
    return _unary(_sigmoid, x)


def add(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """``a + b`` of two arrays of one shape."""
    return _binary(_add, a, b)
