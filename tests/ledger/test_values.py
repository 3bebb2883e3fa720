"""Values are measured when somebody asks, and told as they were in the step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import localgrad as lg
from localgrad.ledger.measure import Moments


def leaf(*shape: int) -> Any:
    random = np.random.default_rng(0)
    return lg.asarray(random.normal(size=shape).astype("float32"), requires_grad=True)


def test_a_step_reads_no_value_on_the_way_up(monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[int] = []
    add = Moments.add

    def counts(self: Moments, array: Any) -> int:
        measured.append(array.size)
        return add(self, array)

    monkeypatch.setattr(Moments, "add", counts)
    w = leaf(8, 8)
    with lg.Ledger() as ledger:
        loss = lg.tanh(w @ w).sum()
        assert not measured
        loss.backward()
        heard = len(measured)
    assert len(measured) == heard  # nor does closing a healthy one
    assert ledger.of("tanh").value is not None and len(measured) > heard


def add_one(y: Any) -> None:
    with lg.no_grad():
        y += 1


def set_to_one(y: Any) -> None:
    with lg.no_grad():
        y[...] = 1


def by_a_view(y: Any) -> None:
    rows = y.detach()[1:]
    rows *= 5


@pytest.mark.parametrize("change", [add_one, set_to_one, by_a_view])
@pytest.mark.parametrize("is_open", [True, False])
def test_a_value_that_is_changed_later_is_told_as_it_was(
    change: Callable[[Any], None], is_open: bool
) -> None:
    w = leaf(40, 300)  # large enough for memory that is used again
    with lg.Ledger() as ledger:
        y = lg.maximum(w, 0.0)
        norm = np.linalg.norm(y.value)
        y.sum().backward()
        if is_open:
            change(y)
    if not is_open:
        change(y)
    assert np.linalg.norm(y.value) != pytest.approx(norm)
    assert ledger.of("maximum").value.norm == pytest.approx(norm)  # type: ignore[union-attr]


def test_a_value_that_numpy_was_given_is_told_as_it_was() -> None:
    w = leaf(5)
    with lg.Ledger() as ledger:
        y = 2 * w
        norm = np.linalg.norm(y.value)
        y.sum().backward()
        y.numpy()[...] = 0
    assert ledger.of("multiply").value.norm == pytest.approx(norm)  # type: ignore[union-attr]


def test_a_view_of_a_parameter_is_told_as_it_was_before_the_optimiser() -> None:
    w = leaf(3, 4)
    with lg.Ledger(level="edges") as ledger:
        (lg.ones((2, 4)) @ w.mT).sum().backward()
    norm = np.linalg.norm(w.value)
    lg.optim.SGD([w], lr=1.0).step()
    assert np.linalg.norm(w.value) != pytest.approx(norm)
    (turned,) = [node for node in ledger.nodes if node.kind == "op" and node.shape == [4, 3]]
    assert turned.value is not None and turned.value.norm == pytest.approx(norm)


@pytest.mark.parametrize("with_sweep", [True, False])
def test_bad_data_are_found_though_the_batch_is_filled_again(with_sweep: bool) -> None:
    batch = np.ones((4, 3), "float32")
    batch[1, 1] = np.nan
    w = leaf(3, 2)
    with lg.Ledger() as ledger:
        loss = (lg.asarray(batch, copy=False) @ w).sum()
        if with_sweep:
            loss.backward()
    batch[...] = 1
    flagged = [node.op for node in ledger.nodes if "nonfinite input" in node.flags]
    assert flagged == ["matmul"]


def test_a_dropped_ledger_is_told_of_no_change() -> None:
    from localgrad.graph import mutation

    before = len(mutation.listeners)
    w = leaf(3)
    with lg.Ledger() as ledger:
        (w * w).sum().backward()
    assert len(mutation.listeners) == before + 1
    del ledger
    assert len(mutation.listeners) == before
