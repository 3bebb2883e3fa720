"""Recording across training steps: every so often, into the run's folder, bounded in size.

One line of JSON a recorded step. When there are too many, every second one is dropped and the
interval doubles, so that a run of any length keeps an even picture of itself in the same space.
The interval follows from the number of the step, so that a run that was interrupted and resumed
records the steps that it would have recorded anyway.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localgrad.ledger.base import BaseLedger
from localgrad.ledger.interchange import decode_step, encode
from localgrad.ledger.ledger import Ledger
from localgrad.ledger.model import LedgerRecord, StepRecord
from localgrad.ledger.thresholds import Thresholds

FILE = "ledger-steps.jsonl"
LARGEST = 32 * 2**20  # characters of the file, about; a very large graph keeps fewer steps
_DIGITS = 5  # of the numbers in it


@dataclass(slots=True)
class _Line:
    """A recorded step: its norms, the graph they belong to, and the units that did not learn."""

    graph: str
    record: StepRecord
    dead: list[int]  # nodes with too many dead units
    saturated: list[int]


class StepLog:
    """Records every `every`-th step of a training into `folder`.

    model, level, thresholds, inside: as `Ledger` takes them. most: how many steps are kept at most
    (fewer of a graph so large that the file would pass 32 MB).
    A run that is resumed continues its file; what was recorded beyond `resume_at` is forgotten.

    >>> import tempfile, localgrad as lg
    >>> model = lg.nn.Linear(2, 1)
    >>> log = StepLog(tempfile.mkdtemp(), model, every=10)
    >>> for number in range(25):
    ...     with log.step(number):
    ...         model(lg.ones((4, 2))).sum().backward()
    >>> [record.step for record in log.records()]
    [0, 10, 20]
    """

    def __init__(
        self,
        folder: str | Path,
        model: Any = None,
        every: int = 50,
        level: str = "norms",
        most: int = 120,
        thresholds: dict[str, float] | Thresholds | None = None,
        resume_at: int | None = None,
        inside: Iterable[str] = (),
    ) -> None:
        self.path = Path(folder) / FILE
        self.model = model
        self.every = every
        self.level = level
        self.most = most
        self.thresholds = Thresholds.read(thresholds)
        self.inside = tuple(inside)
        self._lines = _read(self.path) if resume_at is not None else []
        self._lines = [line for line in self._lines if line.record.step < (resume_at or 0)]
        self._write()

    def interval(self, number: int) -> int:
        """Every how many steps one is recorded, by step `number` of the run."""
        room = self.most
        if self._lines:
            room = min(room, max(LARGEST // len(_text(self._lines[0])), 2))
        every = self.every
        while number // every >= room:
            every *= 2
        return every

    def is_due(self, number: int) -> bool:
        """Whether step `number` is one to record."""
        return number % self.every == 0 and number % self.interval(number) == 0

    @contextmanager
    def step(self, number: int) -> Iterator[Any]:
        """Record the sweeps inside, if it is this step's turn; else do nothing at all."""
        if not self.is_due(number):
            yield None
            return
        with self.open() as ledger:
            yield ledger
        self.add(number, ledger)

    def open(self) -> Any:
        """The ledger of one step; one for another framework is opened by a subclass."""
        return Ledger(self.model, self.level, self.thresholds, self.inside)

    def records(self) -> list[StepRecord]:
        """What was recorded, in order."""
        return [line.record for line in self._lines]

    def add(self, number: int, ledger: BaseLedger) -> None:
        """Write down a step that was recorded."""
        record = ledger.record
        found = ledger.findings()
        self._lines.append(
            _Line(
                signature(record),
                StepRecord(
                    number,
                    record.loss,
                    [
                        _short(node.upstream.norm if node.upstream else None)
                        for node in record.nodes
                    ],
                    [_short(edge.norm) for edge in record.edges],
                    [_short(edge.share) for edge in record.edges],
                ),
                [f.node for f in found if f.kind == "dead" and f.node is not None],
                [f.node for f in found if f.kind == "saturated" and f.node is not None],
            )
        )
        every = self.interval(number)
        kept = [line for line in self._lines if line.record.step % every == 0]
        if len(kept) == len(self._lines):
            with self.path.open("a", encoding="utf-8") as file:
                file.write(_text(kept[-1]))
            return
        self._lines = kept
        self._write()

    def _write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_name(self.path.name + ".partial")
        partial.write_text("".join(map(_text, self._lines)), encoding="utf-8")
        partial.replace(self.path)


def attach(record: LedgerRecord, folder: str | Path) -> LedgerRecord:
    """Give a ledger the steps that were recorded in `folder`, where the graph was the same.

    Nodes whose units die or saturate learn since when they have done so.
    """
    own = signature(record)
    lines = [line for line in _read(Path(folder) / FILE) if line.graph == own]
    record.steps = [line.record for line in lines]
    for node in record.nodes:
        if node.units is None:
            continue
        since = None
        for line in reversed(lines):
            if node.id not in line.dead and node.id not in line.saturated:
                break
            since = line.record.step
        node.units.since = since
    return record


def signature(record: LedgerRecord) -> str:
    """Two recordings of one graph have the same signature, whatever their numbers."""
    text = repr(
        (
            [(node.op, node.kind, node.module, node.names) for node in record.nodes],
            [(edge.source, edge.consumer, edge.argument) for edge in record.edges],
        )
    )
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _short(number: float | None) -> float | None:
    return None if number is None else float(f"{number:.{_DIGITS}g}")


def _text(line: _Line) -> str:
    return json.dumps(encode(line), allow_nan=False, separators=(",", ":")) + "\n"


def _read(path: Path) -> list[_Line]:
    """The lines of the file; one that an interruption left incomplete ends it."""
    if not path.exists():
        return []
    lines = []
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            found = json.loads(text)
        except ValueError:
            break
        step = decode_step(found["record"])
        lines.append(_Line(found["graph"], step, found["dead"], found["saturated"]))
    return lines
