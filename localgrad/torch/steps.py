"""Every N-th step of a PyTorch training, recorded into a folder that `localgrad report` opens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from localgrad.ledger import steps
from localgrad.ledger.base import BaseLedger
from localgrad.ledger.thresholds import Thresholds
from localgrad.torch.ledger import Ledger

FILE = "ledger.json"


class StepLog(steps.StepLog):
    """Records every `every`-th step of a PyTorch training into `folder`.

    The arguments are those of `localgrad.ledger.StepLog`. The folder holds ``ledger-steps.jsonl``
    (the norms of the recorded steps, bounded in size) and ``ledger.json`` (the latest recorded
    step whole); ``localgrad report FOLDER`` makes a page of them.

    >>> import tempfile, torch
    >>> model = torch.nn.Linear(2, 1)
    >>> folder = tempfile.mkdtemp()
    >>> log = StepLog(folder, model, every=10)
    >>> for number in range(25):
    ...     model.zero_grad()
    ...     with log.step(number):
    ...         model(torch.ones(4, 2)).sum().backward()
    >>> sorted(path.name for path in Path(folder).iterdir())
    ['ledger-steps.jsonl', 'ledger.json']
    """

    def open(self) -> Ledger:
        return Ledger(self.model, self.level, self.thresholds)

    def add(self, number: int, ledger: BaseLedger) -> None:
        super().add(number, ledger)
        ledger.to_json(self.path.with_name(FILE))


class Recording:
    """A step log for trainers that say when a step begins and ends, each in a call of its own."""

    def __init__(self, folder: str | Path, every: int, level: str, thresholds: Any) -> None:
        self.folder = Path(folder)
        self.every = every
        self.level = level
        self.thresholds = thresholds
        self._log: StepLog | None = None
        self._ledger: Ledger | None = None
        self._number = -1

    def start(self, model: Any, at: int) -> None:
        """A training begins, or goes on at a step greater than 0."""
        self.drop()
        self._number = -1
        self._log = StepLog(
            self.folder,
            model,
            self.every,
            self.level,
            thresholds=self.thresholds,
            resume_at=at or None,
        )

    def begin(self, number: int) -> None:
        """Open a ledger if it is this step's turn; of several batches of a step, on the first."""
        log = self._log
        if log is None or number == self._number or not log.is_due(number):
            return
        self._number = number
        self._ledger = log.open().__enter__()

    def end(self) -> None:
        """Write down the open ledger, if there is one and a sweep was heard."""
        ledger = self._ledger
        self.drop()
        if self._log is not None and ledger is not None and ledger.heard:
            self._log.add(self._number, ledger)

    def drop(self) -> None:
        """Close the open ledger and forget it: the step has failed."""
        if self._ledger is not None:
            self._ledger.__exit__()
        self._ledger = None


class Recorded:
    """What the callbacks of all trainers begin with: a recording, and what it takes."""

    def __init__(
        self,
        folder: str | Path,
        every: int = 50,
        level: str = "norms",
        thresholds: dict[str, float] | Thresholds | None = None,
    ) -> None:
        self.recording = Recording(folder, every, level, thresholds)
