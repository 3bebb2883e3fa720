"""The optimisers' rules in NumPy, in place on lists of arrays: the oracle of the kernels."""

from __future__ import annotations

import math
from typing import Any

import numpy

from localgrad.kernels.reference import beside


def prepared(w: Any, g: Any, options: dict[str, Any]) -> Any:
    """The gradient to descend: negated to climb, with the weights' decay added."""
    if options["maximize"]:
        g = -g
    if options["weight_decay"] and not options.get("decoupled_weight_decay"):
        g = g + w * options["weight_decay"]
    return g


def sgd_step(
    values: list[Any], gradients: list[Any], velocities: Any, options: dict[str, Any]
) -> None:
    """w ← w − lr · v; `velocities` holds None where none was made yet, and is filled in."""
    lr, momentum = options["lr"], options["momentum"]
    plain = velocities is None and not options["maximize"] and not options["weight_decay"]
    for index, (w, g) in enumerate(zip(values, gradients)):
        if plain:
            w -= g * (beside(lr, g.dtype) if lr else lr)
            continue
        g = prepared(w, g, options)
        if velocities is not None:
            v = velocities[index]
            if v is None:
                v = velocities[index] = numpy.array(g, w.dtype)
            else:
                v *= momentum
                v += g * (1 - options["dampening"])
            g = g + v * momentum if options["nesterov"] else v
        w -= g * lr


def adam_step(
    values: list[Any],
    gradients: list[Any],
    means: list[Any],
    squares: list[Any],
    largest: Any,
    steps: list[int],
    options: dict[str, Any],
) -> None:
    """w ← w − lr · m̂ / (√v̂ + eps); `largest` are the maxima of v for amsgrad, or None."""
    lr, eps = options["lr"], options["eps"]
    beta1, beta2 = options["betas"]
    for index, (w, g, m, v, t) in enumerate(zip(values, gradients, means, squares, steps)):
        if options["decoupled_weight_decay"]:
            w *= 1 - lr * options["weight_decay"]
        g = prepared(w, g, options)
        m += (g - m) * (1 - beta1)
        v *= beta2
        v += g * g * (1 - beta2)
        root = v
        if largest is not None:
            root = numpy.maximum(largest[index], v, out=largest[index])
        divisor = numpy.sqrt(root) / math.sqrt(1 - beta2**t) + eps
        w -= m / divisor * (lr / (1 - beta1**t))


def rmsprop_step(
    values: list[Any],
    gradients: list[Any],
    squares: list[Any],
    velocities: Any,
    means: Any,
    options: dict[str, Any],
) -> None:
    """w ← w − lr · g / (√s + eps), or with momentum gathered in `velocities`."""
    lr, alpha = options["lr"], options["alpha"]
    for index, (w, g, s) in enumerate(zip(values, gradients, squares)):
        g = prepared(w, g, options)
        s *= alpha
        s += g * g * (1 - alpha)
        spread = s
        if means is not None:
            m = means[index]
            m += (g - m) * (1 - alpha)
            spread = s - m * m
        move = g / (numpy.sqrt(spread) + options["eps"])
        if velocities is not None:
            v = velocities[index]
            v *= options["momentum"]
            v += move
            move = v
        w -= move * lr


def adagrad_step(
    values: list[Any],
    gradients: list[Any],
    sums: list[Any],
    steps: list[int],
    options: dict[str, Any],
) -> None:
    """w ← w − lr/(1 + (t−1)·lr_decay) · g / (√s + eps)."""
    for w, g, s, t in zip(values, gradients, sums, steps):
        g = prepared(w, g, options)
        s += g * g
        w -= g / (numpy.sqrt(s) + options["eps"]) * (
            options["lr"] / (1 + (t - 1) * options["lr_decay"])
        )
