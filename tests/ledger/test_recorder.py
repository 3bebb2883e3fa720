"""The recorder on unusual graphs: several outputs, several sweeps, views, checkpoints, no model."""

from __future__ import annotations

import json
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


def two_outputs() -> tuple[Any, Any]:
    """A decomposition of which both outputs are used, one of them twice."""
    w = leaf(4, 3)
    q, r = lg.linalg.qr(w)
    return w, (q**3).sum() + (3 * r).sum() + (r * r).sum()


def test_several_outputs_split_by_slot() -> None:
    with lg.Ledger(level="edges") as ledger:
        w, loss = two_outputs()
        loss.backward()
    node = next(n for n in ledger.nodes if n.op == "qr")
    edges = ledger.record.arrived(node)
    assert sorted(edge.slot for edge in edges) == [0, 1]
    assert sum(edge.share or 0.0 for edge in edges) == pytest.approx(1)
    assert node.balance == 0
    total = sum(np.linalg.norm(edge.contribution) ** 2 for edge in edges) ** 0.5
    assert node.upstream.norm == pytest.approx(total, rel=1e-6)  # type: ignore[union-attr]
    (edge,) = ledger.record.arrived(ledger.of(w))
    assert edge.norm == pytest.approx(np.linalg.norm(w.grad.numpy()), rel=1e-6)


def test_a_wrong_sum_of_one_of_several_outputs_is_an_imbalance(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from localgrad.graph import reverse

    right = reverse.add

    def doubles(a: Any, b: Any, in_place: bool) -> Any:
        total = right(a, b, in_place)
        return tuple(2 * g for g in total) if isinstance(total, tuple) else total

    for broken in (False, True):
        with lg.Ledger() as ledger:
            _, loss = two_outputs()
            if broken:
                monkeypatch.setattr(reverse, "add", doubles)
            loss.backward()
        named = [ledger.nodes[f.node or 0].op for f in ledger.findings() if f.kind == "imbalance"]
        assert named == (["qr"] if broken else [])


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
    assert [node.kind for node in ledger.nodes].count("loss") == 1


def test_a_sweep_inside_a_sweep_leaves_the_outer_ones_books_alone() -> None:
    def inner(g: Any, x: Any) -> Any:
        y = lg.asarray(x, requires_grad=True)
        with lg.enable_grad():
            (y**3).sum().backward()
        return g * y.grad.numpy()

    cubed = lg.custom("cubed", forward=lambda x: x**3, vjp=inner)
    w = leaf(4)
    with lg.Ledger() as ledger:
        h = lg.tanh(w)
        (cubed(h) + h).sum().backward()
    assert ledger.record.loss is not None
    assert [node.kind for node in ledger.nodes].count("loss") == 1
    assert len(ledger.record.arrived(ledger.of(h))) == 2
    assert ledger.findings() == []


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


def large_join(level: str) -> tuple[lg.Ledger, Any, Any]:
    """Two uses of a value of 6000 elements, whose own gradient is retained."""
    x, w = lg.asarray(np.random.default_rng(1).normal(size=(60, 4)), requires_grad=True), leaf(100)
    with lg.Ledger(level=level) as ledger:
        h = lg.tanh(lg.reshape(x, (60, 4))[:, :1] * w)
        h.retain_grad()
        (h * h).sum().backward(retain_graph=True)
    return ledger, h, w


def test_contributions_at_joins_are_kept_whole_whatever_their_size() -> None:
    ledger, h, _ = large_join("edges")
    kept = [edge.contribution for edge in ledger.record.arrived(ledger.of(h))]
    assert [part.shape for part in kept] == [(60, 100)] * 2
    for part in kept:
        np.testing.assert_array_equal(part, h.numpy())
        with pytest.raises(ValueError, match="read-only"):
            part[0, 0] = 1.0
    text = json.loads(ledger.to_json())
    assert all(c is None for c in text["edges"]["contribution"])  # too long to be written out


def test_kept_contributions_outlive_what_is_done_to_the_gradients() -> None:
    ledger, h, w = large_join("edges")
    h.grad.value[...] = 7.0  # it is the user's from now on
    w.grad.value[...] = 7.0
    for edge in ledger.record.arrived(ledger.of(h)):
        np.testing.assert_array_equal(edge.contribution, h.numpy())


def test_a_retained_gradient_that_is_itself_a_contribution_is_copied() -> None:
    w = leaf(5)
    with lg.Ledger(level="edges") as ledger:
        h = w + 1.0
        k = h + 0.0  # hands on, untouched, what it was given
        k.retain_grad()
        (3 * k + 2 * h).sum().backward()
    k.grad.value[...] = 99.0
    kept = sorted(edge.contribution[0] for edge in ledger.record.arrived(ledger.of(h)))
    assert kept == [2.0, 3.0]


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


def test_a_look_inside_of_an_lstm_shows_its_gates_step_by_step() -> None:
    lg.manual_seed(0)
    model = lg.nn.LSTM(3, 4)
    x = lg.asarray(np.random.default_rng(0).normal(size=(6, 2, 3)))
    model.double()
    found = {}
    for inside in ((), ("lstm",)):
        model.zero_grad()
        with lg.Ledger(model, "edges", inside=inside) as ledger:
            loss = (model(x)[0] ** 2).sum()
            loss.backward()
        found[inside] = ledger, loss.item(), [p.grad.numpy().copy() for p in model.parameters()]
    fused, opened = found.values()
    assert fused[1] == pytest.approx(opened[1], rel=1e-12)
    for a, b in zip(fused[2], opened[2]):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
    assert [node.op for node in fused[0].nodes].count("lstm") == 1
    forget = [node for node in opened[0].nodes if node.label == "forget_gate"]
    assert [(node.op, node.step) for node in forget] == [("sigmoid", t) for t in range(6)]
    assert all(node.where.startswith("recurrent.py:") for node in forget)
    uses = opened[0].record.arrived(opened[0].of("weight_hh_l0"))
    assert len(uses) == 6 and sum(edge.share for edge in uses) == pytest.approx(1)
    assert not opened[0].findings()
    text = str(opened[0].explain("weight_hh_l0"))
    assert ", step 5 (`weight`)" in text and text.count("rule:") == 1
    assert not state.inside  # closed again


def test_only_fused_operations_can_be_looked_inside() -> None:
    with pytest.raises(lg.LocalgradError, match="Did you mean 'lstm'"):
        lg.Ledger(inside=["lstmm"])
