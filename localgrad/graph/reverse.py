"""Backpropagation: `upstream × local = downstream`, summed over consumers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from localgrad import errors, kernels
from localgrad.graph import mutation
from localgrad.graph.node import Freed, Node
from localgrad.graph.order import leading_to, newest_first, reachable
from localgrad.graph.pieces import Pieces, waits
from localgrad.graph.recompute import retained_values
from localgrad.graph.record import state
from localgrad.kernels import reference as xp


def sweep(
    upstreams: dict[Node, Any],
    *,
    retain_graph: bool = False,
    on_tensors: bool = False,
    wanted: set[Node] | None = None,
    fence: frozenset[Node] = frozenset(),
    deliver: Any = None,
) -> dict[Node, Any]:
    """Sweep from the nodes in `upstreams` to the leaves; return the sums at `wanted`.

    With `on_tensors` the same rules run on Tensors, so that the sweep itself is recorded.
    `deliver(node, sum, owned)` is called at the end for every node that somebody watches.
    """
    nodes = newest_first(reachable(upstreams, fence))
    needed = None if wanted is None else leading_to(nodes, wanted)
    pending = dict(upstreams)
    owned: set[Node] = set()  # whose pending sum is a buffer of ours: only there we add in place
    given: set[Node] = set()  # whose pending sum is one as well, but an open ledger has seen it
    found: dict[Node, Any] = {}
    watched: list[tuple[Node, Any, bool]] = []
    freed = None if retain_graph else Freed()
    observer = state.observer
    # A Tensor is never written into, nor is a contribution that an open ledger still has to read
    # (of an operation with `into` it reads the upstream).
    in_place = not on_tensors and observer is None

    for node in nodes:
        upstream = pending.pop(node, None)
        if upstream is None or (needed is not None and node not in needed):
            continue
        if upstream.__class__ is Pieces:
            upstream = upstream.put_together(node, owned)
        if observer is not None:
            observer.arrived(node, upstream)
        if wanted is not None and node in wanted:
            found[node] = upstream
        elif node.watch is not None and deliver is not None:
            watched.append((node, upstream, node in owned or node in given))
        op, needs, kept = node.op, node.inputs, node.kept
        if not needs or (fence and node in fence):
            if kept.__class__ is Freed and not (node in found and len(found) == len(wanted or ())):
                raise errors.freed(node)
            continue
        if kept.__class__ is not tuple:
            kept = retained_values(node)
        if mutation.latest > node.serial:
            check_unchanged(node)
        if needed is not None:
            needs = tuple([s if s in needed else None for s in needs])
        values = op.tensors_of(node) if on_tensors else kept
        try:
            downstreams: Sequence[Any] = (None,)
            later = op.into is not None and not on_tensors and needs[0] is not None
            if later and waits(pending, owned, node, upstream):
                pass
            elif op.adds and in_place and needs[0] is not None:
                arrived = pending.pop(needs[0], None)
                if arrived.__class__ is Pieces:
                    arrived = arrived.put_together(needs[0], owned)
                downstreams = op.pull_onto(arrived, node, upstream, values, needs)
            else:
                downstreams = op.pull(node, upstream, values, needs)
        except Exception as error:
            error.add_note(f"raised in the backward of `{op.name}`, made at {node.where}")
            raise
        if observer is not None:
            observer.sent(node, upstream, downstreams, needs)
        place = -1
        for source in needs:  # counted by hand: a `zip` would cost as much as adding up does
            place += 1
            if source is None:
                continue
            downstream = downstreams[place]
            if downstream is None:
                continue
            sofar = pending.get(source)
            if sofar is None:
                pending[source] = downstream
                if source.watch is not None and is_fresh(node, downstream, upstream, downstreams):
                    (owned if observer is None else given).add(source)
            else:
                if sofar.__class__ is Pieces:
                    sofar = sofar.put_together(source, owned)
                pending[source] = add(sofar, downstream, in_place and source in owned)
                owned.add(source)
        if freed is not None:
            node.kept = freed
            node.inputs = needs = ()
    for node, upstream, is_owned in watched:  # only now: a sweep that failed has changed no `.grad`
        deliver(node, upstream, is_owned)
    return found


def is_fresh(node: Node, downstream: Any, upstream: Any, siblings: Any) -> bool:
    """Whether the rule of `node` made this buffer just now and handed it to nobody else."""
    if downstream is upstream or not node.op.makes_buffers:
        return False
    base: Any = downstream.base if downstream.__class__ is xp.ndarray else None
    kind = None if base is None else getattr(base, "dtype", None)
    if kind is not None and (node.op.kind == "linear" or kind == downstream.dtype):
        return False  # a view of somebody's array; a slab of recycled memory is bytes
    holders = 0
    for other in siblings:
        holders += other is downstream
    return holders == 1


def add(a: Any, b: Any, in_place: bool) -> Any:
    """The sum of two contributions; part by part where a node has several outputs."""
    if isinstance(a, tuple):
        return tuple(y if x is None else x if y is None else add(x, y, False) for x, y in zip(a, b))
    if in_place:
        a += b
        return a
    return kernels.add(a, b)


def check_unchanged(node: Node) -> None:
    """Raise if a value that `node` retained was changed in place after it was retained."""
    for name, value in node.retained.items():
        changed = mutation.mutation_since(value, node.serial)
        if changed is not None:
            if state.observer is not None:
                state.observer.mutated(node, changed)
            raise errors.mutated(node, name, changed)
