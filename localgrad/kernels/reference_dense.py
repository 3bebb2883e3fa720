"""Linear layers, embeddings and the cross entropy in NumPy: the oracle of the kernels."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy


@lru_cache(maxsize=16)
def ones(count: int, dtype: Any) -> Any:
    """A vector that adds up rows when it multiplies them: half of what `numpy.sum` costs small."""
    return numpy.ones(count, dtype)


def linear(x: Any, weight: Any, bias: Any) -> Any:
    """x · weightᵀ + bias over the last axis."""
    if x.ndim == 2:
        y = x.dot(weight.T)  # the same product as `@`, with less ado about small ones
    elif x.ndim < 2:
        y = x @ weight.T
    else:
        y = (x.reshape(-1, x.shape[-1]) @ weight.T).reshape(*x.shape[:-1], weight.shape[0])
    if bias is not None:
        y += bias
    return y


def linear_backward(g: Any, x: Any, weight: Any, needs: tuple[bool, bool, bool]) -> list[Any]:
    """Downstreams of x, weight and bias, where needed."""
    result: list[Any] = [None, None, None]
    rows = g if g.ndim == 2 else g.reshape(-1, g.shape[-1])
    if needs[0]:
        to_x = rows.dot(weight)
        result[0] = to_x if x.ndim == 2 else to_x.reshape(x.shape)
    if needs[1]:
        result[1] = rows.T.dot(x if x.ndim == 2 else x.reshape(-1, x.shape[-1]))
    if needs[2]:
        result[2] = ones(len(rows), rows.dtype).dot(rows)
    return result


def gather_rows(table: Any, index: Any) -> Any:
    """table[index]."""
    return table.take(index, axis=0)


def scatter_rows(g: Any, index: Any, count: int) -> Any:
    """`count` rows of zeros with the rows of g added where `index` says."""
    width = g.shape[index.ndim :]
    result = numpy.zeros((count, *width), g.dtype)
    numpy.add.at(result, index.reshape(-1), g.reshape(-1, *width))
    return result


def cross_entropy(
    x: Any, target: Any, weight: Any, ignore_index: int, smoothing: float
) -> tuple[Any, Any, Any, Any]:
    """Per row of x (rows, classes): −Σ q log softmax(x); their sum, softmax(x), each row's weight.

    q is weight · ((1 − smoothing) · onehot(target) + smoothing / classes), zero in rows whose
    target is `ignore_index`.
    """
    rows, classes = x.shape
    probabilities = x - numpy.maximum.reduce(x, axis=1, keepdims=True)
    at = numpy.arange(rows)
    ignored = target == ignore_index
    chosen = numpy.where(ignored, 0, target) if ignored.any() else target
    if (chosen < 0).any() or (chosen >= classes).any():
        raise IndexError("a target names no class")
    losses = -probabilities[at, chosen]
    if smoothing:
        spread = -probabilities @ weight if weight is not None else -probabilities.sum(axis=1)
    numpy.exp(probabilities, out=probabilities)
    totals = numpy.add.reduce(probabilities, axis=1, keepdims=True)
    probabilities /= totals
    logs = numpy.log(totals[:, 0])
    losses += logs
    counts = None
    if weight is not None:
        counts = weight[chosen]
        losses *= counts
    if smoothing:
        share = smoothing / classes
        spread += logs * (classes if weight is None else weight.sum())
        losses = losses * (1 - smoothing) + spread * share
    if chosen is not target:
        losses = numpy.where(ignored, 0, losses).astype(x.dtype)
        counts = numpy.where(ignored, 0, numpy.ones((), x.dtype) if counts is None else counts)
    return losses, numpy.add.reduce(losses), probabilities, counts


def cross_entropy_backward(
    g: Any,
    divisor: float,
    probabilities: Any,
    target: Any,
    weight: Any,
    ignore_index: int,
    smoothing: float,
) -> Any:
    """∂/∂x of Σ g · row loss / divisor, for `g` one number or one per row."""
    scale = g / probabilities.dtype.type(divisor) if divisor else g * math.nan
    rows, classes = probabilities.shape
    at = numpy.arange(rows)
    ignored = target == ignore_index
    some_ignored = bool(ignored.any())
    chosen = numpy.where(ignored, 0, target) if some_ignored else target
    if weight is None and not smoothing:
        result = probabilities.copy()
        result[at, chosen] -= 1
    else:
        weights = numpy.ones(classes, probabilities.dtype) if weight is None else weight
        q = numpy.broadcast_to(weights * (smoothing / classes), (rows, classes)).copy()
        q[at, chosen] += weights[chosen] * (1 - smoothing)
        result = probabilities * q.sum(axis=1, keepdims=True) - q
    result *= scale if numpy.ndim(scale) == 0 else scale[:, None]
    if some_ignored:
        result[ignored] = 0
    return result
