"""The ledger of localgrad's own engine."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from localgrad import errors_of_ledgers as errors
from localgrad.errors import GraphError
from localgrad.graph.record import here, state
from localgrad.ledger.base import BaseLedger
from localgrad.ledger.build import Build
from localgrad.ledger.inside import derivations
from localgrad.ledger.model import LEVELS, EdgeRecord, LedgerRecord
from localgrad.ledger.naming import given
from localgrad.ledger.recorder import Recorder
from localgrad.ledger.thresholds import Thresholds

if TYPE_CHECKING:
    from localgrad.ledger.audit import Audit
    from localgrad.ledger.replay import Replay


class Ledger(BaseLedger):
    """Record what a backward pass does: what arrived on every edge, and what was passed on.

    model: where names come from, and whose unused parameters are noticed; a module, several (a
        list or a dict of them), or None for those that are called inside.
    level: "norms" (numbers only), "edges" (contributions kept where several meet), "values"
        (everything kept).
    thresholds: those to change, by name; see `docs/ledger.md`.
    inside: fused operations, such as "lstm", whose derivation is recorded in their place, every
        node with the derivation's own line: the gates of a cell, step by step.

    >>> import localgrad as lg
    >>> w = lg.asarray([1.0, 2.0], requires_grad=True)
    >>> with lg.Ledger() as ledger:
    ...     loss = (w * w + 3 * w).sum()
    ...     loss.backward()
    >>> [(edge.name, round(edge.share, 3)) for edge in ledger.edges if edge.source == 0]
    [('b', 0.486), ('a', 0.257), ('b', 0.257)]
    """

    def __init__(
        self,
        model: Any = None,
        level: str = "norms",
        thresholds: dict[str, float] | Thresholds | None = None,
        inside: Iterable[str] = (),
    ) -> None:
        if level not in LEVELS:
            raise errors.unknown_level(level, LEVELS, here())
        if model is not None:
            given(model)
        self.model = model
        self.level = level
        self.thresholds = Thresholds.read(thresholds)
        self.inside = derivations(inside)
        self._recorder = Recorder(level, self.thresholds)
        self._built: Build | None = None
        self._replays: dict[int, Replay] = {}
        self._is_worked_out: Build | None = None

    def __enter__(self) -> Ledger:
        if state.observer is not None:
            raise errors.already_open()
        state.observer, state.inside = self._recorder, self.inside
        return self

    def __exit__(self, *_: object) -> None:
        state.observer, state.inside = None, {}
        self._recorder.closed()
        self._built = None

    @property
    def record(self) -> LedgerRecord:
        """The account as plain data; built when first asked for, and again after more was heard."""
        return self._build().record

    def _build(self) -> Build:
        if self._built is None or state.observer is self._recorder:
            if not self._recorder.values.made and not self._recorder.sweeps:
                raise errors.nothing_recorded()
            self._built = Build(self._recorder, self.model)
            self._replays = {}
        return self._built

    def identify(self, target: Any) -> int | None:
        source = getattr(target, "source", None)
        return None if source is None else self._build().last_id(source)

    # -- what needs the values -----------------------------------------------------------------

    def through(self, edge: EdgeRecord | int) -> dict[str, Any]:
        """Parameter name -> the exact part of its gradient that came through that edge.

        The sweep is linear in what it begins with, so it is run again from the edge's source with
        this one contribution. Raises where the recorded values were changed meanwhile.
        """
        from localgrad.ledger.through import through

        record = self.record
        number = edge if isinstance(edge, int) else edge.id
        if not 0 <= number < len(record.edges) or record.edges[number].cut:
            raise errors.no_such_edge(edge, len(record.edges))
        return through(self._replay_of(record.edges[number]), self._build(), number)

    def audit(self, seed: int = 0) -> Audit:
        """Check every node's local gradient on its own, at the values of this very step.

        Forward against backward mode, and backward against a finite difference of the node's own
        forward, in double precision. What disagrees becomes a finding of kind "mismatch".
        """
        from localgrad.ledger.audit import audit

        found = audit(self._recorder, self._build(), seed, self.thresholds.mismatch)
        others = [item for item in self.record.findings if item.kind != "mismatch"]
        self.record.findings = found.findings + others
        return found

    def element_terms(self, edge: EdgeRecord, index: tuple[int, ...]) -> list[tuple[float, float]]:
        return [(upstream, local) for _, upstream, local in self.element_products(edge, index)]

    def element_products(
        self, edge: EdgeRecord, index: tuple[int, ...]
    ) -> list[tuple[tuple[int, ...], float, float]]:
        """(element of the consumer's value, upstream, local) for each product in one element."""
        from localgrad.ledger.through import element_products

        return element_products(self._replay_of(edge), self._build(), edge.id, index)

    def complete(self) -> LedgerRecord:
        """With one element of every local rule worked out, where the values are still there."""
        from localgrad.ledger.worked import work_out

        record, build = super().complete(), self._build()
        if self._is_worked_out is not build:
            self._is_worked_out = build
            for sweep in range(len(self._recorder.sweeps)):
                nodes = {
                    node: record.nodes[i] for (node, at), i in build.ids.items() if at == sweep
                }
                with suppress(GraphError):  # parameters that have moved on
                    work_out(self._replay(sweep), nodes)
        return record

    def _replay_of(self, edge: EdgeRecord) -> Replay:
        return self._replay(self.record.nodes[edge.source].sweep)

    def _replay(self, sweep: int) -> Replay:
        from localgrad.ledger.replay import Replay

        if sweep not in self._replays:
            self._replays[sweep] = Replay(self._recorder, sweep)
        return self._replays[sweep]
