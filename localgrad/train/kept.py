"""A training that a callback recorded: its ledger is read from the folder, not made anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from localgrad.ledger import LedgerRecord, attach
from localgrad.ledger.base import BaseLedger
from localgrad.ledger.interchange import load
from localgrad.ledger.thresholds import Thresholds
from localgrad.train.run import RUNS

FILE = "ledger.json"


def kept(folder: Path) -> Path | None:
    """The folder itself, or that of its name under `runs/`, if it holds a ledger and no run."""
    for place in (folder, RUNS / folder):
        if (place / "settings.json").is_file():
            return None
        if (place / FILE).is_file():
            return place
    return None


class KeptLedger(BaseLedger):
    """The ledger in a folder, with the steps beside it."""

    def __init__(self, folder: Path) -> None:
        self._record = attach(load(folder / FILE), folder)
        self.thresholds = Thresholds.read(self._record.thresholds)
        self._found = self._record.findings

    @property
    def record(self) -> LedgerRecord:
        return self._record

    def identify(self, target: Any) -> int | None:
        return None

    def findings(self) -> list[Any]:
        """As they were found when the step was recorded."""
        return self._found
