"""The recorded graph, brought back so that sweeps can be run over it again.

A sweep frees what the nodes kept, but the ledger holds it. Copies of the nodes are joined as the
originals were, and `graph/reverse.py` itself runs over them: no rule is written a second time.
"""

from __future__ import annotations

from typing import Any

from localgrad import errors_of_ledgers as errors
from localgrad.errors import GraphError
from localgrad.graph.node import Node
from localgrad.graph.record import no_grad, state
from localgrad.graph.reverse import sweep
from localgrad.kernels import reference as xp
from localgrad.ledger.recorder import Recorder


class Replay:
    """Copies of the nodes of one sweep, `of` each original."""

    def __init__(self, recorder: Recorder, number: int) -> None:
        self.page = recorder.sweeps[number]
        self.roots = recorder.roots[number]
        self.of: dict[Node, Node] = {}
        self.original: dict[Node, Node] = {}
        for node in sorted(self.page, key=lambda item: item.serial):
            made = recorder.made_nodes.get(node)
            copy = Node.__new__(Node)
            for name in ("op", "plan", "likes", "options", "code", "instruction", "scope"):
                setattr(copy, name, getattr(node, name))
            inputs = () if made is None else made.inputs
            copy.inputs = tuple(None if s is None else self.of.get(s) for s in inputs)
            copy.kept = () if made is None else made.kept
            copy.serial, copy.watch = node.serial, None
            self.of[node], self.original[copy] = copy, node

    def sweep(self, upstreams: dict[Node, Any], listener: Any = None) -> dict[Node, Any]:
        """Sweep from copies of the nodes in `upstreams`; return the sums at every original."""
        starts = {self.of[node]: value for node, value in upstreams.items()}
        before = state.observer
        state.observer = listener
        try:
            with no_grad():
                found = sweep(starts, retain_graph=True, wanted=set(self.original))
        except GraphError as cause:
            raise errors.values_changed(cause) from cause
        finally:
            state.observer = before
        return {self.original[copy]: value for copy, value in found.items()}

    def contribution(self, consumer: Node, argument: int) -> tuple[Any, Any]:
        """(what had arrived at `consumer`, what it sent to that argument), as arrays."""
        listener = _Listener(self.of[consumer])
        self.sweep(self.roots, listener)
        assert listener.downstreams is not None
        return listener.upstream, listener.downstreams[argument]


class _Listener:
    """An observer that keeps what one node received and sent."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.upstream: Any = None
        self.downstreams: Any = None

    def arrived(self, node: Node, upstream: Any) -> None:
        if node is self.node:
            self.upstream = upstream

    def sent(self, node: Node, upstream: Any, downstreams: Any, needs: Any) -> None:
        if node is self.node:
            self.downstreams = [
                xp.array(g) if isinstance(g, xp.ndarray) else g for g in downstreams
            ]

    def made(self, node: Node, y: Any, values: Any) -> None:
        """Rules run on arrays make no nodes; a checkpoint's inner ones are its own affair."""

    def constant(self, op: Any, y: Any, values: Any, sources: Any) -> None:
        """Nothing is cut in a replay."""

    def cut(self, source: Node, value: Any, reason: str, op: str = "") -> None:
        """Nothing is cut in a replay."""

    def mutated(self, node: Node, change: Any) -> None:
        """The sweep raises; `Replay.sweep` says what it means."""
