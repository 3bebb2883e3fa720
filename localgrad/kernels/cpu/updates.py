"""Optimisers: one pass over all parameters in one launch.

A table lists where each parameter, its gradient and its state lie; the threads share the elements,
not the parameters.  The rules and the arguments are those of ``reference_optimisers``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from .emit import array_at
from .host import CACHE
from .launch import parallel
from .layout import FLOATS, address_of, contiguous
from .pointwise import threads_for


@njit(cache=CACHE)
def _portion(first, count, low, high):  # type: ignore[no-untyped-def]
    """Where the elements low...high of all parameters meet one that starts at ``first``."""
    return max(low - first, 0), min(high - first, count)


@njit(cache=CACHE)
def _sgd_task(  # type: ignore[no-untyped-def]
    table, dampings, lr, momentum, decay, sign, nesterov, whole, thread, threads,
):
    low, high = whole * thread // threads, whole * (thread + 1) // threads
    first = 0
    for row in range(table.shape[0]):
        count = table[row, 3]
        start, stop = _portion(first, count, low, high)
        first += count
        if start >= stop:
            continue
        w = array_at(table[row, 0], count, lr)[start:stop]
        g = array_at(table[row, 1], count, lr)[start:stop]
        if table[row, 2] == 0:
            for i in range(w.size):
                w[i] -= lr * (sign * g[i] + decay * w[i])
        else:
            v = array_at(table[row, 2], count, lr)[start:stop]
            damping = dampings[row]
            for i in range(w.size):
                slope = sign * g[i] + decay * w[i]
                speed = momentum * v[i] + damping * slope
                v[i] = speed
                w[i] -= lr * (slope + momentum * speed if nesterov else speed)


@njit(cache=CACHE)
def _sgd(  # type: ignore[no-untyped-def]
    table, dampings, lr, momentum, decay, sign, nesterov, whole, threads,
):
    parallel(_sgd_task, (table, dampings, lr, momentum, decay, sign, nesterov, whole), threads)


@njit(cache=CACHE, error_model="numpy")  # a check for zero would keep it from vectors
def _adam_task(  # type: ignore[no-untyped-def]
    table, rates, kept, beta1, beta2, new1, new2, eps, decay, sign, whole, thread, threads,
):
    low, high = whole * thread // threads, whole * (thread + 1) // threads
    first = 0
    for row in range(table.shape[0]):
        count = table[row, 5]
        start, stop = _portion(first, count, low, high)
        first += count
        if start >= stop:
            continue
        w = array_at(table[row, 0], count, eps)[start:stop]
        g = array_at(table[row, 1], count, eps)[start:stop]
        m = array_at(table[row, 2], count, eps)[start:stop]
        v = array_at(table[row, 3], count, eps)[start:stop]
        rate, unbias = rates[row, 0], rates[row, 1]
        if table[row, 4] == 0:
            for i in range(w.size):
                value = w[i] * kept
                slope = sign * g[i] + decay * value
                mean = m[i] + (slope - m[i]) * new1
                square = v[i] * beta2 + slope * slope * new2
                m[i], v[i] = mean, square
                w[i] = value - mean / (np.sqrt(square) * unbias + eps) * rate
        else:
            top = array_at(table[row, 4], count, eps)[start:stop]
            for i in range(w.size):
                value = w[i] * kept
                slope = sign * g[i] + decay * value
                mean = m[i] + (slope - m[i]) * new1
                square = v[i] * beta2 + slope * slope * new2
                m[i], v[i] = mean, square
                largest = square if square > top[i] or square != square else top[i]
                top[i] = largest
                w[i] = value - mean / (np.sqrt(largest) * unbias + eps) * rate


@njit(cache=CACHE)
def _adam(  # type: ignore[no-untyped-def]
    table, rates, kept, beta1, beta2, new1, new2, eps, decay, sign, whole, threads,
):
    parallel(_adam_task, (table, rates, kept, beta1, beta2, new1, new2, eps, decay, sign, whole),
             threads)


def updatable(values: list[Any], *others: Any) -> bool:
    """Whether all lists hold arrays of one float type whose memory can be walked in step.
    """
    kind = values[0].dtype if values else None
    if kind not in FLOATS:
        return False
    return all(
        array.dtype == kind and array.flags.writeable and array.flags.c_contiguous
        for arrays in (values, *others) if arrays is not None
        for array in arrays
    )


def sgd_step(
    values: list[Any], gradients: list[Any], velocities: Any, options: dict[str, Any]
) -> None:
    """``w ← w − lr v`` with ``v ← momentum v + (1 − dampening) g``; no velocities, no momentum.

    Velocities that are None are made, and start as the gradient.
    """
    if not values:
        return
    kind = values[0].dtype.type
    gradients = [contiguous(gradient) for gradient in gradients]
    table = np.zeros((len(values), 4), np.int64)
    damping = np.full(len(values), 1 - options["dampening"], kind)
    for row, (value, gradient) in enumerate(zip(values, gradients, strict=True)):
        if velocities is not None:
            if velocities[row] is None:
                velocities[row] = np.zeros(value.shape, value.dtype)
                damping[row] = 1
            table[row, 2] = address_of(velocities[row])
        table[row, 0], table[row, 1] = address_of(value), address_of(gradient)
        table[row, 3] = value.size
    whole = int(table[:, 3].sum())
    _sgd(table, damping, kind(options["lr"]), kind(options["momentum"]),
         kind(options["weight_decay"]), kind(-1 if options["maximize"] else 1),
         bool(options["nesterov"]), whole, threads_for(whole))


def adam_step(
    values: list[Any], gradients: list[Any], means: list[Any], squares: list[Any], largest: Any,
    steps: list[int], options: dict[str, Any],
) -> None:
    """``w ← w − lr m̂ / (√v̂ + eps)``, with decoupled decay (AdamW) and amsgrad where asked."""
    if not values:
        return
    kind = values[0].dtype.type
    lr, decay = options["lr"], options["weight_decay"]
    beta1, beta2 = options["betas"]
    decoupled = options["decoupled_weight_decay"]
    gradients = [contiguous(gradient) for gradient in gradients]
    table = np.zeros((len(values), 6), np.int64)
    rates = np.empty((len(values), 2), kind)
    for row, step in enumerate(steps):
        table[row, 0], table[row, 1] = address_of(values[row]), address_of(gradients[row])
        table[row, 2], table[row, 3] = address_of(means[row]), address_of(squares[row])
        table[row, 4] = 0 if largest is None else address_of(largest[row])
        table[row, 5] = values[row].size
        rates[row] = lr / (1 - beta1**step), 1 / math.sqrt(1 - beta2**step)
    whole = int(table[:, 5].sum())
    _adam(table, rates, kind(1 - lr * decay if decoupled else 1), kind(beta1), kind(beta2),
          kind(1 - beta1), kind(1 - beta2), kind(options["eps"]), kind(0 if decoupled else decay),
          kind(-1 if options["maximize"] else 1), whole, threads_for(whole))
