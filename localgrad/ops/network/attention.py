"""Scaled dot-product attention: scores, softmax, mixture, in one."""

from __future__ import annotations

from typing import Any

from localgrad import kernels, ops
from localgrad.kernels import reference as xp
from localgrad.kernels.reference_attention import later
from localgrad.local.composite import composite
from localgrad.local.operation import as_raw
from localgrad.ops.network import rules


def _derived(
    q: Any, k: Any, v: Any, mask: Any = None, causal: bool = False, scale: float = 1.0,
    kept: Any = None,
) -> Any:  # fmt: skip
    scores = ops.matmul(q * scale, ops.matrix_transpose(k))
    if mask is not None:
        scores = scores + mask
    if causal:
        scores = ops.where(later(*scores.shape[-2:]), -xp.inf, scores)
    # A query with nothing to attend to has weights of zero.
    blind = xp.all(as_raw(scores) == -xp.inf, axis=-1, keepdims=True)
    if blind.any():
        scores = ops.where(blind, 0, scores)
        weights = ops.where(blind, 0, ops.softmax(scores, axis=-1))
    else:
        weights = ops.softmax(scores, axis=-1)
    return ops.matmul(weights if kept is None else weights * kept, v)


def _forward(
    q: Any, k: Any, v: Any, mask: Any = None, causal: bool = False, scale: float = 1.0,
    kept: Any = None,
) -> Any:  # fmt: skip
    return kernels.attention(q, k, v, mask, causal, scale, kept)


def _backward(
    g: Any, weights: Any, needs: Any, q: Any, k: Any, v: Any, mask: Any = None,
    causal: bool = False, scale: float = 1.0, kept: Any = None,
) -> list[Any]:  # fmt: skip
    return kernels.attention_backward(g, q, k, v, weights, scale, kept, needs)


attention = composite(
    "attention",
    _derived,
    _forward,
    _backward,
    arguments=("q", "k", "v"),
    rule=rules.ATTENTION,
    doc=(
        "softmax(q kᵀ · scale + mask) v (Vaswani et al., 2017); q, k and v share their leading "
        "axes. `kept` is dropout's draw on the weights."
    ),
    example=lambda rng: (
        tuple(rng.standard_normal(s) for s in ((2, 3, 4), (2, 5, 4), (2, 5, 3))),
        {"causal": True, "scale": 0.5},
    ),
)
