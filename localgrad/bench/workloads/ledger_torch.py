"""What recording a PyTorch model costs: its steps with our ledger open, over those without."""

from __future__ import annotations

from typing import Any

from localgrad.bench.training import Builder, with_torch
from localgrad.bench.workload import Running, Workload
from localgrad.bench.workloads import gpt, resnet

TRAININGS = {"transformer": gpt.TRAINING, "residual": resnet.TRAINING}


def at(level: str) -> Builder:
    """A step recorded at that level; not at all for "plain"."""

    def record(model: Any) -> Any:
        from localgrad.torch import Ledger

        return Ledger(model, level=level)

    def build(case: str) -> Running:
        recorder = None if level == "plain" else record
        return with_torch(TRAININGS[case], record=recorder)(case)

    return build


WORKLOAD = Workload(
    "ledger_torch",
    "a PyTorch training step recorded by the ledger, over the plain step",
    {f"torch {level}": at(level) for level in ("plain", "norms", "edges")},
    reference="torch plain",
    targets={"torch norms": 1.30},
    cases=tuple(TRAININGS),
    inside=True,
)
