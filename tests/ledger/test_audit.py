"""The audit finds each of ten planted wrong backwards by name, and accuses no right one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import localgrad as lg
from localgrad.kernels import dispatch
from localgrad.local.audit import UNCHECKED, Point, examine
from localgrad.local.operation import Operation
from tests.ledger.gallery import BROKEN, HEALTHY, Case, draw, weight
from tests.ledger.test_gallery import record

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


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.name)
def test_what_is_wrong_with_a_broken_model_is_no_wrong_backward_unless_it_is(case: Case) -> None:
    found = record(case).audit()
    assert found.ok == (case.kind != "mismatch"), str(found)


EXAMPLES = [op for op in Operation.registry if op.example is not None and op.kind not in UNCHECKED]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("op", EXAMPLES, ids=lambda op: op.name)
def test_no_declared_operation_is_accused(op: Operation, dtype: str) -> None:
    assert op.example is not None
    arguments, options = op.example(np.random.default_rng(0))
    arguments = [np.asarray(a) for a in arguments]
    arguments = [a.astype(dtype) if a.dtype.kind == "f" else a for a in arguments]
    moving = [
        i
        for i, a in enumerate(arguments)
        if a.dtype.kind in "fc" and (op.variadic or op.partials[i] or not any(op.partials))
    ]
    tolerance = 1e-5 if dtype == "float64" else 1e-3
    trials = examine(Point(op, arguments, options, moving), np.random.default_rng(1), tolerance)
    assert trials and all(trial.worst() <= tolerance for trial in trials), trials


def test_a_wrong_part_does_not_hide_behind_a_larger_one() -> None:
    uneven = lg.custom(
        "uneven",
        forward=lambda a, b: 1e6 * a + b,
        vjp=lambda g, a, b: (1e6 * g, 1.01 * g),
    )
    a, b = weight(40, 30), weight(40, 30, seed=1)
    with lg.Ledger() as ledger:
        lg.tanh(uneven(a, b)).sum().backward()
    (finding,) = ledger.audit().findings
    assert finding.evidence["argument"] == "b"


def test_a_wrong_forward_mode_is_found() -> None:
    twisted = lg.custom(
        "twisted",
        forward=lambda x: x**2,
        vjp=lambda g, x: 2 * g * x,
        jvp=lambda t, x: 3 * t * x,
    )
    with lg.Ledger() as ledger:
        twisted(weight(4, 3)).sum().backward()
    (finding,) = ledger.audit().findings
    assert finding.evidence["against forward mode"] > 0.1
    with pytest.raises(lg.GradientMismatch, match=r"`twisted`.*by forward mode"):
        lg.check_gradients(twisted, np.array([0.5, 2.0]))


def test_a_kernel_that_is_wrong_in_the_models_own_precision_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    right = dispatch.cpu.gelu_backward
    monkeypatch.setattr(dispatch.cpu, "gelu_backward", lambda g, x: right(g, x) * np.float32(1.2))
    with lg.Ledger() as ledger:
        lg.nn.functional.gelu(draw(128, 100) @ weight(100, 100)).sum().backward()
    (finding,) = ledger.audit().findings
    assert "gelu" in finding.message and finding.evidence["against NumPy"] > 0.1


def test_the_audit_runs_no_kernel_in_double_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[str] = set()
    right = dispatch.cpu.linear

    def watched(x: Any, *others: Any) -> Any:
        seen.add(x.dtype.name)
        return right(x, *others)

    monkeypatch.setattr(dispatch.cpu, "linear", watched)
    model = lg.nn.Linear(200, 100)
    with lg.Ledger(model) as ledger:
        model(draw(64, 200)).sum().backward()
    assert ledger.audit().ok and seen == {"float32"}
