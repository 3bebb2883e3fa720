"""Identity with truth: every number of the ledger against sweeps that know nothing of it."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from localgrad.ledger.model import EdgeRecord  # noqa: E402
from localgrad.torch import Ledger  # noqa: E402
from tests.torch import truth  # noqa: E402
from tests.torch.networks import NETWORKS  # noqa: E402

LEVELS = ("norms", "edges", "values")
LARGEST_GAP = 1e-6


def record(name: str, level: str) -> tuple[Ledger, Any, list[Any]]:
    model, losses = NETWORKS[name]()
    with Ledger(model, level=level, accumulates=True) as ledger:
        swept = losses()
        for loss in swept:
            loss.backward(retain_graph=True)
    return ledger, model, swept


def dense(tensor: Any) -> Any:
    return tensor.to_dense() if tensor.is_sparse else tensor


def of_node(ledger: Ledger, edge: EdgeRecord, sweep: int, known: Any) -> Any:
    """The true edge that a recorded edge stands for, by the nodes at its ends."""
    build = ledger._build()
    sent = build.sent.get(edge.id)
    if sent is None:  # from one output of a node to the node itself: no sweep lies between
        return None
    entries = build.recorder.sweeps[sweep].graph.entries
    key = build.keys[edge.source]
    return truth.Edge(entries[sent.consumer].node, sent.argument, entries[key[1]].node, edge.slot)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", NETWORKS)
def test_every_contribution_is_what_a_sweep_with_the_other_branches_cut_gives(
    name: str, level: str
) -> None:
    ledger, _, losses = record(name, level)
    build = ledger._build()
    offset = len(build.recorder.sweeps) - len(losses)
    for number, loss in enumerate(losses, offset):
        told = truth.contributions(loss)
        sums = {
            (edge.source, edge.slot): dense(truth.with_cut(loss, [], edge.source, edge.slot))
            for edge in told
        }
        sums[loss.grad_fn, loss.output_nr] = torch.ones_like(loss)
        entries = build.recorder.sweeps[number].graph.entries
        folded = {entries[index].node for index in build.folded[number]}
        left = {edge for edge in told if edge.source not in folded}
        for edge in ledger.edges:
            if edge.cut or ledger.nodes[edge.source].sweep != number:
                continue
            true = of_node(ledger, edge, number, told)
            if true is None:
                continue
            left.discard(true)
            g, total = dense(told[true]), sums[true.source, true.slot]
            agrees(ledger, edge, g, total)
        assert not left
        for node in ledger.nodes:
            if node.sweep == number and node.arrived and not node.absence:
                assert node.balance is not None and node.balance < 1e-12


def agrees(ledger: Ledger, edge: EdgeRecord, g: Any, total: Any) -> None:
    if g.is_complex():  # its real and imaginary parts are numbers of their own
        g, total = torch.view_as_real(g), torch.view_as_real(total)
    norm, whole = float(g.norm()), float(total.norm())
    inner = float((g * total).sum())
    assert edge.norm == pytest.approx(norm, rel=LARGEST_GAP, abs=1e-15)
    assert edge.size == g.numel()
    assert edge.rms == pytest.approx(norm / g.numel() ** 0.5, rel=LARGEST_GAP, abs=1e-15)
    if edge.zeros is not None:
        assert edge.zeros == g.numel() - int(torch.count_nonzero(g))
    if edge.share is not None:
        assert edge.share == pytest.approx(inner / whole**2, rel=LARGEST_GAP, abs=LARGEST_GAP)
    if edge.cosine is not None:
        assert edge.cosine == pytest.approx(inner / norm / whole, abs=LARGEST_GAP)
    if edge.contribution is not None:
        kept = edge.contribution
        if kept.is_complex():
            kept = torch.view_as_real(kept)
        torch.testing.assert_close(kept, g, rtol=LARGEST_GAP, atol=1e-12)


@pytest.mark.parametrize("name", NETWORKS)
def test_what_came_through_the_edges_of_a_parameter_is_its_whole_gradient(name: str) -> None:
    ledger, model, _ = record(name, "edges")
    sweeps = len(ledger._build().recorder.sweeps)
    for label, parameter in model.named_parameters():
        if parameter.grad is None:
            continue
        nodes = [n for n in ledger.nodes if n.kind == "parameter" and label in n.names]
        parts = [
            dense(ledger.through(edge)[nodes[0].label])
            for node in nodes
            for edge in ledger.record.arrived(node)
        ]
        assert parts and len(nodes) <= sweeps
        torch.testing.assert_close(sum(parts), dense(parameter.grad), rtol=1e-9, atol=1e-12)


def test_there_are_twenty_networks_and_more() -> None:
    assert len(NETWORKS) >= 20
