"""Losses of classifiers that ask for a margin, or for several classes at once."""

from __future__ import annotations

from typing import Any

import numpy

from localgrad import errors_of_layers as errors
from localgrad import ops
from localgrad.graph.record import here
from localgrad.local.operation import as_raw
from localgrad.nn.functional.distances import positive_part
from localgrad.nn.functional.losses import reduced, reduction_of, same_shape, tensor
from localgrad.tensor import Tensor

__all__ = [
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "soft_margin_loss",
]


def soft_margin_loss(
    input: Any, target: Any, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
) -> Tensor:
    """log(1 + exp(−t · x)), t of −1 and 1."""
    target = tensor(target)
    same_shape("soft_margin_loss", input, target)
    losses = -ops.logsigmoid(target * input)
    return reduced(losses, reduction_of(size_average, reduce, reduction))


def multilabel_soft_margin_loss(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """−(t log σ(x) + (1−t) log σ(−x)), averaged over the classes, the last axis; t of 0 and 1."""
    target = tensor(target)
    same_shape("multilabel_soft_margin_loss", input, target)
    losses = -(target * ops.logsigmoid(input) + (1 - target) * ops.logsigmoid(-input))
    if weight is not None:
        losses = losses * weight
    losses = ops.mean(losses, axis=-1)
    return reduced(losses, reduction_of(size_average, reduce, reduction))


def multi_margin_loss(
    input: Any,
    target: Any,
    p: int = 1,
    margin: float = 1.0,
    weight: Any = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """Σ over i ≠ t of max(0, margin − x[t] + x[i])ᵖ / classes; p 1 or 2, weights by class t.

    Scores (batch, classes) or (classes,), targets whole numbers.
    """
    if p not in (1, 2):
        raise errors.margin_power(p, here())
    labels = as_raw(target).reshape(-1)
    rows = ops.reshape(input, (len(labels), -1))
    classes = rows.shape[1]
    check_labels(labels, classes)
    own = numpy.arange(classes) == labels[:, None]
    short = positive_part(margin - rows[numpy.arange(len(labels)), labels][:, None] + rows)
    terms = ops.where(own, 0, short if p == 1 else ops.square(short))
    losses = ops.sum(terms, axis=1) / classes
    if weight is not None:
        losses = losses * as_raw(weight)[labels]
    if input.ndim == 1:
        losses = losses[0]
    return reduced(losses, reduction_of(size_average, reduce, reduction))


def multilabel_margin_loss(
    input: Any, target: Any, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
) -> Tensor:
    """Σ over classes t of the target and i outside it of max(0, 1 − x[t] + x[i]) / classes.

    Scores (batch, classes) or (classes,); a row of the target lists classes, ended by the first −1.
    """
    same_shape("multilabel_margin_loss", input, target)
    classes = input.shape[-1]
    listed = as_raw(target).reshape(-1, classes)
    counted = numpy.logical_and.accumulate(listed >= 0, axis=1)
    check_labels(listed[counted], classes)
    wanted = ((listed[..., None] == numpy.arange(classes)) & counted[..., None]).any(axis=1)
    rows = ops.reshape(input, (-1, classes))
    short = positive_part(1 - rows[:, :, None] + rows[:, None, :])
    pairs = wanted[:, :, None] & ~wanted[:, None, :]
    losses = ops.sum(ops.where(pairs, short, 0), axis=(1, 2)) / classes
    if input.ndim == 1:
        losses = losses[0]
    return reduced(losses, reduction_of(size_average, reduce, reduction))


def check_labels(labels: Any, classes: int) -> None:
    """Targets name classes."""
    wrong = labels[(labels < 0) | (labels >= classes)]
    if wrong.size:
        raise errors.label_out_of_range(int(wrong[0]), classes, here())
