"""Slices are measured where they lie: the numbers are those of the whole contributions."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import localgrad as lg
from localgrad.kernels import reference as xp
from localgrad.ledger.slices import Slice

Uses = Callable[[Any], Any]

USES: dict[str, Uses] = {
    "disjoint": lambda x: (x[0] ** 2).sum() + (3 * x[1]).sum() + (x[2] * x[0]).sum(),
    "tiles": lambda x: (x[:, :2] ** 2).sum() + (x[0:2, 2:] ** 3).sum() + x[2, 2:].sum(),
    "overlapping": lambda x: (x[0:2] ** 2).sum() + (x[1:3] ** 3).sum(),
    "repeated places": lambda x: (x[[0, 0, 1]] ** 2).sum() + x[1].sum() + x[0, 1],
    "reversed and stepped": lambda x: (x[::-1] * lg.arange(4.0)).sum() + (x[:, ::2] ** 2).sum(),
    "beside a whole use": lambda x: (x**2).sum() + x[1].sum() + (x[..., None, 2] ** 3).sum(),
    "a whole use first": lambda x: x[1].sum() + x[2].sum() + (x * x * 2).sum(),
    "alone": lambda x: (x[1] ** 2).sum(),
}


def recorded(use: Uses, level: str = "edges") -> tuple[lg.Ledger, Any, Any]:
    leaf = lg.asarray(np.random.default_rng(0).normal(size=(3, 4)), requires_grad=True)
    with lg.Ledger(level=level) as ledger:
        x = lg.tanh(leaf)
        use(x).backward()
    return ledger, x, leaf


@pytest.mark.parametrize("name", USES)
def test_numbers_are_those_of_the_whole_contributions(name: str) -> None:
    ledger, x, leaf = recorded(USES[name])
    node = ledger.of(x)
    edges = ledger.record.arrived(node)
    values = recorded(USES[name], "values")[0]
    kept = [np.asarray(e.contribution) for e in values.record.arrived(values.of(node.id))]
    plain = lg.asarray(leaf.numpy(), requires_grad=True)
    USES[name](lg.tanh(plain)).backward()
    np.testing.assert_allclose(leaf.grad.numpy(), plain.grad.numpy(), rtol=1e-12)
    total = sum(kept)
    slope = 1 - np.tanh(leaf.numpy()) ** 2
    np.testing.assert_allclose(total * slope, leaf.grad.numpy())
    for edge, whole in zip(edges, kept, strict=True):
        assert edge.size == whole.size == 12
        assert edge.norm == pytest.approx(np.linalg.norm(whole))
        assert edge.zeros == np.count_nonzero(whole == 0)
        assert edge.share == pytest.approx(np.vdot(whole, total) / np.vdot(total, total))
        if len(edges) > 1:
            np.testing.assert_allclose(np.asarray(edge.contribution), whole)
            assert np.asarray(edge.contribution.tolist()).shape == (3, 4)
        (through,) = ledger.through(edge).values()
        np.testing.assert_allclose(through.numpy(), whole * slope, atol=1e-15)
    assert sum(edge.share or 0.0 for edge in edges) == pytest.approx(1)
    assert node.balance is not None and node.balance < 1e-15


@pytest.mark.parametrize("name", ["disjoint", "tiles", "overlapping", "beside a whole use"])
def test_a_slice_that_is_lost_is_an_imbalance(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    getitem = recorded(USES["alone"])[1][0].source.op
    monkeypatch.setattr(getitem, "into", lambda buffer, g, key: None)
    ledger = recorded(USES[name])[0]
    assert "imbalance" in {finding.kind for finding in ledger.findings()}


@pytest.mark.parametrize("level", ["norms", "edges"])
def test_a_long_loop_over_time_steps_needs_the_sequence_once(level: str) -> None:
    sequence = lg.asarray(np.ones((4, 300, 64), "float32"), requires_grad=True)
    tracemalloc.start()
    try:
        with lg.Ledger(level=level) as ledger:
            x = 2.0 * sequence
            h = lg.zeros((4, 64))
            for step in range(300):
                h = 0.5 * h + x[:, step]
            h.sum().backward()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(ledger.record.arrived(ledger.of(x))) == 300
    assert peak < 40 * sequence.numpy().nbytes
    np.testing.assert_allclose(
        sequence.grad.numpy()[0, :, 0], 2 * 0.5 ** np.arange(299.0, -1, -1), rtol=1e-5, atol=1e-38
    )


def test_an_element_of_a_slice_is_explained() -> None:
    ledger, x, _ = recorded(USES["disjoint"])
    explanation = ledger.explain(x, (0, 1))
    assert explanation.total == pytest.approx((2 * x[0] + x[2]).numpy()[1])


def test_a_slice_is_an_array_to_numpy() -> None:
    part = Slice(xp.arange(3.0), (1,), (2, 3))
    assert part.size == 6 and part[1].tolist() == [0.0, 1.0, 2.0]
    assert np.linalg.norm(part) == pytest.approx(5**0.5)
