"""What is wrong with a backward pass, most severe first.

Every check reads the data model alone, so it serves every recorder. A check is a function from a
`View` to findings; a finding names node, module and line, the numbers that prove it, and what to
write instead.
"""

from __future__ import annotations

from localgrad.ledger.findings import books, broadcasting, flow, nonfinite, reach, units
from localgrad.ledger.model import KINDS, SEVERITIES, Finding, LedgerRecord
from localgrad.ledger.thresholds import Thresholds
from localgrad.ledger.view import View

CHECKS = (
    nonfinite.nonfinite,
    books.imbalance,
    books.mutated,
    books.cancelling,
    reach.cut,
    reach.cut_skip,
    reach.unused,
    flow.exploding,
    flow.vanishing,
    units.dead,
    units.saturated,
    broadcasting.broadcast,
)


def find(record: LedgerRecord, thresholds: Thresholds | None = None) -> list[Finding]:
    """Return everything that is wrong with ``record``, most severe first.

    Findings of the audit (``mismatch``), which are made at the values of the model and not from
    the record, are kept.
    """
    view = View(record, thresholds or Thresholds.read(record.thresholds))
    found = [finding for finding in record.findings if finding.kind == "mismatch"]
    for check in CHECKS:
        found.extend(check(view))
    return sorted(found, key=_severity)


def _severity(finding: Finding) -> tuple[int, int]:
    return SEVERITIES.index(finding.severity), KINDS.index(finding.kind)
