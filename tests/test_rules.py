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
    recurrent,
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


def test_running_products() -> None:
    x = np.array([2.0, 0.0, -1.0, 3.0])
    y = lg.asarray(x, requires_grad=True)
    g = draw(4)
    (sent,) = lg.gradients(lg.cumulative_prod(y), [y], lg.asarray(g))
    expected = [
        sum(g[k] * np.prod(np.delete(x[: k + 1], j)) for k in range(j, 4)) for j in range(4)
    ]
    agree([sent.numpy()], [np.array(expected)])


def unrolled(op: Any, gates: int, cell: bool) -> tuple[list[Any], list[Any], list[Any]]:
    """Arrays, upstreams of every output and of the last states, and what the fused op sends."""
    states = [draw(2, 5)] * (1 + cell)
    arrays = [draw(3, 2, 4), *states, draw(5 * gates, 4), draw(5 * gates, 5)]
    arrays += [draw(5 * gates), draw(5 * gates)]
    tensors = [lg.asarray(a, requires_grad=True) for a in arrays]
    outputs = op(*tensors)
    ups = [draw(*y.shape) for y in outputs]
    sent = lg.gradients(outputs, tensors, [lg.asarray(g) for g in ups])
    return arrays, ups, [d.numpy() for d in sent]


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def back_through_time(x: Any, before: list[Any], d: list[Any], e: list[Any], w_ih: Any) -> Any:
    """What the weights and the input receive, from D and E (D itself but for a GRU)."""
    return (
        np.stack([d[t] @ w_ih for t in range(3)]),
        [
            sum(d[t].T @ x[t] for t in range(3)),
            sum(e[t].T @ before[t] for t in range(3)),
            sum(d[t].sum(0) for t in range(3)),
            sum(e[t].sum(0) for t in range(3)),
        ],
    )


def test_rnn() -> None:
    (x, h, w_ih, w_hh, b_ih, b_hh), (g, last), sent = unrolled(recurrent.rnn, 1, False)
    before, after = [], []
    state = h
    for t in range(3):
        before.append(state)
        state = np.tanh(x[t] @ w_ih.T + b_ih + state @ w_hh.T + b_hh)
        after.append(state)
    d, arriving = [None] * 3, last
    for t in (2, 1, 0):
        d[t] = (g[t] + arriving) * (1 - after[t] ** 2)
        arriving = d[t] @ w_hh
    dx, weights = back_through_time(x, before, d, d, w_ih)
    agree(sent, [dx, arriving, *weights])


def test_lstm() -> None:
    (x, h, c, w_ih, w_hh, b_ih, b_hh), (g, last_h, last_c), sent = unrolled(
        recurrent.lstm, 4, True
    )
    steps, before = [], []
    for t in range(3):
        a = np.split(x[t] @ w_ih.T + b_ih + h @ w_hh.T + b_hh, 4, axis=1)
        i, f, z, o = sigmoid(a[0]), sigmoid(a[1]), np.tanh(a[2]), sigmoid(a[3])
        before.append(h)
        steps.append((i, f, z, o, c, f * c + i * z))
        c = f * c + i * z
        h = o * np.tanh(c)
    d, to_h, to_c = [None] * 3, last_h, last_c
    for t in (2, 1, 0):
        i, f, z, o, old, c = steps[t]
        H = g[t] + to_h
        C = H * o * (1 - np.tanh(c) ** 2) + to_c
        parts = C * z * i * (1 - i), C * old * f * (1 - f), C * i * (1 - z * z)
        d[t] = np.concatenate([*parts, H * np.tanh(c) * o * (1 - o)], axis=1)
        to_h, to_c = d[t] @ w_hh, C * f
    dx, weights = back_through_time(x, before, d, d, w_ih)
    agree(sent, [dx, to_h, to_c, *weights])


def test_gru() -> None:
    (x, h, w_ih, w_hh, b_ih, b_hh), (g, last), sent = unrolled(recurrent.gru, 3, False)
    steps, before = [], []
    for t in range(3):
        a = np.split(x[t] @ w_ih.T + b_ih, 3, axis=1)
        b = np.split(h @ w_hh.T + b_hh, 3, axis=1)
        r, u = sigmoid(a[0] + b[0]), sigmoid(a[1] + b[1])
        n = np.tanh(a[2] + r * b[2])
        before.append(h)
        steps.append((r, u, n, b[2]))
        h = (1 - u) * n + u * h
    d, e, arriving = [None] * 3, [None] * 3, last
    for t in (2, 1, 0):
        r, u, n, s = steps[t]
        H = g[t] + arriving
        N = H * (1 - u) * (1 - n * n)
        gates = N * s * r * (1 - r), H * (before[t] - n) * u * (1 - u)
        d[t], e[t] = (np.concatenate([*gates, last], axis=1) for last in (N, N * r))
        arriving = u * H + e[t] @ w_hh
    dx, weights = back_through_time(x, before, d, e, w_ih)
    agree(sent, [dx, arriving, *weights])
