"""The measurement: every contender in its own process, taking turns round by round.

A round gives each contender the machine for a while, one after the other, so that a slow spell
falls on all. Nothing here knows what a contender does.
"""

from __future__ import annotations

import importlib.util
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from localgrad.bench.process import ContenderFailed, ContenderProcess
from localgrad.bench.results import Comparison, Outcome, check_losses
from localgrad.bench.workload import Workload, family, load

Say = Callable[[str], None]

REST = 0.02
"""Seconds before a turn, in which the threads of the one before stop waiting for work."""


def compare(
    spec: str, against: Sequence[str], *, rounds: int, seconds: float, say: Say
) -> list[Comparison]:
    """Run one workload, a `Comparison` for each of its cases.

    spec: as `workload.load` takes it. rounds: turns of each contender. seconds: length of a turn.
    say: is told what happens next.
    """
    workload = load(spec)
    return [
        _compare_case(spec, workload, case, tuple(against), rounds, seconds, say)
        for case in workload.cases
    ]


def _compare_case(
    spec: str,
    workload: Workload,
    case: str,
    against: tuple[str, ...],
    rounds: int,
    seconds: float,
    say: Say,
) -> Comparison:
    outcomes: list[Outcome] = []
    running: list[tuple[Outcome, ContenderProcess]] = []
    with tempfile.TemporaryDirectory(prefix="localgrad-bench-") as folder:
        try:
            for contender in workload.chosen(against):
                outcome = Outcome(workload.name, case, contender)
                outcomes.append(outcome)
                caches = Path(folder) / contender.replace(" ", "-")
                say(f"{workload.name} {case} {contender}: first steps")
                process = _start(spec, workload, outcome, caches)
                if process is not None:
                    running.append((outcome, process))
            take_turns(running, rounds, seconds, lambda n: say(f"{workload.name} {case} {n}"))
            _finish(running)
        finally:
            for _, process in running:
                process.kill()
    comparison = Comparison(
        workload=workload.name,
        case=case,
        about=workload.about,
        reference=workload.reference,
        targets=dict(workload.targets),
        flops=workload.flops,
        units=workload.units(case) if workload.units else None,
        outcomes=outcomes,
    )
    check_losses(comparison)
    return comparison


def _start(
    spec: str, workload: Workload, outcome: Outcome, caches: Path
) -> ContenderProcess | None:
    """Start cold, then warm; the warm process, ready for its rounds, or None where it failed."""
    package = family(outcome.contender)
    if importlib.util.find_spec(package) is None:
        outcome.failure = f"{package} is not installed"
        return None
    ours = package == "localgrad" or workload.inside

    def begin() -> ContenderProcess:
        return ContenderProcess(
            spec, outcome.contender, outcome.case, with_localgrad=ours, caches=caches
        )

    process = begin()
    try:
        outcome.cold = process.first_step()
        process.kill()
        process = begin()
        outcome.warm = process.first_step()
        losses = process.expect("ready")["losses"]
    except ContenderFailed as failure:
        outcome.failure = str(failure)
        process.kill()
        return None
    outcome.losses = losses
    return process


def take_turns(
    running: list[tuple[Outcome, ContenderProcess]], rounds: int, seconds: float, say: Say
) -> None:
    """Rounds in which each contender runs once, after one to warm up that does not count."""
    for number in range(rounds + 1):
        say(f"round {number} of {rounds}" if number else "warm-up")
        for outcome, process in running:
            if not outcome.failure:
                time.sleep(REST)
                try:
                    times = process.round(seconds)
                except ContenderFailed as failure:
                    outcome.failure = str(failure)
                    continue
                if number:
                    outcome.rounds.append(median(times))


def _finish(running: list[tuple[Outcome, ContenderProcess]]) -> None:
    """End the processes and keep the memory they took."""
    for outcome, process in running:
        if not outcome.failure:
            try:
                last = process.finish()
            except ContenderFailed as failure:
                outcome.failure = str(failure)
                continue
            outcome.step_memory = last["steady"] - process.imported
            outcome.total_memory = last["peak"]
