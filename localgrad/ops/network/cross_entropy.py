"""Softmax and negative log likelihood in one: −log softmax(x)[target]."""

from __future__ import annotations

import math
from typing import Any

from localgrad import errors_of_layers as errors
from localgrad import kernels, ops
from localgrad.graph.record import here
from localgrad.kernels import reference as xp
from localgrad.local.composite import composite
from localgrad.ops.network import rules

REDUCTIONS = ("mean", "sum", "none")


def _derived(
    x: Any,
    target: Any = None,
    weight: Any = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> Any:
    classes = x.shape[1]
    counted = target != ignore_index
    chosen = xp.where(counted, target, 0)
    weights = xp.ones(classes, x.dtype) if weight is None else weight
    counts = weights[chosen] * counted
    logs = ops.log_softmax(x, axis=1)
    picked = logs[xp.arange(len(chosen)), chosen]
    losses = -(picked * counts)
    if label_smoothing:
        spread = -ops.sum(logs * (weights * (label_smoothing / classes)), axis=1)
        losses = losses * (1 - label_smoothing) + ops.where(counted, spread, 0)
    if reduction == "none":
        return losses
    total = ops.sum(losses)
    return total / counts.sum() if reduction == "mean" else total


def _forward(
    x: Any,
    target: Any = None,
    weight: Any = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> Any:
    check_form(x, target)
    try:
        losses, total, probabilities, counts = kernels.cross_entropy(
            x, target, weight, ignore_index, label_smoothing
        )
    except IndexError:
        check_labels(x, target, ignore_index)
        raise
    if reduction == "none":
        return losses, (probabilities, 1.0)
    if reduction == "sum":
        return xp.array(total, x.dtype), (probabilities, 1.0)
    divisor = float(len(target) if counts is None else xp.add.reduce(counts))
    mean = total / divisor if divisor else math.nan
    return xp.array(mean, x.dtype), (probabilities, divisor)


def _backward(
    g: Any,
    saved: Any,
    needs: Any,
    x: Any,
    target: Any = None,
    weight: Any = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> list[Any]:
    probabilities, divisor = saved
    return [
        kernels.cross_entropy_backward(
            g, divisor, probabilities, target, weight, ignore_index, label_smoothing
        )
    ]


def check_form(x: Any, target: Any) -> None:
    """Targets are whole numbers, one per row of x (rows, classes)."""
    if x.ndim != 2 or target.shape != x.shape[:1]:
        raise errors.target_shape(x.shape, target.shape, here())
    if target.dtype.kind not in "iu":
        raise errors.target_dtype(target.dtype, here())


def check_labels(x: Any, target: Any, ignore_index: int) -> None:
    """Each target names a class or is `ignore_index`."""
    wrong = (target != ignore_index) & ((target < 0) | (target >= x.shape[1]))
    if wrong.any():
        raise errors.label_out_of_range(int(target[wrong][0]), x.shape[1], here())


cross_entropy = composite(
    "cross_entropy",
    _derived,
    _forward,
    _backward,
    arguments=("x",),
    rule=rules.CROSS_ENTROPY,
    doc=(
        "−Σ q log softmax(x) over classes, of x (rows, classes) and whole-number targets (rows,), "
        "with q = weight · ((1 − smoothing) · onehot + smoothing / classes)."
    ),
    example=lambda rng: ((rng.standard_normal((4, 3)),), {"target": rng.integers(0, 3, 4)}),
)
