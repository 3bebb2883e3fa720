"""PyTorch's optimisers for the JAX contenders, as pure functions of weights and gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

Weights = dict[str, Any]


def cross_entropy(logits: Any, targets: Any) -> Any:
    """Mean over all positions of −log softmax(logits)[target]."""
    flat = jax.nn.log_softmax(logits.reshape(-1, logits.shape[-1]))
    return -jnp.take_along_axis(flat, targets.reshape(-1, 1), 1).mean()


def update(
    optimiser: tuple[str, Mapping[str, float]],
) -> tuple[Callable[[Weights], Any], Callable[[Weights, Any, Weights], tuple[Weights, Any]]]:
    """(begin, advance): the first state, and (weights, state, gradients) -> (weights, state)."""
    name, arguments = optimiser
    rule = {"SGD": _sgd, "Adam": _adam, "AdamW": _adam}[name]
    decay = 0.01 if name == "AdamW" else 0.0
    return rule({"decay": decay, **arguments})


def _sgd(given: Mapping[str, float]) -> Any:
    rate, momentum = given["lr"], given.get("momentum", 0.0)

    def begin(weights: Weights) -> Weights:
        return jax.tree.map(jnp.zeros_like, weights) if momentum else {}

    def advance(weights: Weights, velocity: Weights, gradients: Weights) -> Any:
        if momentum:
            velocity = jax.tree.map(lambda v, g: momentum * v + g, velocity, gradients)
        direction = velocity if momentum else gradients
        return jax.tree.map(lambda w, d: w - rate * d, weights, direction), velocity

    return begin, advance


def _adam(given: Mapping[str, float]) -> Any:
    rate, decay, first, second, epsilon = given["lr"], given["decay"], 0.9, 0.999, 1e-8

    def begin(weights: Weights) -> Any:
        return jnp.zeros(()), *(jax.tree.map(jnp.zeros_like, weights) for _ in range(2))

    def advance(weights: Weights, state: Any, gradients: Weights) -> Any:
        count, mean, square = state
        count = count + 1
        mean = jax.tree.map(lambda m, g: first * m + (1 - first) * g, mean, gradients)
        square = jax.tree.map(lambda v, g: second * v + (1 - second) * g * g, square, gradients)
        rates = rate / (1 - first**count), jnp.sqrt(1 - second**count)

        def moved(w: Any, m: Any, v: Any) -> Any:
            return w * (1 - rate * decay) - rates[0] * m / (jnp.sqrt(v) / rates[1] + epsilon)

        return jax.tree.map(moved, weights, mean, square), (count, mean, square)

    return begin, advance
