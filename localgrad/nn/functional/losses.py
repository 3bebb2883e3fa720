"""Losses as functions."""

from __future__ import annotations

import math
from typing import Any

import numpy

from localgrad import errors_of_layers as errors
from localgrad import ops
from localgrad.errors import unknown_choice
from localgrad.graph.record import here
from localgrad.local.operation import as_raw
from localgrad.ops.network import cross_entropy as fused
from localgrad.ops.network import likelihood
from localgrad.tensor import Tensor

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "dice_loss",
    "gaussian_nll_loss",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "mse_loss",
    "nll_loss",
    "poisson_nll_loss",
    "smooth_l1_loss",
]


def reduced(losses: Any, reduction: str) -> Any:
    """The losses averaged, added up, or as they are."""
    if reduction == "mean":
        return ops.mean(losses)
    if reduction == "sum":
        return ops.sum(losses)
    if reduction == "none":
        return losses
    raise unknown_choice("reduction", reduction, list(fused.REDUCTIONS), here())


def reduction_of(size_average: Any, reduce: Any, reduction: str) -> str:
    """`reduction`, or what PyTorch's two older words for it mean, where they are given."""
    if size_average is None and reduce is None:
        return reduction
    if reduce is False:
        return "none"
    return "sum" if size_average is False else "mean"


def weighted(name: str, losses: Any, weight: Any) -> Any:
    """The losses times a weight for each."""
    same_shape(name, losses, weight)
    return losses * weight


def same_shape(name: str, input: Any, target: Any) -> None:
    """A target shaped unlike the input would be broadcast: n² differences, silently."""
    if input.shape != target.shape:
        raise errors.broadcast_loss(name, input.shape, target.shape, here())


def tensor(x: Any) -> Tensor:
    """x as a Tensor, where it is an array or a number."""
    return x if isinstance(x, Tensor) else Tensor(as_raw(x))


def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: Any = None,
    ignore_index: int = -100,
    reduce: Any = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """−Σ q log softmax(input) over classes (axis 1), q the target's distribution.

    input (batch, classes, …) or (classes,); target whole numbers (batch, …), or probabilities
    shaped like the input. "mean" divides by the sum of the targets' weights.

    >>> import localgrad as lg
    >>> loss = lg.nn.functional.cross_entropy(lg.asarray([[0.0, 0.0]]), lg.asarray([1]))
    >>> round(float(loss), 4)
    0.6931
    """
    reduction = reduction_of(size_average, reduce, reduction)
    if reduction not in fused.REDUCTIONS:
        raise unknown_choice("reduction", reduction, list(fused.REDUCTIONS), here())
    labels = as_raw(target)
    if labels.dtype.kind == "f":
        return _soft_cross_entropy(input, tensor(target), weight, reduction, label_smoothing)
    options: dict[str, Any] = {"target": labels, "reduction": reduction}
    if weight is not None:
        options["weight"] = as_raw(weight)
    if ignore_index != -100:
        options["ignore_index"] = ignore_index
    if label_smoothing:
        options["label_smoothing"] = label_smoothing
    if input.ndim == 2:
        return fused.cross_entropy(input, **options)
    places = labels.shape
    if input.ndim == 1:
        input = ops.reshape(input, (1, -1))
    elif input.ndim > 2:
        if places != (input.shape[0], *input.shape[2:]):
            raise errors.target_shape(input.shape, places, here())
        input = ops.reshape(ops.moveaxis(input, 1, -1), (-1, input.shape[1]))
    options["target"] = labels.reshape(-1)
    losses = fused.cross_entropy(input, **options)
    return ops.reshape(losses, places) if reduction == "none" else losses


def _soft_cross_entropy(
    input: Any, target: Any, weight: Any, reduction: str, smoothing: float
) -> Tensor:
    axis = 1 if input.ndim > 1 else 0
    if target.shape == input.shape[:axis] + input.shape[axis + 1 :]:  # class numbers, as floats
        raise errors.target_dtype(target.dtype, here())
    same_shape("cross_entropy", input, target)
    classes = input.shape[axis]
    if smoothing:
        target = target * (1 - smoothing) + smoothing / classes
    if weight is not None:
        shape = [1] * input.ndim
        shape[axis] = classes
        target = target * ops.reshape(tensor(weight), tuple(shape))
    losses = -ops.sum(ops.log_softmax(input, axis=axis) * target, axis=axis)
    if reduction == "mean":
        return ops.sum(losses) / (losses.size or 1)
    return reduced(losses, reduction)


def nll_loss(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: Any = None,
    ignore_index: int = -100,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """−weight[t] · input[t], t the target; input (batch, classes, …) of log-probabilities."""
    reduction = reduction_of(size_average, reduce, reduction)
    labels = as_raw(target)
    axis = 1 if input.ndim > 1 else 0
    rows = input if input.ndim == 2 else ops.moveaxis(input, axis, -1)
    rows = ops.reshape(rows, (-1, input.shape[axis]))
    flat = labels.reshape(-1)
    fused.check_form(rows, flat)
    fused.check_labels(rows, flat, ignore_index)
    counted = flat != ignore_index
    chosen = flat * counted
    weights = counted.astype(input.dtype)
    if weight is not None:
        weights = weights * as_raw(weight)[chosen]
    picked = rows[numpy.arange(len(chosen)), chosen]
    losses = -(picked * weights)
    if reduction == "mean":
        total = weights.sum()  # of no label that counts the mean is NaN, and yet sends zeros back
        return ops.sum(losses) / total if total else ops.sum(losses) + math.nan
    return reduced(ops.reshape(losses, labels.shape), reduction)


def averaged(
    name: str, losses: Any, weight: Any, size_average: Any, reduce: Any, reduction: str
) -> Any:
    """The losses reduced; by the sum of their weights, where there are any."""
    reduction = reduction_of(size_average, reduce, reduction)
    if weight is None:
        return reduced(losses, reduction)
    losses = weighted(name, losses, weight)
    return ops.sum(losses) / ops.sum(weight) if reduction == "mean" else reduced(losses, reduction)


def mse_loss(
    input: Any,
    target: Any,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    weight: Any = None,
) -> Tensor:
    """(input − target)², times `weight`; "mean" divides by the sum of the weights."""
    target = tensor(target)
    same_shape("mse_loss", input, target)
    return averaged("mse_loss", ops.square(input - target), weight, size_average, reduce, reduction)


def l1_loss(
    input: Any,
    target: Any,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    weight: Any = None,
) -> Tensor:
    """|input − target|, times `weight`; "mean" divides by the sum of the weights."""
    target = tensor(target)
    same_shape("l1_loss", input, target)
    return averaged("l1_loss", ops.abs(input - target), weight, size_average, reduce, reduction)


def huber_loss(
    input: Any, target: Any, reduction: str = "mean", delta: float = 1.0, weight: Any = None
) -> Tensor:
    """½d² where |d| ≤ delta, else delta · (|d| − ½delta), d = input − target, times `weight`."""
    target = tensor(target)
    same_shape("huber_loss", input, target)
    d = input - target
    inner = ops.clip(d, -delta, delta)
    losses = inner * (d - 0.5 * inner)
    return reduced(losses if weight is None else weighted("huber_loss", losses, weight), reduction)


def smooth_l1_loss(
    input: Any,
    target: Any,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """½d²/beta where |d| < beta, else |d| − ½beta, d = input − target."""
    reduction = reduction_of(size_average, reduce, reduction)
    if beta == 0:
        return l1_loss(input, target, reduction=reduction)
    return huber_loss(input, target, reduction, beta) / beta


def binary_cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """−(t log p + (1−t) log(1−p)), the logarithms held at −100 or above as PyTorch does."""
    input, target = tensor(input), tensor(target)
    same_shape("binary_cross_entropy", input, target)
    if input.size and (input.value.min() < 0 or input.value.max() > 1):
        raise errors.no_probabilities(input.value, here())
    losses = likelihood.binary_cross_entropy(input, target)
    losses = losses if weight is None else losses * weight
    return reduced(losses, reduction_of(size_average, reduce, reduction))


def binary_cross_entropy_with_logits(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    pos_weight: Any = None,
) -> Tensor:
    """−(pos_weight · t log σ(x) + (1−t) log(1−σ(x))), without under- or overflow."""
    target = tensor(target)
    same_shape("binary_cross_entropy_with_logits", input, target)
    against = (1 - target) * input
    if pos_weight is None:
        losses = against - ops.logsigmoid(input)
    else:
        losses = against - (1 + (pos_weight - 1) * target) * ops.logsigmoid(input)
    losses = losses if weight is None else losses * weight
    return reduced(losses, reduction_of(size_average, reduce, reduction))


def kl_div(
    input: Any,
    target: Any,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """t · (log t − input), input of log-probabilities; "batchmean" divides by the batch size."""
    target = tensor(target)
    if log_target:
        losses = ops.exp(target) * (target - input)
    else:
        losses = xlogy(target) - target * input
    reduction = reduction_of(size_average, reduce, reduction)
    if reduction == "batchmean":
        return ops.sum(losses) / input.shape[0]
    return reduced(losses, reduction)


def xlogy(t: Any) -> Any:
    """t log t, 0 at 0."""
    return t * ops.log(ops.where(ops.equal(t, 0), 1, t))


def poisson_nll_loss(
    input: Any,
    target: Any,
    log_input: bool = True,
    full: bool = False,
    size_average: Any = None,
    eps: float = 1e-8,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """eˣ − t·x, or x − t·log(x + eps) for an input that is no logarithm."""
    target = tensor(target)
    losses = ops.exp(input) - target * input if log_input else input - target * ops.log(input + eps)
    if full:
        large = ops.where(ops.greater(target, 1), target, 1)
        stirling = large * ops.log(large) - large + 0.5 * ops.log(2 * math.pi * large)
        losses = losses + ops.where(ops.greater(target, 1), stirling, 0)
    return reduced(losses, reduction_of(size_average, reduce, reduction))


def gaussian_nll_loss(
    input: Any,
    target: Any,
    var: Any,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """½ (log var + (input − target)²/var)."""
    target, var = tensor(target), tensor(var)
    # Held at eps without a gradient of its own, as in PyTorch.
    held = var + (ops.clip(var.detach(), eps) - var.detach())
    losses = 0.5 * (ops.log(held) + ops.square(input - target) / held)
    return reduced(losses + 0.5 * math.log(2 * math.pi) if full else losses, reduction)


def dice_loss(input: Any, target: Any, smooth: float = 1.0, reduction: str = "mean") -> Tensor:
    """1 − (2 Σ p·t + smooth) / (Σ p + Σ t + smooth) of each example, summed over its places.

    input (batch, …) of probabilities p, target of 0 and 1 (or probabilities) of the same shape. One
    number an example: a small object counts as much as a large one. PyTorch has no such loss.

    Source: F. Milletari et al., "V-Net" (2016).

    >>> import localgrad as lg
    >>> p = lg.asarray([[0.5, 0.5]])
    >>> float(lg.nn.functional.dice_loss(p, lg.asarray([[1.0, 0.0]])))
    0.33333...
    """
    target = tensor(target)
    same_shape("dice_loss", input, target)
    places = tuple(range(1, input.ndim))
    common, both = (ops.sum(x, axis=places) for x in (input * target, input + target))
    return reduced(1 - (2 * common + smooth) / (both + smooth), reduction)
