"""Two runs side by side: the alignment, and the first edge at which they part."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import localgrad as lg
from localgrad.ledger import interchange


class Net(lg.nn.Module):
    """Three layers; `spoil` doubles the gradient of one of them on its way back."""

    def __init__(self, spoil: int | None = None, extra: bool = False) -> None:
        super().__init__()
        self.layers = lg.nn.ModuleList([lg.nn.Linear(6, 6) for _ in range(3)])
        self.spoil = spoil
        self.extra = extra

    def forward(self, x: Any) -> Any:
        for number, layer in enumerate(self.layers):
            x = x + (wrong_tanh if number == self.spoil else tanh)(layer(x))
            if self.extra:
                x = x * 1.0
        return x


tanh = lg.custom("my_tanh", np.tanh, lambda g, y: g * (1 - y * y))
wrong_tanh = lg.custom("my_tanh", np.tanh, lambda g, y: 2 * g * (1 - y * y))


def record(level: str = "norms", seed: int = 0, **options: Any) -> lg.Ledger:
    lg.manual_seed(seed)
    model = Net(**options)
    x = lg.asarray(np.random.default_rng(0).normal(size=(5, 6)).astype("float32"))
    with lg.Ledger(model, level=level) as ledger:
        (model(x) ** 2).mean().backward()
    return ledger


def test_equal_runs_part_nowhere() -> None:
    found = lg.Ledger.compare(record(), record()).compare
    assert found is not None and found.first_divergence is None
    assert len(found.alignment.nodes) == len(record().nodes)
    assert set(found.difference) == {0.0}
    assert "no edge differs" in found.message


@pytest.mark.parametrize("spoil", [0, 1, 2])
def test_the_first_edge_that_differs_is_the_one_that_was_changed(spoil: int) -> None:
    a = record()
    result = lg.Ledger.compare(a, record(spoil=spoil))
    assert result.compare is not None and result.compare.first_divergence is not None
    edge = result.edges[result.compare.first_divergence]
    assert result.nodes[edge.consumer].op == "my_tanh"
    assert result.nodes[edge.source].module == f"layers.{spoil}"
    assert "test_compare.py" in result.compare.message


def test_different_weights_part_at_the_first_edge_from_the_loss() -> None:
    result = lg.Ledger.compare(record(), record(seed=1))
    assert result.compare is not None and result.compare.first_divergence == 1


def test_a_tolerance_decides_what_differs() -> None:
    found = lg.Ledger.compare(record(), record(spoil=1), tolerance=10.0).compare
    assert found is not None and found.first_divergence is None


def test_what_rounding_left_of_a_gradient_that_is_zero_does_not_differ() -> None:
    def run(dtype: str) -> lg.Ledger:
        lg.manual_seed(0)
        model = lg.nn.Sequential(lg.nn.Linear(6, 6), lg.nn.BatchNorm1d(6), lg.nn.Tanh())
        x = lg.asarray(np.random.default_rng(0).normal(size=(64, 6)).astype(dtype))
        with lg.Ledger(model.double() if dtype == "float64" else model) as ledger:
            (model(x) ** 3).mean().backward()
        return ledger

    a, b = run("float32"), run("float64")
    norms = [r.of("0.bias").upstream.norm for r in (a, b)]  # batch norm takes every shift away
    assert 0 < norms[1] < 1e-6 * norms[0]
    found = lg.Ledger.compare(a, b).compare
    assert found is not None and found.first_divergence is None, found.message


def test_runs_with_other_nodes_are_aligned_as_far_as_they_go() -> None:
    a, b = record(), record(extra=True)
    found = lg.Ledger.compare(a, b).compare
    assert found is not None
    assert len(found.alignment.nodes) == len(a.nodes)
    for here, there in found.alignment.nodes:
        assert a.nodes[here].op == b.nodes[there].op
        assert a.nodes[here].module == b.nodes[there].module
    assert "3 nodes are in one run only" in found.message


def test_contributions_that_were_kept_are_compared_element_by_element() -> None:
    first, second = (np.asarray(v, "float32") for v in ([1.0, 2.0], [2.0, 1.0]))

    def run(scale: np.ndarray) -> lg.Ledger:
        w = lg.asarray(np.ones(2, "float32"), requires_grad=True)
        with lg.Ledger(level="values") as ledger:
            (w * lg.asarray(scale)).sum().backward()
        return ledger

    found = lg.Ledger.compare(run(first), run(second)).compare
    assert found is not None and found.first_divergence is not None  # norms alone would agree


def test_a_comparison_goes_into_the_json() -> None:
    result = lg.Ledger.compare(record(), record(spoil=1))
    data = interchange.to_dict(result)
    assert data["compare"]["format"] == "localgrad-ledger/1"
    assert data["compare"]["first_divergence"] == result.compare.first_divergence  # type: ignore
    assert interchange.from_dict(data).compare == result.compare


def test_ledgers_with_nothing_in_common_are_refused() -> None:
    w = lg.asarray(np.ones(3, "float32"), requires_grad=True)
    with lg.Ledger() as other:
        lg.cumprod(w).backward(lg.ones(3))
    with pytest.raises(lg.LocalgradError, match="no node in common"):
        lg.Ledger.compare(record(), other)
