"""The rules of fused operations, as people read them, restated in NumPy beside what runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import localgrad as lg
from localgrad.ledger.describe import formula_of
from localgrad.local.composite import Composite
from localgrad.local.operation import Operation
from localgrad.ops import activation
from localgrad.ops.network import (
    attention,
    convolution,
    cross_entropy,
    dense,
    normalisation,
    pooling,
    rules,
)

RNG = np.random.default_rng(0)
COMPOSITES = [
    op
    for op in Operation.registry
    if isinstance(op, Composite) and op.rule and len(op.arguments) > 1
]


@pytest.mark.parametrize("op", COMPOSITES, ids=lambda op: op.name)
def test_a_rule_says_what_every_argument_receives(op: Composite) -> None:
    formula = formula_of(op)
    for name in op.arguments:
        assert any(
            line.startswith((f"{name} ← ", f"{name}[")) for line in formula.text.split(",  ")
        ), name
    assert formula.latex is not None
    assert formula.latex.count(r",\quad ") == formula.text.count(",  ")


def found(op: Any, *arrays: Any, **options: Any) -> tuple[Any, list[Any]]:
    """An upstream, and what the fused backward sends to each argument for it."""
    tensors = [lg.asarray(a, requires_grad=True) for a in arrays]
    y = op(*tensors, **options)
    g = np.asarray(RNG.normal(size=y.shape))
    return g, [d.numpy() for d in lg.gradients(y, tensors, lg.asarray(g))]


def draw(*shape: int) -> Any:
    return RNG.normal(size=shape)


def agree(here: list[Any], there: list[Any]) -> None:
    for a, b in zip(here, there, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)


def test_linear() -> None:
    x, weight = draw(3, 4), draw(2, 4)
    g, sent = found(dense.linear, x, weight, draw(2))
    agree(sent, [g @ weight, g.T @ x, g.sum(0)])


@pytest.mark.parametrize("axis", ["layer", "batch"])
def test_normalisation(axis: str) -> None:
    x = draw(5, 4)
    weight = draw(4)
    over = -1 if axis == "layer" else 0
    op = normalisation.layer_norm if axis == "layer" else normalisation.batch_norm
    g, sent = found(op, x, weight, draw(4))
    sigma = np.sqrt(x.var(over, keepdims=True) + 1e-5)
    z = (x - x.mean(over, keepdims=True)) / sigma
    h = g * weight
    dx = (h - h.mean(over, keepdims=True) - z * (h * z).mean(over, keepdims=True)) / sigma
    agree(sent, [dx, (g * z).sum(0), g.sum(0)])


def test_attention() -> None:
    q, k, v = draw(3, 4), draw(5, 4), draw(5, 2)
    g, sent = found(attention.attention, q, k, v, scale=0.5)
    weights = np.exp(0.5 * q @ k.T)
    p = weights / weights.sum(-1, keepdims=True)
    e = g @ v.T
    d = p * (e - (p * e).sum(-1, keepdims=True))
    agree(sent, [0.5 * d @ k, 0.5 * d.T @ q, p.T @ g])


def test_cross_entropy() -> None:
    x, target, weight = draw(4, 3), np.array([0, 2, 1, 1]), np.array([1.0, 2.0, 3.0])
    g, sent = found(cross_entropy.cross_entropy, x, target=target, weight=weight)
    p = np.exp(x) / np.exp(x).sum(-1, keepdims=True)
    q = weight[target][:, None] * np.eye(3)[target]
    agree(sent, [g * (p * q.sum(-1, keepdims=True) - q) / weight[target].sum()])


def test_convolution() -> None:
    x, weight, (s, p, d) = draw(2, 3, 9), draw(4, 3, 2), (2, 1, 3)
    g, sent = found(
        convolution.convolution_with_bias,
        x,
        weight,
        draw(4),
        stride=(s,),
        padding=(p,),
        dilation=(d,),
        groups=1,
    )
    dx, dw = np.zeros_like(x), np.zeros_like(weight)
    for j in range(g.shape[2]):
        for k in range(2):
            i = s * j + d * k - p
            if 0 <= i < 9:
                dx[:, :, i] += g[:, :, j] @ weight[:, :, k]
                dw[:, :, k] += g[:, :, j].T @ x[:, :, i]
    agree(sent, [dx, dw, g.sum((0, 2))])


def test_gelu() -> None:
    from scipy.stats import norm

    x = draw(6)
    g, sent = found(activation.gelu_fused, x)
    agree(sent, [g * (norm.cdf(x) + x * norm.pdf(x))])


def test_max_pool_is_told_in_one_line() -> None:
    assert pooling.max_pool.rule is rules.MAX_POOL
    assert rules.MAX_POOL.text.count("←") == 1
