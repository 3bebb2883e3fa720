"""What every ledger answers, whoever filled it: localgrad's own and the one for PyTorch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localgrad import errors_of_ledgers as errors
from localgrad.construction import Constructed
from localgrad.ledger import findings as checks
from localgrad.ledger import interchange
from localgrad.ledger.model import EdgeRecord, Finding, LedgerRecord, NodeRecord
from localgrad.ledger.paths import Route, strongest_routes
from localgrad.ledger.thresholds import Thresholds

if TYPE_CHECKING:
    from localgrad.ledger.explain import Explanation


class BaseLedger(Constructed, ABC):
    """Questions about a recorded backward pass. A subclass says how the record is made."""

    thresholds: Thresholds

    @property
    @abstractmethod
    def record(self) -> LedgerRecord:
        """The account as plain data (`localgrad.ledger.model`)."""

    @abstractmethod
    def identify(self, target: Any) -> int | None:
        """The id of the node that a tensor of the framework belongs to, or None."""

    # -- the books -----------------------------------------------------------------------------

    @property
    def nodes(self) -> list[NodeRecord]:
        """Every operation, parameter, input and loss, in forward order."""
        return self.record.nodes

    @property
    def edges(self) -> list[EdgeRecord]:
        """Every contribution, in the order of the sweep."""
        return self.record.edges

    def of(self, target: Any) -> NodeRecord:
        """The node of a tensor, a parameter, or a name such as ``"fc1.weight"``.

        A name may be a parameter's, a module's (its last node) or a label. Raises `LedgerError`
        with the names that are close.
        """
        if isinstance(target, NodeRecord):
            return target
        if isinstance(target, int):
            return self.record.nodes[target]
        if isinstance(target, str):
            found = _by_name(self.record, target)
        else:
            identity = self.identify(target)
            found = None if identity is None else self.record.nodes[identity]
        if found is None:
            raise errors.not_in_ledger(target, _known_names(self.record))
        return found

    def findings(self) -> list[Finding]:
        """What is wrong, most severe first; empty for a healthy step."""
        self.record.findings = checks.find(self.record, self.thresholds)
        return self.record.findings

    def paths(self, target: Any, k: int = 5) -> list[Route]:
        """The `k` routes from the loss that carry most of the gradient of `target`."""
        return strongest_routes(self.record, self.of(target).id, k)

    def explain(self, target: Any, index: tuple[int, ...] | int | None = None) -> Explanation:
        """How the gradient of `target` came about, or that of one element of it.

        Prints the account in a terminal and renders it in a notebook.
        """
        from localgrad.ledger.explain import explain
        from localgrad.report.text import show

        explanation = explain(self, self.of(target), index)
        show(explanation)
        return explanation

    def element_terms(self, edge: EdgeRecord, index: tuple[int, ...]) -> list[tuple[float, float]]:
        """(upstream, local) of each product that adds up to one element of a contribution.

        Empty where a recorder keeps no values.
        """
        return []

    # -- out of the house ----------------------------------------------------------------------

    def complete(self) -> LedgerRecord:
        """The record as it leaves the house: with findings, and what takes a second sweep."""
        self.findings()
        return self.record

    def to_json(self, path: str | Path | None = None) -> str:
        """The ledger as JSON text (`docs/ledger-format.md`); written to `path` if given."""
        record = self.complete()
        if path is not None:
            interchange.save(record, path)
        return interchange.dumps(record)

    def to_html(self, path: str | Path) -> Path:
        """Write the interactive report: one file that needs no network."""
        from localgrad.report.html import write_html

        return write_html(interchange.to_dict(self.complete()), path)

    def widget(self, height: int = 720) -> Any:
        """The interactive report as the output of a notebook's cell (needs `anywidget`)."""
        from localgrad.report.widget import ledger_widget

        return ledger_widget(interchange.to_dict(self.complete()), height)

    def to_frame(self) -> Any:
        """The edges as a pandas DataFrame, each with its source's and consumer's names."""
        from localgrad.ledger.frame import to_frame

        return to_frame(self.record)

    @staticmethod
    def compare(
        a: BaseLedger | LedgerRecord, b: BaseLedger | LedgerRecord, tolerance: float = 1e-3
    ) -> LedgerRecord:
        """Return `a`'s record with `b` aligned to it, and the first edge where they part.

        `tolerance` is the relative difference of two norms (or contributions, where both kept
        them) from which on they differ.
        """
        from localgrad.ledger.compare import compare

        records = [item.record if isinstance(item, BaseLedger) else item for item in (a, b)]
        return compare(records[0], records[1], tolerance)

    # -- seen in a terminal or a notebook ------------------------------------------------------

    def show(self) -> None:
        """Print the report, in colour where the terminal has it."""
        from localgrad.report.text import print_ledger

        self.findings()
        print_ledger(self.record)

    def __str__(self) -> str:
        from localgrad.report.text import ledger_text

        self.findings()
        return ledger_text(self.record)

    def _repr_html_(self) -> str:
        from localgrad.report.notebook import ledger_html

        self.findings()
        return ledger_html(self.record)


def _by_name(record: LedgerRecord, name: str) -> NodeRecord | None:
    """The last node that bears the name, preferring parameters, then swept nodes.

    A module's last node may be made inside one of its children.
    """
    parameters = [
        n for n in record.nodes if n.kind == "parameter" and name in (n.names or [n.label])
    ]
    others = [
        n
        for n in record.nodes
        if name in (n.label, n.module, n.place)
        or (n.kind == "op" and n.module.startswith(f"{name}."))
    ]
    for candidates in (parameters, others):
        swept = [node for node in candidates if node.upstream is not None]
        if swept or candidates:
            return (swept or candidates)[-1]
    return None


def _known_names(record: LedgerRecord) -> list[str]:
    names = [name for node in record.nodes if node.kind == "parameter" for name in node.names]
    names += [node.module or node.label for node in record.nodes]
    return list(dict.fromkeys(names))
