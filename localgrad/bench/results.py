"""What a run of the harness found, its ratios, and its JSON form."""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

FORMAT = 1


@dataclass
class Outcome:
    """One contender on one case of one workload.

    rounds: the median time of a step in each round, in seconds; empty where it failed.
    failure: why there are no times, in the contender's own last words.
    cold, warm: seconds from the start of the process to the end of the first step, with empty and
        with filled compilation caches.
    step_memory: bytes at the peak of the rounds, above what the imports held; total_memory: the
        largest resident size of the process's life.
    losses: those of the first steps; agrees: whether they are the reference's.
    """

    workload: str
    case: str
    contender: str
    rounds: list[float] = field(default_factory=list)
    failure: str = ""
    cold: float | None = None
    warm: float | None = None
    step_memory: int | None = None
    total_memory: int | None = None
    losses: list[float] = field(default_factory=list)
    agrees: bool | None = None

    @property
    def time(self) -> float:
        """Median over the rounds; NaN where there are none."""
        return median(self.rounds) if self.rounds else math.nan


@dataclass
class Comparison:
    """The outcomes of one case, and what is wanted of them.

    reference, targets, flops: as in `Workload`; units: of this case.
    moved: bytes that a kernel reads and writes at the least.
    """

    workload: str
    case: str
    about: str
    reference: str
    targets: dict[str, float]
    flops: float
    units: int | None
    outcomes: list[Outcome]
    moved: float = 0.0

    def of(self, contender: str) -> Outcome | None:
        """The outcome of that contender, or None where it was not run."""
        return next((o for o in self.outcomes if o.contender == contender), None)

    def ratio(self, contender: str) -> float:
        """Time over the reference's: the median over the rounds of each round's own ratio.

        The contenders of a round ran one right after the other, so a slow spell of the machine
        cancels.
        """
        return _ratio(self.of(contender), self.of(self.reference))

    def best_peer(self) -> Outcome | None:
        """The fastest contender that is not localgrad, or None where none finished."""
        peers = [o for o in self.outcomes if o.rounds and not o.contender.startswith("localgrad")]
        return min(peers, key=lambda o: o.time, default=None)

    def ratio_to_best(self, contender: str) -> float:
        """Time over that of `best_peer`, by rounds as in `ratio`."""
        return _ratio(self.of(contender), self.best_peer())


@dataclass
class Results:
    """All comparisons of a run, with the machine they were made on."""

    machine: dict[str, Any]
    comparisons: list[Comparison]

    def geometric_mean(self, contender: str = "localgrad") -> float:
        """Of the ratios of the workloads that count arithmetic: the training steps."""
        ratios = [c.ratio(contender) for c in self.comparisons if c.flops]
        known = [r for r in ratios if not math.isnan(r)]
        return math.exp(sum(map(math.log, known)) / len(known)) if known else math.nan


def check_losses(comparison: Comparison, tolerance: float = 1e-3) -> None:
    """Set `agrees` of every outcome: the first losses are the reference's, relatively."""
    reference = comparison.of(comparison.reference)
    if reference is None or not reference.losses:
        return
    for outcome in comparison.outcomes:
        if outcome.losses:
            pairs = zip(outcome.losses, reference.losses, strict=True)
            outcome.agrees = all(math.isclose(a, b, rel_tol=tolerance) for a, b in pairs)


def save(results: Results, path: Path) -> None:
    """Write the results as JSON, atomically."""
    content = {"format": FORMAT, **asdict(results)}
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
        json.dump(content, file, indent=1)
        file.write("\n")
    os.replace(file.name, path)


def read(path: Path) -> Results:
    """Read what `save` wrote."""
    content = json.loads(path.read_text())
    return Results(content["machine"], list(_comparisons(content["comparisons"])))


def is_saved(path: Path) -> bool:
    """Whether the file is one that `save` wrote."""
    return "comparisons" in json.loads(path.read_text())


def _comparisons(saved: Iterable[dict[str, Any]]) -> Iterable[Comparison]:
    for comparison in saved:
        outcomes = [Outcome(**o) for o in comparison["outcomes"]]
        yield Comparison(**{**comparison, "outcomes": outcomes})


def _ratio(ours: Outcome | None, theirs: Outcome | None) -> float:
    if ours is None or theirs is None or not ours.rounds or not theirs.rounds:
        return math.nan
    return median(a / b for a, b in zip(ours.rounds, theirs.rounds, strict=False))
