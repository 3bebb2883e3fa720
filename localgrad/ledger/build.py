"""From what a recorder heard to the records that people and findings read."""

from __future__ import annotations

import linecache
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from localgrad.graph.node import Node
from localgrad.ledger import arithmetic, birth
from localgrad.ledger.absence import FAILED_BEFORE, NOT_IN_GRAPH, explain_absences
from localgrad.ledger.cuts import OpenCut, Origin
from localgrad.ledger.describe import describe, reduced_axes
from localgrad.ledger.measure import enrich
from localgrad.ledger.model import (
    Cut,
    EdgeRecord,
    LedgerRecord,
    Mutation,
    NodeRecord,
    Snippet,
)
from localgrad.ledger.naming import Names
from localgrad.ledger.recorder import Arrival, Contribution, Recorder
from localgrad.ledger.slices import Slice

_AROUND = 6  # source lines kept on each side of a node's own

Key = tuple[Node, int]  # a node and the sweep it was in


class Build:
    """One ledger's records, and which engine node each is."""

    def __init__(self, recorder: Recorder, model: Any = None) -> None:
        self.recorder = recorder
        recorder.values.measure_all()
        self.names = Names(model, recorder.values.made)
        self.keys = _in_order(recorder, self.names)
        self.ids = {key: identity for identity, key in enumerate(self.keys)}
        roots = {(node, sweep) for sweep, some in enumerate(recorder.roots) for node in some}
        self.record = LedgerRecord(
            level=recorder.level,
            title=self.names.title,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            modules=self.names.modules(),
            thresholds=recorder.thresholds.as_dict(),
        )
        self.record.nodes = [
            describe(identity, node, sweep, recorder, self.names, (node, sweep) in roots)
            for identity, (node, sweep) in enumerate(self.keys)
        ]
        _number_steps(self.record.nodes, self.keys)
        for sweep in range(len(recorder.sweeps)):
            self._edges_of(sweep)
        self.record.loss = self._loss()
        self._cuts()
        self.record.mutations = [
            Mutation(
                where=change.where or None,
                op=change.operation,
                retained_by=node.op.name,
                retained_where=node.where or None,
                module=node.module,
            )
            for node, change in recorder.mutations
        ]
        self.record.sources = snippets(self.record.nodes)
        birth.classify(self.record)
        explain_absences(self.record, _why_none(recorder))

    # -- edges ---------------------------------------------------------------------------------

    def _edges_of(self, sweep: int) -> None:
        page = self.recorder.sweeps[sweep]
        for node in sorted(page, key=lambda item: -item.serial):
            arrival = page[node]
            source = self.record.nodes[self.ids[node, sweep]]
            edges = [self._edge(source, part, sweep) for part in arrival.contributions]
            self._balance(source, arrival, edges)

    def _edge(self, source: NodeRecord, part: Contribution, sweep: int) -> EdgeRecord:
        moments, row = self.recorder.moments, part.row
        consumer = self.record.nodes[self.ids[part.consumer, sweep]]
        sent = self.recorder.sweeps[sweep][part.consumer]
        square, size = moments.square(row), moments.sizes[row]
        rms = arithmetic.rms(square, size)
        op = part.consumer.op
        edge = EdgeRecord(
            id=len(self.record.edges),
            source=source.id,
            consumer=consumer.id,
            argument=part.argument,
            name=f"x{part.argument}" if op.variadic else op.arguments[part.argument],
            slot=part.slot,
            size=size,
            norm=arithmetic.norm(square),
            rms=rms,
            gain=arithmetic.gain(rms, moments.rms(sent.row)),
            zeros=moments.zeros(row),
            nonfinite=moments.nonfinite(row),
            reduced_axes=reduced_axes(op, consumer.shape, source.shape),
        )
        if part.array is not None:
            edge.contribution = read_only(part.array)
        self._join(edge, source, consumer)
        return edge

    def _join(self, edge: EdgeRecord, source: NodeRecord, consumer: NodeRecord) -> None:
        self.record.edges.append(edge)
        source.arrived.append(edge.id)
        consumer.downstream.append(edge.id)

    def _balance(
        self, source: NodeRecord, arrival: Arrival | Contribution, edges: list[EdgeRecord]
    ) -> None:
        moments = self.recorder.moments
        inners = [moments.inner(part.row) for part in arrival.contributions]
        total = moments.square(arrival.row)
        arithmetic.reconcile(edges, inners, total, source.dtype)
        source.upstream = moments.stats(arrival.row)
        if arrival.array is not None:
            enrich(source.upstream, arrival.array)
        if edges:
            norms = sum(edge.norm or 0.0 for edge in edges)
            source.balance = arithmetic.balance(arrival.difference, norms)

    def _loss(self) -> float | None:
        losses = [node for node in self.record.nodes if node.kind == "loss"]
        mean = losses[-1].value.mean if losses and losses[-1].value is not None else None
        return mean if losses and losses[-1].value and losses[-1].value.size == 1 else None

    # -- cuts ----------------------------------------------------------------------------------

    def _cuts(self) -> None:
        swept = [set(page) for page in self.recorder.sweeps]
        for opened in self.recorder.cuts.cuts.values():
            consumers = [
                (node, argument, sweep, origin)
                for (node, argument), origin in opened.consumers.items()
                for sweep, page in enumerate(swept)
                if node in page
            ]
            sources = [self.last_id(node) for node in opened.sources]
            known = [identity for identity in sources if identity is not None]
            cut = Cut(
                where=opened.where,
                reason=opened.reason,
                op=opened.op or "detach",
                module=opened.module,
                shape=list(opened.shape),
                source=known[0] if known else None,
            )
            if consumers:
                cut.consumer = self.ids[consumers[0][0], consumers[0][2]]
            if consumers or self._is_loss_cut(opened):
                cut.parameters = self._behind(opened.sources)
            self.record.cuts.append(cut)
            for node, argument, sweep, origin in consumers:
                consumer = self.record.nodes[self.ids[node, sweep]]
                edge = self._cut_edge(origin, consumer, node, argument)
                if edge is not None and origin.itself:
                    cut.unchanged.append(edge.id)

    def _is_loss_cut(self, opened: OpenCut) -> bool:
        """Whether nothing can be followed: no sweep began, or numbers left for NumPy."""
        return opened.reason == "flat" or opened.op == "numpy" or not self.recorder.sweeps

    def _cut_edge(
        self, origin: Origin, consumer: NodeRecord, node: Node, argument: int
    ) -> EdgeRecord | None:
        source = self.last_id(origin.source)
        if source is None:
            return None
        name = f"x{argument}" if node.op.variadic else node.op.arguments[argument]
        edge = EdgeRecord(len(self.record.edges), source, consumer.id, argument, name, cut=True)
        self._join(edge, self.record.nodes[source], consumer)
        return edge

    def _behind(self, sources: Iterable[Node]) -> list[str]:
        """The parameters that these nodes were computed from."""
        made = self.recorder.values.made
        seen = set(sources)
        stack = list(seen)
        while stack:
            node = stack.pop()
            inputs = made[node].inputs if node in made else node.inputs
            for source in inputs:
                if source is not None and source not in seen:
                    seen.add(source)
                    stack.append(source)
        ids = [self.last_id(n) for n in seen if n.op.kind == "leaf"]
        leaves = [
            self.record.nodes[identity] for identity in sorted(i for i in ids if i is not None)
        ]
        return [leaf.label for leaf in leaves if leaf.kind == "parameter"]

    # -- looking up ----------------------------------------------------------------------------

    def last_id(self, node: Node) -> int | None:
        """The record of `node` in the last sweep that it was in."""
        for sweep in reversed(range(max(len(self.recorder.sweeps), 1))):
            if (node, sweep) in self.ids:
                return self.ids[node, sweep]
        return None


def _in_order(recorder: Recorder, names: Names) -> list[Key]:
    """Sweep by sweep, each in the order in which the nodes were made."""
    last = max(len(recorder.sweeps) - 1, 0)
    swept: set[Node] = set()
    keys: list[Key] = []
    for sweep, page in enumerate(recorder.sweeps):
        swept.update(page)
        keys += [(node, sweep) for node in page]
    others: dict[Node, None] = dict.fromkeys(names.of_leaf)
    for node, made in recorder.values.made.items():
        others[node] = None
        others.update((source, None) for source in made.inputs if source is not None)
    for opened in recorder.cuts.cuts.values():
        others.update(opened.sources)
    keys += [(node, last) for node in others if node not in swept]
    return sorted(keys, key=lambda key: (key[1], key[0].serial))


def _why_none(recorder: Recorder) -> str:
    """Why a node received no gradient if no line cut it off."""
    if not recorder.sweeps:
        return "backward() was not called while the ledger was open"
    return FAILED_BEFORE if recorder.has_failed else NOT_IN_GRAPH


def _number_steps(nodes: list[NodeRecord], keys: list[Key]) -> None:
    """Number the calls of one line of one module: the unrolled steps of a recurrence."""
    places = [
        (sweep, node.module, node.op.name, node.code, node.instruction)
        if record.kind != "parameter" and node.code is not None
        else None
        for record, (node, sweep) in zip(nodes, keys)
    ]
    often = Counter(places)
    seen: Counter[Any] = Counter()
    for record, place in zip(nodes, places):
        if place is not None and often[place] > 1:
            record.step = seen[place]
            seen[place] += 1


def read_only(array: Any) -> Any:
    """A view of what may be the engine's own memory; a `Slice` never shows it."""
    if array.__class__ is Slice:
        return array
    view = array.view()
    view.flags.writeable = False
    return view


def snippets(nodes: Iterable[NodeRecord]) -> dict[str, Snippet]:
    """The lines around every node, with the rest of each file left empty."""
    wanted: dict[str, set[int]] = {}
    for node in nodes:
        if node.file and node.line:
            around = range(max(node.line - _AROUND, 1), node.line + _AROUND + 1)
            wanted.setdefault(node.file, set()).update(around)
    result = {}
    for file, numbers in wanted.items():
        text = linecache.getlines(file)
        numbers = {number for number in numbers if number <= len(text)}
        if numbers:
            first, last = min(numbers), max(numbers)
            result[file] = Snippet(
                first,
                [
                    text[number - 1].rstrip("\n") if number in numbers else ""
                    for number in range(first, last + 1)
                ],
            )
    return result
