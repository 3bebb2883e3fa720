"""The audit finds each of ten planted wrong backwards by name, and accuses no right one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import localgrad as lg
from tests.ledger.gallery import HEALTHY, Case, draw, weight

Backward = Callable[..., Any]
Rules = tuple[Callable[..., Any], Backward, Backward]

# name: forward, the right backward, a wrong one that somebody has written before.
PLANTED: dict[str, Rules] = {
    "square_without_two": (lambda x: x * x, lambda g, x: 2 * g * x, lambda g, x: g * x),
    "tanh_of_x_not_y": (
        np.tanh,
        lambda g, x: g * (1 - np.tanh(x) ** 2),
        lambda g, x: g * (1 - x**2),
    ),
    "sigmoid_sign": (
        lambda x: 1 / (1 + np.exp(-x)),
        lambda g, y: g * y * (1 - y),
        lambda g, y: g * y * (y - 1),
    ),
    "relu_by_output_sign": (
        lambda x: np.where(x > 0, x, 0.1 * x),
        lambda g, x: np.where(x > 0, g, 0.1 * g),
        lambda g, x: np.where(x > 0, g, 0 * g),
    ),
    "softmax_diagonal_only": (
        lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True),
        lambda g, y: y * (g - (g * y).sum(-1, keepdims=True)),
        lambda g, y: g * y * (1 - y),
    ),
    "mean_as_a_sum": (
        lambda x: x - x.mean(-1, keepdims=True),
        lambda g, x: g - g.mean(-1, keepdims=True),
        lambda g, x: g - g.sum(-1, keepdims=True),
    ),
    "normalisation_without_the_variance": (
        lambda x: x / np.sqrt((x * x).mean(-1, keepdims=True)),
        lambda g, x, y: (
            (g - y * (g * y).mean(-1, keepdims=True)) / np.sqrt((x * x).mean(-1, keepdims=True))
        ),
        lambda g, x, y: g / np.sqrt((x * x).mean(-1, keepdims=True)),
    ),
    "shift_in_the_wrong_direction": (
        lambda x: np.roll(x, 1, -1),
        lambda g, x: np.roll(g, -1, -1),
        lambda g, x: np.roll(g, 1, -1),
    ),
    "cumulative_sum_not_reversed": (
        lambda x: np.cumsum(x, -1),
        lambda g, x: np.flip(np.cumsum(np.flip(g, -1), -1), -1),
        lambda g, x: np.cumsum(g, -1),
    ),
    "one_element_forgotten": (
        lambda x: 3 * x,
        lambda g, x: 3 * g,
        lambda g, x: np.concatenate([3 * g[..., :-1], 0 * g[..., -1:]], -1),
    ),
}


def audited(rule: Any) -> tuple[Any, lg.Ledger]:
    first, second = weight(8, 6), weight(6, 3)
    with lg.Ledger() as ledger:
        h = rule(draw(16, 8) @ first)
        (lg.tanh(h @ second) ** 2).mean().backward()
    return ledger.audit(), ledger


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_wrong_backward_is_found_by_name(name: str) -> None:
    forward, _, wrong = PLANTED[name]
    audit, ledger = audited(lg.custom(name, forward, wrong))
    assert [ledger.nodes[f.node or 0].op for f in audit.findings] == [name]
    assert not audit.ok and name in str(audit)
    (finding,) = [f for f in ledger.findings() if f.kind == "mismatch"]
    assert (finding.where or "").startswith("test_audit.py:") and name in finding.message


@pytest.mark.parametrize("name", PLANTED)
def test_the_right_backward_of_the_same_is_not_accused(name: str) -> None:
    forward, right, _ = PLANTED[name]
    audit, ledger = audited(lg.custom(name, forward, right))
    assert audit.ok, str(audit)
    assert not audit.skipped
    assert len({row.node for row in audit.rows}) == len(
        [n for n in ledger.nodes if n.kind in ("op", "loss")]
    )


@pytest.mark.parametrize("case", HEALTHY, ids=lambda case: case.name)
def test_no_operation_of_a_healthy_model_is_accused(case: Case) -> None:
    lg.manual_seed(0)
    model, step = case.build()
    with np.errstate(all="ignore"), lg.Ledger(model) as ledger:
        step()
    audit = ledger.audit()
    assert audit.ok, str(audit)


def test_a_wrong_backward_deep_inside_a_large_model_is_found() -> None:
    forward, _, wrong = PLANTED["softmax_diagonal_only"]
    bad = lg.custom("hidden_softmax", forward, wrong)
    weights = [weight(4, 4, seed=i, scale=0.6) for i in range(300)]
    with lg.Ledger() as ledger:
        h = draw(3, 4)
        for number, w in enumerate(weights):
            h = (bad if number == 217 else lg.tanh)(h @ w) + 0.5 * h
        h.mean().backward()
    assert len(ledger.nodes) > 1000
    (finding,) = ledger.audit().findings
    assert ledger.nodes[finding.node or 0].op == "hidden_softmax"
