"""Why a gradient is None or exactly zero, in words, with the line."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import localgrad as lg
from tests.ledger.gallery import draw, weight


def line_of(function: Callable[..., Any], mark: str = "# <- here") -> str:
    lines, first = inspect.getsourcelines(function)
    (number,) = [first + i for i, line in enumerate(lines) if mark in line]
    return f"test_absence.py:{number}"


def detached(w: Any) -> Any:
    h = lg.tanh(draw(5, 4) @ w).detach()  # <- here
    return (h * weight(4)).sum()


def without_gradient(w: Any) -> Any:
    with lg.no_grad():
        h = draw(5, 4) @ w  # <- here
    return (h * weight(4)).sum()


def integers(w: Any) -> Any:
    chosen = lg.argmax(draw(5, 4) @ w, axis=-1)  # <- here
    return (chosen * weight(5)).sum()


def flat(w: Any) -> Any:
    return (lg.floor(draw(5, 4) @ w) * weight(4)).sum()  # <- here


def dead(w: Any) -> Any:
    return (lg.relu(draw(5, 4) @ w - 1000.0)).sum()  # <- here


def saturated(w: Any) -> Any:
    return lg.tanh(draw(5, 4) @ w + 1000.0).sum()  # <- here


def masked(w: Any) -> Any:
    return lg.where(np.zeros((5, 4), bool), draw(5, 4) @ w, 1.0).sum()  # <- here


def times_zero(w: Any) -> Any:
    v = lg.asarray(np.zeros((4, 2), "float32"), requires_grad=True)
    return (draw(5, 4) @ w @ v).sum()  # <- here


def cancelled(w: Any) -> Any:
    h = draw(5, 4) @ w
    return (h - h).sum()


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (detached, "detached at "),
        (without_gradient, "computed under no_grad at "),
        (integers, "turned into integers `argmax` at "),
        (flat, "flat operation: the local gradient of `floor` at "),
        (dead, "dead units: no element of `relu` at "),
        (saturated, "saturated: the local gradient of `tanh` at "),
        (masked, "masked: `where` at "),
        (times_zero, "`matmul` at "),
    ],
)
def test_the_reason_and_its_line(function: Callable[..., Any], words: str) -> None:
    w = weight(4, 4)
    with lg.Ledger() as ledger:
        function(w).backward()
    absence = ledger.of(w).absence or ""
    assert absence.startswith(words), absence
    assert line_of(function) in absence, absence


def test_contributions_that_cancel_exactly() -> None:
    w = weight(4, 4)
    with lg.Ledger() as ledger:
        cancelled(w).backward()
    matmul = next(node for node in ledger.nodes if node.op == "matmul")
    assert matmul.absence == "2 contributions cancel exactly"


def test_a_value_outside_the_graph_of_this_loss() -> None:
    w, v = weight(4, 4), weight(4, 4)
    with lg.Ledger() as ledger:
        lg.tanh(v)
        lg.tanh(w).sum().backward()
    assert ledger.of(v).absence == "not in the graph of this loss"
    assert ledger.of(w).absence is None


def test_a_cut_edge_is_drawn_where_the_value_comes_back() -> None:
    w = weight(4, 4)
    with lg.Ledger() as ledger:
        detached(w).backward()
    (edge,) = [edge for edge in ledger.edges if edge.cut]
    assert ledger.nodes[edge.source].op == "tanh"
    assert ledger.nodes[edge.consumer].op == "multiply"
    assert edge.share is None and edge.norm is None


def test_of_a_line_that_cuts_in_a_loop_every_edge_starts_where_its_own_value_left() -> None:
    x = weight(4, 4)
    with lg.Ledger() as ledger:
        for _ in range(3):
            x = lg.tanh(x)
            x = lg.sin(x) * x.detach()
        x.sum().backward()
    tanhs = [node.id for node in ledger.nodes if node.op == "tanh"]
    products = [node.id for node in ledger.nodes if node.op == "multiply"]
    edges = [(edge.source, edge.consumer) for edge in ledger.edges if edge.cut]
    assert edges == list(zip(tanhs, products, strict=True))


def test_a_ledger_without_a_sweep_accuses_no_parameter() -> None:
    w = lg.asarray([1.0, 2.0], requires_grad=True)
    with lg.Ledger() as ledger:
        (w * w).sum()
    assert "backward() was not called" in (ledger.of(w).absence or "")
    assert ledger.findings() == []


def test_a_sweep_that_failed_accuses_no_parameter_behind_it() -> None:
    def fails(g: Any, x: Any) -> Any:
        raise ZeroDivisionError

    broken = lg.custom("broken", lambda x: 1 * x, fails)
    w = lg.asarray([1.0, 2.0], requires_grad=True)
    with pytest.raises(ZeroDivisionError), lg.Ledger() as ledger:
        broken(w * w).sum().backward()
    assert ledger.of(w).absence == "the sweep failed before it came here"
    assert ledger.findings() == []
