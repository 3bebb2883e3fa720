"""The benchmark harness on made-up workloads: never a figure, only how it goes about them."""

from __future__ import annotations

import io
import json
import math
import runpy
from pathlib import Path

import numpy as np
import pytest

from localgrad.bench import main, results, table
from localgrad.bench.harness import compare
from localgrad.bench.results import Comparison, Outcome, Results, check_losses
from localgrad.bench.training import initial
from localgrad.bench.workload import BUILT_IN, Running, Workload, load
from localgrad.errors import LocalgradError

ROOT = Path(__file__).resolve().parent.parent
FAKE = """
from pathlib import Path
from localgrad.bench.workload import Running, Workload

LOG = Path({log!r})

def counting(name, slope=1.0):
    def build(case):
        losses = iter(range(10**9))
        def before():
            with LOG.open("a") as file:
                file.write(name + "\\n")
        return Running(lambda: 5.0 - slope * next(losses), before)
    return build

def broken(case):
    raise RuntimeError("no such thing here")

def breaks_later(case):
    steps = iter([3.0] * 3)
    def step():
        for loss in steps:
            return loss
        raise ArithmeticError("out of steps")
    return Running(step)

WORKLOAD = Workload(
    "fake", "nothing at all",
    {{"numpy": counting("a"), "json other": counting("b", 0.5), "json broken": broken,
     "json later": breaks_later, "missing package": broken}},
    reference="numpy", cases=("x",), units=lambda case: 10, targets={{"json other": 2.0}},
)
"""


@pytest.fixture
def fake(tmp_path: Path) -> Path:
    path = tmp_path / "fake.py"
    path.write_text(FAKE.format(log=str(tmp_path / "log")))
    return path


def run(path: Path, against: tuple[str, ...], rounds: int = 2) -> Comparison:
    (comparison,) = compare(str(path), against, rounds=rounds, seconds=0, say=lambda _: None)
    return comparison


def test_contenders_take_turns_and_their_rounds_are_kept(fake: Path) -> None:
    comparison = run(fake, ("json",), rounds=4)
    reference, other = comparison.of("numpy"), comparison.of("json other")
    assert reference is not None and other is not None
    assert len(reference.rounds) == len(other.rounds) == 4
    # Each was started twice (cold and warm) for itself; the rounds of one step then alternate.
    turns = fake.with_name("log").read_text().split()[-4 * 2 :]  # the last rounds of 5
    assert turns == ["a", "b"] * 4
    assert comparison.units == 10
    for outcome in (reference, other):
        assert outcome.cold is not None and outcome.warm is not None
        assert outcome.step_memory is not None and outcome.total_memory is not None
        assert 0 <= outcome.step_memory < outcome.total_memory


def test_a_contender_that_fails_is_reported_and_the_others_run(fake: Path) -> None:
    comparison = run(fake, ("json", "missing"))
    failures = {o.contender: o.failure for o in comparison.outcomes if o.failure}
    assert failures == {
        "json broken": "RuntimeError: no such thing here",
        "json later": "ArithmeticError: out of steps",
        "missing package": "missing is not installed",
    }
    assert comparison.of("numpy").rounds  # type: ignore[union-attr]


def test_first_losses_are_compared_with_the_references(fake: Path) -> None:
    comparison = run(fake, ("json",))
    assert comparison.of("numpy").losses == [5.0, 4.0, 3.0]  # type: ignore[union-attr]
    assert comparison.of("json other").losses == [5.0, 4.5, 4.0]  # type: ignore[union-attr]
    assert comparison.of("json other").agrees is False  # type: ignore[union-attr]
    near = Outcome("fake", "x", "near", losses=[5.0001, 4.0, 3.0])
    comparison.outcomes.append(near)
    check_losses(comparison)
    assert near.agrees is True


def example() -> Results:
    outcomes = [
        Outcome("w", "", "localgrad", [1.0, 1.0, 4.0]),
        Outcome("w", "", "torch", [2.0, 4.0, 40.0]),
        Outcome("w", "", "jax jit", [8.0, 2.0, 2.0]),
        Outcome("w", "", "torch compile", failure="no compiler"),
    ]
    return Results(
        {"processor": "P", "cores": 2, "gflops": 100.0},
        [Comparison("w", "", "about", "torch", {"localgrad": 0.6}, 1e9, None, outcomes)],
    )


def test_medians_and_ratios() -> None:
    (comparison,) = example().comparisons
    assert comparison.of("torch").time == 4.0  # type: ignore[union-attr]
    assert comparison.ratio("localgrad") == 0.25  # of 1/2, 1/4, 4/40
    assert comparison.best_peer().contender == "jax jit"  # type: ignore[union-attr]
    assert comparison.ratio_to_best("localgrad") == 0.5
    assert math.isnan(comparison.ratio("torch compile"))
    assert example().geometric_mean() == pytest.approx(0.25)


def test_results_survive_their_file(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "results.json"
    results.save(example(), path)
    assert results.read(path) == example()
    assert json.loads(path.read_text())["machine"]["gflops"] == 100.0
    assert [p.name for p in path.parent.iterdir()] == ["results.json"]


def test_table_shows_figures_failures_and_targets() -> None:
    from rich.console import Console

    console = Console(width=140, record=True, file=io.StringIO())
    table.show(example(), console)
    text = console.export_text()
    assert "0.25" in text and "failed" in text
    assert "w: torch compile failed: no compiler" in text
    assert "localgrad takes 0.25 of torch, target 0.60 reached" in text
    assert "0.25 of torch as the geometric mean" in text


@pytest.mark.parametrize("name", ["steps", "ledger"])
def test_a_terminal_of_eighty_cells_has_room_for_every_row(name: str) -> None:
    from rich.console import Console

    found = results.read(ROOT / "benchmarks" / "results" / f"{name}.json")
    console = Console(width=80, record=True, file=io.StringIO())
    table.show(found, console)
    lines = console.export_text().splitlines()
    assert max(map(len, lines)) <= 80
    outcomes = [outcome for comparison in found.comparisons for outcome in comparison.outcomes]
    rows = [line for line in lines if line.rstrip().endswith(("agree", "DIFFER"))]
    assert len(rows) == len(outcomes)  # a row a contender, and none goes on below
    for row, outcome in zip(rows, outcomes):
        assert row.startswith(f"  {outcome.contender} ")
        assert table.duration(outcome.time) in row
        assert table.duration(max(outcome.rounds)) in row
    told = "\n".join(line.rstrip() for line in lines).replace("\n  ", " ")
    assert all(verdict in told for verdict in table.verdicts(found))


@pytest.mark.parametrize(
    ("seconds", "text"), [(2.0, "2 s"), (0.0123, "12.3 ms"), (5e-6, "5 µs"), (2e-8, "20 ns")]
)
def test_durations(seconds: float, text: str) -> None:
    assert table.duration(seconds) == text


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_workloads_load_and_have_their_reference(name: str) -> None:
    workload = load(name)
    assert workload.name == name
    assert workload.reference in workload.contenders
    assert set(workload.targets) <= set(workload.contenders)
    assert workload.reference in workload.chosen(())


def test_unknown_workload_names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(LocalgradError, match=r"mlp_tinny.*mlp_tiny"):
        main(["mlp_tinny"])
    with pytest.raises(LocalgradError, match=r"none\.py holds no workload"):
        main([str(tmp_path / "none.py")])
    (tmp_path / "empty.py").write_text("")
    with pytest.raises(LocalgradError, match=r"empty\.py holds no workload"):
        main([str(tmp_path / "empty.py")])


def test_initial_weights_are_the_same_each_time_and_fit_their_names() -> None:
    shapes = {"0.weight": (4, 100), "0.bias": (4,), "norm.weight": (4,)}
    first, second = initial(shapes), initial(shapes)
    assert all(np.array_equal(first[name], second[name]) for name in shapes)
    assert np.abs(first["0.weight"]).max() <= 0.1
    assert not first["0.bias"].any() and (first["norm.weight"] == 1).all()


def test_a_step_may_have_untimed_work_before_it() -> None:
    from localgrad.bench.worker import _times

    order: list[str] = []
    running = Running(lambda: order.append("step"), lambda: order.append("before"))
    assert len(_times(running, 0)) == 1
    assert order == ["before", "step"]


def test_the_reference_runs_even_where_nothing_is_compared_against() -> None:
    workload = Workload("w", "", {"localgrad": _never, "torch": _never, "jax jit": _never})
    assert workload.chosen(()) == ["localgrad", "torch"]


def _never(case: str) -> Running:
    raise AssertionError(case)


def test_the_page_of_results_is_made_from_their_file(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Path(__file__).parents[1] / "benchmarks" / "performance_page.py"
    monkeypatch.syspath_prepend(str(script.parent))  # as where it is run as a script
    page = runpy.run_path(str(script))
    found = example()
    found.machine |= {"features": ["avx2"], "system": "S", "python": "3.11", "packages": {"a": "1"}}
    found.machine["when"] = "today"
    text = page["section"](found)
    assert "| w | localgrad | 1 s |" in text
    assert "| w | torch compile | failed |" in text
    assert "- w: torch compile failed: no compiler" in text
    assert "| w | 1 GFLOP | 10 ms | 1 s | 4 s |" in text
