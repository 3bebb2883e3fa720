"""Linear layers and embeddings."""

from __future__ import annotations

from typing import Any

from localgrad import kernels, ops
from localgrad.local.composite import composite
from localgrad.local.linear import Linear
from localgrad.local.linear import linear as linear_map
from localgrad.ops.network import rules


def _linear_derived(x: Any, weight: Any, bias: Any) -> Any:
    y = ops.matmul(x, ops.matrix_transpose(weight))
    return y if bias is None else y + bias


def _linear_forward(x: Any, weight: Any, bias: Any, clamp: bool = False) -> Any:
    return kernels.linear(x, weight, bias, clamp), None


def _linear_backward(g: Any, saved: Any, needs: Any, x: Any, weight: Any, bias: Any) -> Any:
    return kernels.linear_backward(g, x, weight, needs)


linear = composite(
    "linear",
    _linear_derived,
    _linear_forward,
    _linear_backward,
    rule=rules.LINEAR,
    doc="x · weightᵀ + bias; x (…, in), weight (out, in), bias (out,) or None.",
    example=lambda rng: (
        (rng.standard_normal((3, 4)), rng.standard_normal((2, 4)), rng.standard_normal(2)), {}
    ),
)

embedding = linear_map(
    "embedding",
    lambda weight, index: kernels.gather_rows(weight, index),
    lambda g, like, index: embedding_adjoint.run(g, index=index, count=like.shape[0]),
    doc="weight[index]: a row of the table for every number in `index`.",
    example=lambda rng: (
        (rng.standard_normal((5, 3)),), {"index": rng.integers(0, 5, (2, 4))}
    ),
)
embedding_adjoint: Linear = linear_map(
    "embedding_adjoint",
    lambda g, index, count: kernels.scatter_rows(g, index, count),
    lambda g, index: embedding.run(g, index=index),
    doc="Rows of g added into a table of `count` rows at `index`: the adjoint of `embedding`.",
    example=lambda rng: (
        (rng.standard_normal((2, 4, 3)),), {"index": rng.integers(0, 5, (2, 4)), "count": 5}
    ),
)
