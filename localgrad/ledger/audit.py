"""Is every local gradient right? Each node is checked on its own, at the values it really had.

How one operation is checked is `local/audit.py`'s business; here are the nodes of a ledger, the
account of what was checked, and a finding for everything that is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from localgrad.kernels import reference as xp
from localgrad.ledger.build import Build
from localgrad.ledger.findings.words import at
from localgrad.ledger.model import Finding, NodeRecord
from localgrad.ledger.recorder import Recorder
from localgrad.local.audit import UNCHECKED, Point, Trial, examine


@dataclass(slots=True, frozen=True)
class AuditRow:
    """One argument of one node, or all of them together: the relative errors of its backward."""

    node: int
    op: str
    argument: str
    difference: float  # against a finite difference of the forward
    modes: float | None  # against forward mode, where the operation has one
    kernels: float | None  # the kernels that ran against NumPy; None where they were not asked


@dataclass(slots=True)
class Audit:
    """What was checked, what was not and why, and what is wrong."""

    rows: list[AuditRow] = field(default_factory=list)
    skipped: dict[int, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether no local gradient disagrees with its forward."""
        return not self.findings

    def __str__(self) -> str:
        checked = len({row.node for row in self.rows})
        head = f"{checked} nodes checked, {len(self.skipped)} skipped: "
        wrong = [f"  {item.where or '?'}: {item.message}" for item in self.findings]
        return "\n".join([head + (f"{len(wrong)} wrong" if wrong else "all agree"), *wrong])


def audit(recorder: Recorder, build: Build, seed: int, tolerance: float) -> Audit:
    """Check every node that a sweep passed and whose arguments were recorded."""
    result = Audit()
    random = xp.random.default_rng(seed)
    seen: set[Any] = set()  # a node that several sweeps passed is checked once
    for identity, (node, _) in enumerate(build.keys):
        record = build.record.nodes[identity]
        if node.op.kind in UNCHECKED or record.upstream is None or node in seen:
            continue
        seen.add(node)
        made = recorder.values.made.get(node)
        if made is None or made.arguments is None:
            result.skipped[identity] = "made before the ledger was opened"
            continue
        moving = [i for i, source in enumerate(made.inputs) if source is not None]
        point = Point(node.op, made.arguments, node.options, moving)
        try:
            trials = examine(point, random, tolerance)
        except Exception as cause:
            result.skipped[identity] = f"it cannot be run again: {cause}"
            continue
        if not trials:
            result.skipped[identity] = "its gradient is not finite at these values"
        result.rows += [_row(record, point, trial) for trial in trials]
        wrong = [trial for trial in trials if not trial.worst() <= tolerance]
        if wrong:
            result.findings.append(_finding(record, point, wrong, tolerance))
    return result


def _row(record: NodeRecord, point: Point, trial: Trial) -> AuditRow:
    names = ", ".join(map(point.name, trial.arguments))
    return AuditRow(record.id, record.op, names, trial.difference, trial.modes, trial.kernels)


def _finding(record: NodeRecord, point: Point, wrong: list[Trial], tolerance: float) -> Finding:
    worst = max(wrong, key=Trial.worst)
    evidence: dict[str, float | int | str] = {
        "argument": ", ".join(map(point.name, worst.arguments)),
        "declared": worst.declared,
        "measured": worst.measured,
        "against the forward": worst.difference,
        "tolerance": tolerance,
    }
    if worst.modes is not None:
        evidence["against forward mode"] = worst.modes
    if worst.kernels is not None:
        evidence["against NumPy"] = worst.kernels
    names = ", ".join(f"`{point.name(i)}`" for trial in wrong for i in trial.arguments)
    return at(
        record,
        "mismatch",
        "error",
        f"the backward of `{record.op}` with respect to {names} is not the derivative of "
        f"its forward: they differ by {worst.worst():.2g} of their size.",
        evidence,
        f"Check the declaration: lg.check_gradients({record.op}, ...) shows the element and "
        "the formula; or declare only the forward in terms of other operations.",
    )
