"""The recorder on unusual graphs: several outputs, several sweeps, views, checkpoints, no model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import localgrad as lg
from localgrad.graph.record import state
from localgrad.ledger.measure import Moments


def leaf(*shape: int, seed: int = 0) -> Any:
    random = np.random.default_rng(seed)
    return lg.asarray(random.normal(size=shape).astype("float32"), requires_grad=True)


def test_without_a_ledger_nothing_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: Any) -> None:
        raise AssertionError("measured although no ledger is open")

    monkeypatch.setattr(Moments, "add", forbidden)
    w = leaf(3, 3)
    lg.tanh(w @ w).sum().backward()
    assert state.observer is None and w.grad is not None


def test_an_error_inside_closes_the_ledger() -> None:
    with pytest.raises(ZeroDivisionError), lg.Ledger():
        raise ZeroDivisionError
    assert state.observer is None


def test_each_sweep_has_its_own_page() -> None:
    w = leaf(4)
    with lg.Ledger() as ledger:
        for factor in (1.0, 3.0):
            (factor * lg.tanh(w)).sum().backward()
    records = [node for node in ledger.nodes if node.kind == "parameter"]
    assert [node.sweep for node in records] == [0, 1]
    first, second = (node.upstream.norm for node in records if node.upstream)
    assert second == pytest.approx(3 * first)
    assert ledger.of(w).sweep == 1
    assert [node.kind for node in ledger.nodes].count("loss") == 2


def test_one_graph_swept_twice_is_two_pages_of_the_same_nodes() -> None:
    w = leaf(4)
    with lg.Ledger() as ledger:
        loss = lg.tanh(w).sum()
        loss.backward(retain_graph=True)
        loss.backward()
    pages = [[n.op for n in ledger.nodes if n.sweep == sweep] for sweep in (0, 1)]
    assert pages[0] == pages[1] == ["parameter", "tanh", "sum"]


def test_several_outputs_split_by_slot() -> None:
    w = leaf(4, 6)
    with lg.Ledger() as ledger:
        a, b = lg.split(w, 2, axis=1)
        ((a * a).sum() + (3 * b).sum()).backward()
    edges = ledger.record.arrived(next(n for n in ledger.nodes if n.names))
    assert edges and sum(edge.share or 0.0 for edge in edges) == pytest.approx(1)
    total = np.linalg.norm(w.grad.numpy())
    assert ledger.of(w).upstream.norm == pytest.approx(total)  # type: ignore[union-attr]


def test_unrolled_steps_are_numbered_and_a_straight_line_is_not() -> None:
    w = leaf(3, 3)
    with lg.Ledger() as ledger:
        h = lg.ones((2, 3))
        for _ in range(5):
            h = lg.tanh(h @ w)
        h.sum().backward()
    assert [n.step for n in ledger.nodes if n.op == "tanh"] == [0, 1, 2, 3, 4]
    assert [n.step for n in ledger.nodes if n.op == "sum"] == [None]
    used = ledger.record.arrived(ledger.of(w))
    assert len(used) == 5 and sum(edge.share or 0.0 for edge in used) == pytest.approx(1)


def test_modules_of_one_structure_share_a_group() -> None:
    model = lg.nn.Sequential(lg.nn.Linear(3, 3), lg.nn.Linear(3, 3), lg.nn.Linear(3, 2))
    with lg.Ledger(model) as ledger:
        model(lg.ones((2, 3))).sum().backward()
    groups = {module.path: (module.group, module.count) for module in ledger.record.modules}
    assert groups["0"] == groups["1"] and groups["0"][1] == 2
    assert groups["2"][1] == 1 and groups["2"][0] != groups["0"][0]


def test_a_tied_weight_is_one_node_with_all_its_names() -> None:
    class Tied(lg.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = lg.nn.Linear(3, 3), lg.nn.Linear(3, 3)
            self.second.weight = self.first.weight

        def forward(self, x: Any) -> Any:
            return self.second(lg.tanh(self.first(x)))

    model = Tied()
    with lg.Ledger(model) as ledger:
        model(lg.ones((2, 3))).sum().backward()
    node = ledger.of("second.weight")
    assert node.names == ["first.weight", "second.weight"] and node == ledger.of("first.weight")
    assert len(node.arrived) == 2


def test_a_ledger_opened_after_the_forward_still_records_the_backward() -> None:
    w = leaf(3, 3)
    loss = lg.tanh(w @ w).sum()
    with lg.Ledger() as ledger:
        loss.backward()
    norm = np.linalg.norm(w.grad.numpy())
    assert ledger.of(w).upstream.norm == pytest.approx(norm)  # type: ignore[union-attr]
    assert ledger.audit().skipped


def test_a_checkpoint_is_one_node_and_its_gradient_is_recorded() -> None:
    w = leaf(3, 3)
    with lg.Ledger() as ledger:
        h = lg.checkpoint(lambda x: lg.tanh(x @ w))(lg.ones((2, 3)) * 1.0)
        (h * h).sum().backward()
    norm = np.linalg.norm(w.grad.numpy())
    assert ledger.of(w).upstream.norm == pytest.approx(norm)  # type: ignore[union-attr]


def test_a_recorded_sweep_and_the_sweep_over_it_are_both_in_the_ledger() -> None:
    w = leaf(3)
    with lg.Ledger() as ledger:
        slope = lg.gradients((w**3).sum(), w, create_graph=True)
        (slope * slope).sum().backward()
    assert w.grad.numpy() == pytest.approx(36 * w.numpy() ** 3, rel=1e-4)
    last = ledger.of(w)
    assert last.sweep == 1
    assert last.upstream.norm == pytest.approx(  # type: ignore[union-attr]
        np.linalg.norm(w.grad.numpy()), rel=1e-5
    )


def test_values_that_are_only_rearranged_have_the_numbers_of_what_they_show() -> None:
    w = leaf(3, 4)
    with lg.Ledger() as ledger:
        h = lg.reshape(lg.permute_dims(w * 2.0, (1, 0)), (12,))
        (h * lg.arange(12, dtype=lg.float32)).sum().backward()
    seen = {node.op: node for node in ledger.nodes}
    for op in ("permute_dims", "reshape"):
        assert seen[op].value.norm == pytest.approx(  # type: ignore[union-attr]
            2 * np.linalg.norm(w.numpy())
        )
        assert seen[op].upstream.norm == pytest.approx(  # type: ignore[union-attr]
            np.linalg.norm(np.arange(12.0))
        )


def test_levels_keep_what_they_say() -> None:
    kept = {}
    for level in ("norms", "edges", "values"):
        w = leaf(3)
        with lg.Ledger(level=level) as ledger:
            h = lg.tanh(w)
            (h * h + w).sum().backward()
        kept[level] = [edge.contribution is not None for edge in ledger.edges]
        extremes = [n.upstream.maximum for n in ledger.nodes if n.upstream]  # type: ignore
        assert all((maximum is not None) == (level == "values") for maximum in extremes)
        for edge in ledger.edges:
            if edge.contribution is not None:
                assert np.linalg.norm(edge.contribution) == pytest.approx(edge.norm)
    assert not any(kept["norms"])
    assert 0 < sum(kept["edges"]) < len(kept["edges"])
    assert all(kept["values"])


def test_nodes_are_found_at_the_users_lines() -> None:
    w = leaf(2)
    with lg.Ledger() as ledger:
        h = lg.tanh(w)
        h.sum().backward()
    node = ledger.of(h)
    assert node.line is not None and (node.where or "").startswith("test_recorder.py:")
    assert node.function == "test_nodes_are_found_at_the_users_lines"
    snippet = ledger.record.sources[node.file or ""]
    assert "lg.tanh(w)" in snippet.lines[node.line - snippet.first_line]
