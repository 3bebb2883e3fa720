"""What recording a PyTorch model costs: its steps with our ledger open, over those without.

glibc gives memory back whenever gradients that lie at the top of its heap are dropped,
and the next step fetches it again page by page: by luck of the layout more often in the plain step,
or in the recorded one, which would be measured with it. Every contender keeps its memory instead.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from localgrad.bench.training import Builder, with_torch
from localgrad.bench.workload import Running, Workload
from localgrad.bench.workloads import gpt, resnet

TRAININGS = {"transformer": gpt.TRAINING, "residual": resnet.TRAINING}

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt(3)
_MORE_THAN_A_STEP = 1 << 30


def keep_memory() -> None:
    """Have the C library keep what is freed for the next step, where it is glibc."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_TRIM_THRESHOLD, _MORE_THAN_A_STEP)
        mallopt(_MMAP_THRESHOLD, _MORE_THAN_A_STEP)


def at(level: str, is_read: bool = False) -> Builder:
    """A step recorded at that level, not at all for "plain"; is_read: its records are built."""

    def record(model: Any) -> Any:
        from localgrad.torch import Ledger

        ledger = Ledger(model, level=level)
        return read(ledger) if is_read else ledger

    def build(case: str) -> Running:
        keep_memory()
        recorder = None if level == "plain" else record
        return with_torch(TRAININGS[case], record=recorder)(case)

    return build


@contextmanager
def read(ledger: Any) -> Iterator[None]:
    """Record, and build the records as the first question to the ledger does."""
    with ledger:
        yield
    assert ledger.record.nodes


WORKLOAD = Workload(
    "ledger_torch",
    "a PyTorch training step recorded by the ledger, over the plain step",
    {
        **{f"torch {level}": at(level) for level in ("plain", "norms", "edges")},
        "torch norms, read": at("norms", is_read=True),
    },
    reference="torch plain",
    targets={"torch norms": 1.30},
    cases=tuple(TRAININGS),
    inside=True,
)
