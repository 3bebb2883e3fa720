"""Cuts as records: which parameters lie behind each, and where the value was used again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from torch import Tensor

from localgrad.ledger.cuts import Origin
from localgrad.ledger.model import Cut, EdgeRecord, NodeRecord
from localgrad.ledger.vocabulary import canonical
from localgrad.torch import names
from localgrad.torch.cuts import OpenCut
from localgrad.torch.recorder import Recorder
from localgrad.torch.sweep import Sweep
from localgrad.torch.walk import ACCUMULATE

if TYPE_CHECKING:
    from localgrad.torch.build import Build


def take_in_cut_sources(recorder: Recorder) -> None:
    """Bring what lies behind a cut into the graph of the sweep that used the cut value."""
    if recorder.lost and not recorder.sweeps:
        recorder.sweeps.append(Sweep(recorder.meter, recorder.level))
    for opened in recorder.watch.cuts.cuts.values():
        nodes = [(source, 0) for source in opened.sources.values() if not is_leaf(source)]
        if nodes and recorder.sweeps and (opened.consumers or opened.escaped or recorder.lost):
            recorder.sweeps[-1].graph.extend(nodes, recorder.log, ())


def is_leaf(source: Any) -> bool:
    return isinstance(source, Tensor)


def record_lost_losses(build: Build) -> None:
    """A loss that nothing reaches has no graph, and is a node all the same."""
    for lost in build.recorder.lost:
        record = NodeRecord(
            id=len(build.record.nodes),
            op="loss",
            kind="loss",
            label="loss",
            shape=list(lost.tensor.shape),
            dtype=str(lost.tensor.dtype).removeprefix("torch."),
            where=None if lost.place is None else lost.place.where,
            file=None if lost.place is None else lost.place.file,
            line=None if lost.place is None else lost.place.line,
            value=build.recorder.meter.stats(lost.row),
        )
        build.record.nodes.append(record)
        build.keys.append((-1, record.id, -1))
        build.lost[id(lost)] = record.id


def record_cuts(build: Build) -> None:
    """Write the cuts, and a dashed edge for each that comes back into the graph."""
    positions = {
        (id(entry.log), entry.node._sequence_nr()): (number, index)
        for number, sweep in enumerate(build.recorder.sweeps)
        for index, entry in enumerate(sweep.graph.entries)
        if index in sweep.done
    }
    for opened in build.recorder.watch.cuts.cuts.values():
        used = [
            (build.node(*positions[id(log), number]), argument, origin)
            for number, log, argument, origin in opened.consumers
            if (id(log), number) in positions
        ]
        used += [
            (build.record.nodes[build.lost[id(lost)]], 0, lost.behind[opened])
            for lost in build.recorder.lost
            if opened in lost.behind
        ]
        _record(build, opened, used)
    for number, sweep in enumerate(build.recorder.sweeps):
        for index, entry in enumerate(sweep.graph.entries):
            if not entry.is_leaf and "flat" in names.flags(entry.op):
                node = build.node(number, index)
                first = next((t for t in entry.targets if t is not None), None)
                build.record.cuts.append(
                    Cut(
                        where=node.where,
                        reason="flat",
                        op=canonical(entry.op),
                        module=node.module,
                        shape=node.shape,
                        source=None if first is None else build.known_id(number, *first),
                        consumer=node.id,
                        parameters=behind(build, [entry.node]),
                    )
                )


def _record(build: Build, opened: OpenCut, used: list[tuple[NodeRecord, int, Origin]]) -> None:
    sources = [build.id_of(source) for source in opened.sources.values()]
    known = [identity for identity in sources if identity is not None]
    cut = Cut(
        where=None if opened.place is None else opened.place.where,
        reason=opened.reason,
        op=opened.op,
        module=build.recorder.modules.path(opened.module),
        shape=list(opened.shape),
        source=known[0] if known else None,
        consumer=used[0][0].id if used else None,
    )
    if used or opened.escaped:
        cut.parameters = behind(build, opened.sources.values())
    build.record.cuts.append(cut)
    for consumer, argument, origin in used:
        source = build.id_of(origin.source)
        if source is not None:
            name = names.argument_name(consumer.op, argument)
            if origin.itself:
                cut.unchanged.append(len(build.record.edges))
            build.attach(
                EdgeRecord(len(build.record.edges), source, consumer.id, argument, name, cut=True)
            )


def behind(build: Build, sources: Iterable[Any]) -> list[str]:
    """The parameters that these nodes and leaves were computed from."""
    leaves: dict[int, None] = {}
    seen: set[Any] = set()
    stack = []
    for source in sources:
        if is_leaf(source):
            leaves[id(source)] = None
        else:
            stack.append(source)
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        if node.name() == ACCUMULATE:
            leaves[id(node.variable)] = None
        stack.extend(source for source, _ in node.next_functions if source is not None)
    known = build.describe.names
    return [known[leaf][0] for leaf in known if leaf in leaves]
