"""Recording across steps: every so often, bounded, resumable, and what the slider is given."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import localgrad as lg
from localgrad.graph.record import state
from localgrad.ledger import StepLog, attach, steps
from localgrad.ledger.steps import FILE


class Net(lg.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = lg.nn.Linear(4, 16), lg.nn.Linear(16, 1)

    def forward(self, x: Any) -> Any:
        return self.second(lg.relu(self.first(x)))


def train(log: StepLog, model: Net, steps: range) -> None:
    x = lg.asarray(np.random.default_rng(0).normal(size=(32, 4)).astype("float32"))
    for number in steps:
        model.zero_grad()
        with log.step(number) as ledger:
            assert (ledger is None) == (state.observer is None)
            ((model(x) - 1.0) ** 2).mean().backward()
        if number == 30:
            model.first.bias.numpy()[...] = -100.0


def test_every_so_often_a_step_is_recorded(tmp_path: Path) -> None:
    lg.manual_seed(0)
    model = Net()
    log = StepLog(tmp_path, model, every=10)
    train(log, model, range(25))
    assert [record.step for record in log.records()] == [0, 10, 20]
    assert state.observer is None


def test_the_file_stays_bounded_and_even(tmp_path: Path) -> None:
    model = Net()
    log = StepLog(tmp_path, model, every=1, most=8)
    train(log, model, range(100))
    steps = [record.step for record in log.records()]
    assert len(steps) <= 8
    assert len((tmp_path / FILE).read_text().splitlines()) == len(steps)
    gaps = {b - a for a, b in itertools.pairwise(steps)}
    assert gaps == {log.interval(99)} == {16}


def test_the_steps_of_a_large_graph_are_fewer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Net()
    train(StepLog(tmp_path, model, every=1), model, range(1))
    one = (tmp_path / FILE).stat().st_size
    monkeypatch.setattr(steps, "LARGEST", 6 * one)
    log = StepLog(tmp_path, model, every=1)
    train(log, model, range(100))
    assert (tmp_path / FILE).stat().st_size <= 7 * one
    numbers = [record.step for record in log.records()]
    assert 3 <= len(numbers) <= 6
    assert {b - a for a, b in itertools.pairwise(numbers)} == {log.interval(99)}


def test_a_resumed_run_forgets_what_came_after_its_checkpoint(tmp_path: Path) -> None:
    model = Net()
    train(StepLog(tmp_path, model, every=10), model, range(50))
    with (tmp_path / FILE).open("a") as file:
        file.write('{"graph": "cut off in the mid')
    log = StepLog(tmp_path, model, every=10, resume_at=25)
    assert [record.step for record in log.records()] == [0, 10, 20]
    train(log, model, range(25, 45))
    again = StepLog(tmp_path, model, every=10, resume_at=45)
    assert [record.step for record in again.records()] == [0, 10, 20, 30, 40]


@pytest.mark.parametrize(("until", "resumed", "end"), [(64, 24, 60), (40, 10, 30), (40, 39, 99)])
def test_a_resumed_run_records_the_steps_of_one_that_was_not_interrupted(
    tmp_path: Path, until: int, resumed: int, end: int
) -> None:
    def recorded(folder: str) -> list[int]:
        return [line.record.step for line in steps._read(tmp_path / folder / FILE)]

    model = Net()
    train(StepLog(tmp_path / "whole", model, every=2, most=8), model, range(end))
    train(StepLog(tmp_path / "parts", model, every=2, most=8), model, range(until))
    before = [number for number in recorded("parts") if number < resumed]
    log = StepLog(tmp_path / "parts", model, every=2, most=8, resume_at=resumed)
    train(log, model, range(resumed, end))
    assert recorded("whole")[-1] > resumed
    since = [number for number in recorded("whole") if number >= resumed]
    assert [number for number in recorded("parts") if number >= resumed] == since
    assert set(recorded("parts")) - set(since) <= set(before)


def test_a_fresh_run_begins_a_fresh_file(tmp_path: Path) -> None:
    model = Net()
    train(StepLog(tmp_path, model, every=10), model, range(15))
    assert StepLog(tmp_path, model, every=10).records() == []


def test_a_ledger_is_given_its_steps_and_since_when_units_are_dead(tmp_path: Path) -> None:
    lg.manual_seed(0)
    model = Net()
    train(StepLog(tmp_path, model, every=10), model, range(75))
    x = lg.asarray(np.random.default_rng(1).normal(size=(32, 4)).astype("float32"))
    with lg.Ledger(model) as ledger:
        ((model(x) - 1.0) ** 2).mean().backward()
    record = attach(ledger.record, tmp_path)
    assert [step.step for step in record.steps] == [0, 10, 20, 30, 40, 50, 60, 70]
    assert all(len(step.upstream_norm) == len(record.nodes) for step in record.steps)
    (dead,) = [finding for finding in ledger.findings() if finding.kind == "dead"]
    assert dead.evidence["since step"] == 40
    assert "since step 40" in dead.message


def test_steps_of_another_graph_are_left_out(tmp_path: Path) -> None:
    model = Net()
    train(StepLog(tmp_path, model, every=10), model, range(15))
    with lg.Ledger(model) as ledger:
        model(lg.ones((2, 4))).sum().backward()
    assert attach(ledger.record, tmp_path).steps == []


def test_recording_changes_no_gradient() -> None:
    gradients = []
    for recorded in (False, True):
        lg.manual_seed(3)
        model = Net()
        x = lg.asarray(np.random.default_rng(0).normal(size=(8, 4)).astype("float32"))
        if recorded:
            with lg.Ledger(model, level="values"):
                (model(x) ** 2 + model(2 * x)).sum().backward()
        else:
            (model(x) ** 2 + model(2 * x)).sum().backward()
        gradients.append([p.grad.numpy() for p in model.parameters()])
    for plain, other in zip(*gradients):
        np.testing.assert_array_equal(plain, other)


def test_two_ledgers_cannot_be_open_at_once() -> None:
    with (
        lg.Ledger(),
        pytest.raises(lg.LocalgradError, match="a ledger is open"),
        lg.Ledger(),
    ):
        pass
    assert state.observer is None


def test_a_training_records_its_steps_for_the_report(tmp_path: Path) -> None:
    from localgrad.train import run
    from localgrad.train.inspection import record
    from localgrad.train.training import Training

    recipe = Path(__file__).parents[1] / "train" / "small_recipe.py"
    settings = run.Settings(str(recipe), 1, 16, 0.01, 0, None, "now")
    training = Training(run.start(tmp_path, settings))
    training.record_into(StepLog(tmp_path, training.network, every=2))
    losses = [training.advance(batch)["loss"] for batch in training.loader]
    found = attach(record(training, "edges").record, tmp_path)
    assert [step.step for step in found.steps] == list(range(0, len(losses), 2))
    assert [step.loss for step in found.steps] == pytest.approx(losses[::2])
