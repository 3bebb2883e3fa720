"""From what the hooks heard to the records that people and findings read."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from torch import Tensor

from localgrad.ledger import arithmetic, birth
from localgrad.ledger.absence import FAILED_BEFORE, NOT_IN_GRAPH, explain_absences
from localgrad.ledger.build import snippets
from localgrad.ledger.model import EdgeRecord, LedgerRecord, Mutation, NodeRecord, Stats
from localgrad.torch import names
from localgrad.torch.cut_records import record_cuts, record_lost_losses, take_in_cut_sources
from localgrad.torch.describe import Describe
from localgrad.torch.folding import folded
from localgrad.torch.joins import Join, Sent, Target
from localgrad.torch.recorder import Recorder
from localgrad.torch.statistics import densely
from localgrad.torch.sweep import Sweep

_ROUNDING = 1e-5  # of sums of squares

Key = tuple[int, int, int]  # sweep, index of the node, and output (-1: the node itself)


class Build:
    """One ledger's records, and which node of PyTorch's each is."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.describe = Describe(recorder)
        self.record = LedgerRecord(
            framework="torch",
            level=recorder.level,
            title=self.describe.title(),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            modules=self.describe.modules(),
            thresholds=recorder.thresholds.as_dict(),
        )
        self.keys: list[Key] = []
        self.ids: dict[Key, int] = {}
        self.sent: dict[int, Sent] = {}  # by the edge's id
        self.lost: dict[int, int] = {}  # id of a loss without a graph -> id of its record
        self.folded: list[dict[int, Target]] = []  # by sweep
        take_in_cut_sources(recorder)
        self.left_out = _reached_elsewhere(recorder.sweeps)
        for number, sweep in enumerate(recorder.sweeps):
            self.folded.append(folded(sweep))
            self._nodes_of(number, sweep)
        self._unused_parameters()
        for number, sweep in enumerate(recorder.sweeps):
            self._edges_of(number, sweep)
        self._number_steps()
        record_lost_losses(self)
        record_cuts(self)
        self.record.loss = self._loss()
        self._leaf_lines()
        self._mutations()
        self.record.sources = snippets(self.record.nodes)
        birth.classify(self.record)
        has_failed = any(sweep.error is not None for sweep in recorder.sweeps)
        explain_absences(self.record, FAILED_BEFORE if has_failed else NOT_IN_GRAPH)

    # -- nodes ---------------------------------------------------------------------------------

    def _nodes_of(self, number: int, sweep: Sweep) -> None:
        """Leaves first, in the model's order; then operations in the order they were made."""
        entries = sweep.graph.entries
        slots_of = _slots(sweep)
        order = sorted(
            (
                index
                for index in range(len(entries))
                if index not in self.folded[number] and (number, index) not in self.left_out
            ),
            key=lambda i: (
                (0, self.describe.rank(entries[i]), ())
                if entries[i].is_leaf
                else (1, 0, entries[i].order)
            ),
        )
        for index in order:
            record = self._add((number, index, -1), self.describe.entry(sweep, index))
            record.sweep = number
            slots = slots_of.get(index, [])
            if len(slots) == 1:
                record.slot = slots[0]
            for slot in slots if len(slots) > 1 else ():
                part = self._add((number, index, slot), self.describe.output(sweep, index, slot))
                part.sweep = number

    def _add(self, key: Key, record: NodeRecord) -> NodeRecord:
        record.id = len(self.record.nodes)
        self.ids[key] = record.id
        self.keys.append(key)
        self.record.nodes.append(record)
        return record

    def node(self, sweep: int, index: int, slot: int = -1) -> NodeRecord:
        """The record of one output of a node, which is the node itself where it has but one."""
        while index in self.folded[sweep]:
            index = self.folded[sweep][index][0]
            slot = -1
        found = self.ids.get((sweep, index, slot))
        return self.record.nodes[self.ids[sweep, index, -1] if found is None else found]

    def known_id(self, sweep: int, index: int, slot: int = -1) -> int | None:
        """The id of ``node``; None for a leaf that only another sweep reached."""
        return None if (sweep, index) in self.left_out else self.node(sweep, index, slot).id

    def id_of(self, source: Any) -> int | None:
        """The record of a node or leaf of PyTorch's in the last sweep that it was in."""
        for number in reversed(range(len(self.recorder.sweeps))):
            graph = self.recorder.sweeps[number].graph
            index = graph.index.get(source)
            if index is None and isinstance(source, Tensor):
                index = next(
                    (i for i, entry in enumerate(graph.entries) if entry.variable is source), None
                )
            if index is not None and (number, index) not in self.left_out:
                return self.node(number, index).id
        return None

    def id_of_output(self, node: Any, slot: int) -> int | None:
        """The record of one output of a node of PyTorch's."""
        for number in reversed(range(len(self.recorder.sweeps))):
            index = self.recorder.sweeps[number].graph.index.get(node)
            if index is not None:
                return self.node(number, index, slot).id
        return None

    def _unused_parameters(self) -> None:
        """Parameters of the model that no sweep came by."""
        seen = {
            id(entry.variable) for sweep in self.recorder.sweeps for entry in sweep.graph.entries
        }
        missing = [
            self.describe.parameter(parameter)
            for identity, parameter in self.recorder.modules.parameters().items()
            if identity not in seen
        ]
        last = max(len(self.recorder.sweeps) - 1, 0)
        first = next((i for i, key in enumerate(self.keys) if key[0] == last), len(self.keys))
        for offset, record in enumerate(missing):
            record.sweep = last
            self.record.nodes.insert(first + offset, record)
            self.keys.insert(first + offset, (last, -1 - offset, -1))
        for identity, (key, record) in enumerate(zip(self.keys, self.record.nodes)):
            record.id = self.ids[key] = identity

    def _number_steps(self) -> None:
        """Number the calls of one line of one module: the unrolled steps of a recurrence."""
        places = [
            (node.sweep, node.module, node.op, node.slot, node.file, node.line)
            if node.kind != "parameter" and node.line is not None
            else None
            for node in self.record.nodes
        ]
        often, seen = Counter(places), Counter[Any]()
        for node, place in zip(self.record.nodes, places):
            if place is not None and often[place] > 1:
                node.step = seen[place]
                seen[place] += 1

    # -- edges ---------------------------------------------------------------------------------

    def _edges_of(self, number: int, sweep: Sweep) -> None:
        scale = self.describe.scale(sweep)
        seeded = set(sweep.roots)
        senders = _single_senders(sweep)
        targets = sorted(
            (target for target in sweep.arrived if target[0] not in self.folded[number]),
            key=lambda t: (self.node(number, *t).id, t[1]),
            reverse=True,
        )
        for target in targets:
            row = sweep.arrived[target]
            source = self.node(number, *target)
            source.upstream = self.recorder.meter.stats(
                row, 1.0 if target in seeded else scale, sweep.sums.get(target)
            )
            join = sweep.joins.get(target)
            if join is None:
                only = senders.get(target)
                parts = [] if only is None else [Sent(*only, row, sweep.sums.get(target))]
                join = Join(parts, -1)
            if join.apart:
                join = self._in_place(join, source.upstream.size)
            edges = [self._edge(number, sweep, source, part, scale) for part in join.parts]
            for edge in edges:
                edge.slot = target[1]
            self._balance(source, row, join, edges, scale)
        self._join_outputs(number, sweep)
        for edge in self.record.edges:
            upstream = self.record.nodes[edge.consumer].upstream
            if edge.gain is None and upstream is not None:
                edge.gain = arithmetic.gain(edge.rms, upstream.rms)

    def _in_place(self, join: Join, size: int) -> Join:
        """Contributions that do not overlap, each among zeros in the size of their sum."""
        add_up = self.recorder.meter.add_up
        return join._replace(
            parts=[part._replace(row=add_up([part.row], size)) for part in join.parts]
        )

    def _edge(
        self, number: int, sweep: Sweep, source: NodeRecord, part: Sent, scale: float
    ) -> EdgeRecord:
        position = self.folded[number].get(part.consumer, (part.consumer, part.argument))
        consumer = self.node(number, position[0])
        found = self.recorder.meter.stats(part.row, scale)
        edge = EdgeRecord(
            id=len(self.record.edges),
            source=source.id,
            consumer=consumer.id,
            argument=position[1],
            name=names.argument_name(consumer.op, position[1]),
            size=found.size,
            norm=found.norm,
            rms=found.rms,
            zeros=found.zeros,
            nonfinite=found.nonfinite,
            reduced_axes=names.reduced_axes(consumer.op, consumer.shape, source.shape),
        )
        if part.tensor is not None:
            edge.contribution = densely(part.tensor) / scale
        self.sent[edge.id] = part
        self.attach(edge)
        return edge

    def attach(self, edge: EdgeRecord) -> None:
        """Enter an edge in the books of both its ends."""
        self.record.edges.append(edge)
        self.record.nodes[edge.source].arrived.append(edge.id)
        self.record.nodes[edge.consumer].downstream.append(edge.id)

    def _balance(
        self, source: NodeRecord, row: int, join: Join, edges: list[EdgeRecord], scale: float
    ) -> None:
        """Shares, cosines and what is left over."""
        meter, square = self.recorder.meter, scale * scale
        total, gap = meter.square(row) / square, 0.0
        if join.apart:
            inners = [meter.square(part.row) / square for part in join.parts]
            gap = abs(total - sum(inners))
            gap = 0.0 if gap <= _ROUNDING * total else gap
        elif join.difference >= 0:
            inners = [meter.inner(part.row) / square for part in join.parts]
            gap = meter.numbers[join.difference] / square
        else:
            inners = [total for _ in join.parts]
        arithmetic.reconcile(edges, inners, total, source.dtype)
        if edges:
            # What was overwritten differs from what was sent by at least their norms' difference.
            for before, position in join.overwritten:
                now = join.parts[position].row
                lost = meter.square(before) ** 0.5 - meter.square(now) ** 0.5
                gap += lost * lost / square
            source.balance = arithmetic.balance(gap, sum(edge.norm or 0.0 for edge in edges))

    def _join_outputs(self, number: int, sweep: Sweep) -> None:
        """A node with several outputs is given the gradients of all: each is a part of the whole.

        The parts do not overlap, so the share of each is its square over the sum of squares.
        """
        several: dict[int, list[Target]] = {}
        for target in sweep.arrived:
            if (number, *target) in self.ids:
                several.setdefault(target[0], []).append(target)
        for index, targets in several.items():
            hub = self.node(number, index)
            parts = [self.node(number, *target) for target in sorted(targets)]
            found = [part.upstream for part in parts if part.upstream is not None]
            hub.upstream = whole = _together(found)
            for part, stats in zip(parts, found):
                edge = EdgeRecord(
                    id=len(self.record.edges),
                    source=hub.id,
                    consumer=part.id,
                    name=f"output {part.slot}",
                    slot=part.slot,
                    size=stats.size,
                    norm=stats.norm,
                    rms=stats.rms,
                    share=arithmetic.share(stats.norm**2, whole.norm**2),
                    cosine=arithmetic.cosine(stats.norm**2, stats.norm, whole.norm),
                    gain=1.0,
                    zeros=stats.zeros,
                    nonfinite=stats.nonfinite,
                )
                self.attach(edge)
            hub.balance = 0.0

    def _loss(self) -> float | None:
        losses = [node for node in self.record.nodes if node.kind == "loss"]
        value = losses[-1].value if losses else None
        if value is None or value.size != 1 or value.mean is None:
            return None
        sweeps = self.recorder.sweeps
        return value.mean / (self.describe.scale(sweeps[losses[-1].sweep]) if sweeps else 1.0)

    def unreached(self) -> set[int]:
        """The nodes that a sweep would have come to, had it not failed before."""
        return {
            self.node(number, index).id
            for number, sweep in enumerate(self.recorder.sweeps)
            if sweep.error is not None
            for index in range(len(sweep.graph.entries))
            if (number, index) not in self.left_out
        }

    # -- the rest ------------------------------------------------------------------------------

    def _leaf_lines(self) -> None:
        """A leaf that no class made is found at the line that last used it."""
        for node in self.record.nodes:
            if node.where is None and node.kind in ("parameter", "input") and node.arrived:
                edges = [self.record.edges[i] for i in node.arrived]
                user = self.record.nodes[max(edge.consumer for edge in edges)]
                node.where, node.file, node.line = user.where, user.file, user.line

    def _mutations(self) -> None:
        for entry, log, change in self.recorder.failures:
            call = log.call_of(entry.node._sequence_nr())
            self.record.mutations.append(
                Mutation(
                    where=None if change.place is None else change.place.where,
                    op=change.name,
                    retained_by=names.label(entry.op, entry.is_custom),
                    retained_where=None if call is None or call.place is None else call.place.where,
                    module=self.recorder.modules.path(change.module),
                )
            )


def _together(parts: list[Stats]) -> Stats:
    """The statistics of several arrays laid side by side."""
    size = sum(part.size for part in parts)
    square = sum(part.norm * part.norm for part in parts)
    zeros = [part.zeros for part in parts if part.zeros is not None]
    return Stats(
        size=size,
        norm=arithmetic.norm(square),
        rms=arithmetic.rms(square, size),
        zeros=sum(zeros) if len(zeros) == len(parts) else None,
        nonfinite=sum(part.nonfinite for part in parts),
    )


def _reached_elsewhere(sweeps: list[Sweep]) -> set[tuple[int, int]]:
    """The leaves (sweep, index) that a sweep passed by and another one reached."""
    reached = {
        id(sweep.graph.entries[index].variable) for sweep in sweeps for index, _ in sweep.arrived
    }
    return {
        (number, index)
        for number, sweep in enumerate(sweeps)
        for index, entry in enumerate(sweep.graph.entries)
        if entry.variable is not None
        and (index, 0) not in sweep.arrived
        and (id(entry.variable) in reached or number + 1 < len(sweeps))
    }


def _single_senders(sweep: Sweep) -> dict[Target, tuple[int, int]]:
    """The last consumer of every target, and the argument it was: the only one, where it is not
    a join."""
    return {
        target: (index, argument)
        for index, entry in enumerate(sweep.graph.entries)
        for argument, target in enumerate(entry.targets)
        if target is not None and index in sweep.done
    }


def _slots(sweep: Sweep) -> dict[int, list[int]]:
    """The outputs of each node that a gradient arrived at, or else those that are used."""
    arrived: dict[int, list[int]] = {}
    used: dict[int, list[int]] = {}
    for found, targets in ((arrived, sweep.arrived), (used, sweep.graph.uses)):
        for index, slot in targets:
            found.setdefault(index, []).append(slot)
    return {index: sorted(slots) for index, slots in {**used, **arrived}.items()}
