"""How far vectors are from each other, and losses that pull or push them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from localgrad import errors_of_layers as errors
from localgrad import ops
from localgrad.graph.record import here
from localgrad.nn.functional.losses import reduced, reduction_of, tensor
from localgrad.ops.norms import vector_norm
from localgrad.tensor import Tensor

__all__ = [
    "cosine_embedding_loss",
    "cosine_similarity",
    "hinge_embedding_loss",
    "margin_ranking_loss",
    "pairwise_distance",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]


def cosine_similarity(x1: Any, x2: Any, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """⟨x₁, x₂⟩ / (max(‖x₁‖, eps) · max(‖x₂‖, eps)) along `dim` of their common shape."""
    if x1.shape != x2.shape:
        x1, x2 = ops.broadcast_arrays(x1, x2)
    one = ops.clip(vector_norm(x1, axis=dim), eps)
    two = ops.clip(vector_norm(x2, axis=dim), eps)
    return ops.sum(x1 * x2, axis=dim) / (one * two)


def pairwise_distance(
    x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """‖x₁ − x₂ + eps‖ₚ over the last axis."""
    return vector_norm(x1 - x2 + eps, ord=p, axis=-1, keepdims=keepdim)


def positive_part(x: Any) -> Any:
    """max(x, 0)."""
    return ops.clip(x, 0)


def cosine_embedding_loss(
    input1: Any,
    input2: Any,
    target: Any,
    margin: float = 0,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """1 − cos(x₁, x₂) where the target is 1, max(0, cos(x₁, x₂) − margin) where it is −1.

    Inputs (batch, width) or (width,), targets (batch,) or ().

    >>> import localgrad as lg
    >>> x = lg.asarray([[1.0, 0.0]])
    >>> float(lg.nn.functional.cosine_embedding_loss(x, x, lg.asarray([-1])))
    1.0
    """
    target, tiny = tensor(target), 1e-12  # as PyTorch guards the lengths here
    squares = [ops.sum(x * x, axis=-1) + tiny for x in (input1, input2)]
    cosine = ops.sum(input1 * input2, axis=-1) / ops.sqrt(squares[0] * squares[1])
    apart = ops.where(ops.equal(target, -1), positive_part(cosine - margin), 0)
    losses = ops.where(ops.equal(target, 1), 1 - cosine, apart)
    return reduced(losses, reduction_of(size_average, reduce, reduction))


def triplet_margin_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, d(anchor, positive) − d(anchor, negative) + margin), d the p-norm of differences.

    Shapes (batch, width) or (width,). With `swap`, d(positive, negative) stands in where it is the
    smaller (Balntas et al., 2016).

    >>> import localgrad as lg
    >>> x = lg.asarray([[0.0, 0.0]])
    >>> round(float(lg.nn.functional.triplet_margin_loss(x, x, x + 3.0, p=1)), 4)
    0.0
    """
    return triplet_margin_with_distance_loss(
        anchor,
        positive,
        negative,
        distance_function=lambda a, b: pairwise_distance(a, b, p, eps),
        margin=margin,
        swap=swap,
        reduction=reduction_of(size_average, reduce, reduction),
    )


def triplet_margin_with_distance_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    *,
    distance_function: Callable[[Any, Any], Any] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """max(0, d(anchor, positive) − d(anchor, negative) + margin), d a function of one's own."""
    if margin <= 0:
        raise errors.triplet_margin(margin, here())
    distance = pairwise_distance if distance_function is None else distance_function
    apart = distance(anchor, negative)
    if swap:
        apart = ops.minimum(apart, distance(positive, negative))
    return reduced(positive_part(distance(anchor, positive) - apart + margin), reduction)


def margin_ranking_loss(
    input1: Any,
    input2: Any,
    target: Any,
    margin: float = 0,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, −t · (x₁ − x₂) + margin): x₁ should rank higher where t is 1, lower where −1."""
    losses = positive_part(-tensor(target) * (input1 - input2) + margin)
    return reduced(losses, reduction_of(size_average, reduce, reduction))


def hinge_embedding_loss(
    input: Any,
    target: Any,
    margin: float = 1.0,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """x where the target is 1, max(0, margin − x) where it is −1; x a distance."""
    target = tensor(target)
    near = ops.where(ops.equal(target, -1), 0, input)
    far = ops.where(ops.equal(target, 1), 0, positive_part(margin - input))
    return reduced(near + far, reduction_of(size_average, reduce, reduction))
