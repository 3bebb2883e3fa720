"""Optimisers: one pass over all parameters in one launch.

The threads share the elements, not the parameters.  The rules and the arguments are those of
``reference_optimisers``; each says whether it could take the arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from .callee import callee
from .emit import array_at
from .host import CACHE
from .launch import parallel, share
from .objects import LIKES, data_of, elements, places_of, size_of
from .pointwise import SMALL
from .pool import pool


@callee
def _part(place, start, stop, like):  # type: ignore[no-untyped-def]
    """The elements start...stop of the array object at ``place``."""
    return array_at(data_of(place), stop, like)[start:]


@callee
def _sgd_task(  # type: ignore[no-untyped-def]
    places, dampings, lr, momentum, decay, sign, nesterov, like, whole, thread, threads,
):
    low, high = share(whole, thread, threads)
    first = 0
    for column in range(places.shape[1]):
        count = size_of(places[0, column])
        start, stop = max(low - first, 0), min(high - first, count)
        first += count
        if start >= stop:
            continue
        w = _part(places[0, column], start, stop, like)
        g = _part(places[1, column], start, stop, like)
        kind = w.dtype.type
        rate, added, side = kind(lr), kind(decay), kind(sign)
        if places.shape[0] == 2:
            for i in range(w.size):
                w[i] -= rate * (side * g[i] + added * w[i])
        else:
            v = _part(places[2, column], start, stop, like)
            kept, damping = kind(momentum), kind(dampings[column])
            for i in range(w.size):
                slope = side * g[i] + added * w[i]
                speed = kept * v[i] + damping * slope
                v[i] = speed
                w[i] -= rate * (slope + kept * speed if nesterov else speed)


@njit(cache=CACHE)
def _sgd(  # type: ignore[no-untyped-def]
    places, dampings, lr, momentum, decay, sign, nesterov, like, threads,
):
    whole = elements(places, like)
    if whole >= 0:
        parallel(_sgd_task, (places, dampings, lr, momentum, decay, sign, nesterov, like, whole),
                 threads if whole >= SMALL else 1)
    return whole >= 0


@callee(error_model="numpy")  # a check for zero would keep it from vectors
def _adam_task(  # type: ignore[no-untyped-def]
    places, steps, lr, beta1, beta2, epsilon, decay, decoupled, sign, like, whole, thread, threads,
):
    low, high = share(whole, thread, threads)
    first = 0
    for column in range(places.shape[1]):
        count = size_of(places[0, column])
        start, stop = max(low - first, 0), min(high - first, count)
        first += count
        if start >= stop:
            continue
        w = _part(places[0, column], start, stop, like)
        g = _part(places[1, column], start, stop, like)
        m = _part(places[2, column], start, stop, like)
        v = _part(places[3, column], start, stop, like)
        kind = w.dtype.type
        rate = kind(lr / (1 - beta1 ** steps[column]))
        unbias = kind(1 / np.sqrt(1 - beta2 ** steps[column]))
        old, new1, new2, eps = kind(beta2), kind(1 - beta1), kind(1 - beta2), kind(epsilon)
        kept, added = kind(1 - lr * decay if decoupled else 1), kind(0 if decoupled else decay)
        side = kind(sign)
        if places.shape[0] == 4:
            for i in range(w.size):
                value = w[i] * kept
                slope = side * g[i] + added * value
                mean = m[i] + (slope - m[i]) * new1
                square = v[i] * old + slope * slope * new2
                m[i], v[i] = mean, square
                w[i] = value - mean / (np.sqrt(square) * unbias + eps) * rate
        else:
            top = _part(places[4, column], start, stop, like)
            for i in range(w.size):
                value = w[i] * kept
                slope = side * g[i] + added * value
                mean = m[i] + (slope - m[i]) * new1
                square = v[i] * old + slope * slope * new2
                m[i], v[i] = mean, square
                largest = square if square > top[i] or square != square else top[i]
                top[i] = largest
                w[i] = value - mean / (np.sqrt(largest) * unbias + eps) * rate


@njit(cache=CACHE)
def _adam(  # type: ignore[no-untyped-def]
    places, steps, lr, beta1, beta2, epsilon, decay, decoupled, sign, like, threads,
):
    whole = elements(places, like)
    if whole >= 0:
        parallel(_adam_task, (places, steps, lr, beta1, beta2, epsilon, decay, decoupled, sign,
                              like, whole), threads if whole >= SMALL else 1)
    return whole >= 0


_NO_DAMPINGS = np.empty(0)


def sgd_step(
    values: list[Any], gradients: list[Any], velocities: Any, options: dict[str, Any]
) -> bool:
    """``w ← w − lr v`` with ``v ← momentum v + (1 − dampening) g``; no velocities, no momentum.

    Velocities that are None are made, and start as the gradient.
    """
    like = LIKES.get(values[0].dtype)
    if like is None:
        return False
    dampings, moving = _NO_DAMPINGS, []
    if velocities is not None:
        given = 1.0 - options["dampening"]
        dampings = np.array([1.0 if v is None else given for v in velocities])
        moving = [[np.zeros_like(w) if v is None else v for w, v in zip(values, velocities)]]
    taken: bool = _sgd(
        places_of(values, gradients, *moving), dampings, float(options["lr"]),
        float(options["momentum"]), float(options["weight_decay"]),
        -1.0 if options["maximize"] else 1.0, bool(options["nesterov"]), like, pool.threads)
    if taken and moving:
        velocities[:] = moving[0]
    return taken


def adam_step(
    values: list[Any], gradients: list[Any], means: list[Any], squares: list[Any], largest: Any,
    steps: list[int], options: dict[str, Any],
) -> bool:
    """``w ← w − lr m̂ / (√v̂ + eps)``, with decoupled decay (AdamW) and amsgrad where asked."""
    like = LIKES.get(values[0].dtype)
    if like is None:
        return False
    places = places_of(values, gradients, means, squares, *([] if largest is None else [largest]))
    beta1, beta2 = options["betas"]
    taken: bool = _adam(
        places, np.fromiter(steps, np.int64, len(steps)), float(options["lr"]), float(beta1),
        float(beta2), float(options["eps"]), float(options["weight_decay"]),
        bool(options["decoupled_weight_decay"]), -1.0 if options["maximize"] else 1.0, like,
        pool.threads)
    return taken
