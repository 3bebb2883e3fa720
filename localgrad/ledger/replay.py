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

Contributions = dict[tuple[Node, int], tuple[Any, Any]]


class Replay:
    """Copies of the nodes of one sweep, `of` each original."""

    def __init__(self, recorder: Recorder, number: int) -> None:
        self.page = recorder.sweeps[number]
        self.roots = recorder.roots[number]
        self.of: dict[Node, Node] = {}
        self.original: dict[Node, Node] = {}
        for node in sorted(self.page, key=lambda item: item.serial):
            made = recorder.values.made.get(node)
            copy = Node.__new__(Node)
            for name in ("op", "plan", "likes", "options", "code", "instruction", "scope"):
                setattr(copy, name, getattr(node, name))
            inputs = () if made is None else made.inputs
            copy.inputs = tuple(None if s is None else self.of.get(s) for s in inputs)
            copy.kept = () if made is None else made.kept
            copy.serial, copy.watch = node.serial, None
            self.of[node], self.original[copy] = copy, node
        self._heard: tuple[Node, Contributions] | None = None

    def sweep(self, upstreams: dict[Node, Any]) -> dict[Node, Any]:
        """Sweep from copies of the nodes in `upstreams`; return the sums at every original."""
        found = self._run(upstreams, None, set(self.original))
        return {self.original[copy]: value for copy, value in found.items()}

    def contributions(self, source: Node) -> Contributions:
        """(consumer, argument) -> (what had arrived at the consumer, what it sent to `source`).

        One sweep hears all of them; those of the source that was asked for last are kept.
        """
        if self._heard is None or self._heard[0] is not source:
            listener = _Contributions(self.of[source], self.original)
            self.listen(listener)
            self._heard = source, listener.found
        return self._heard[1]

    def listen(self, listener: Listener) -> None:
        """Sweep from where the recorded sweep began; the listener hears of every node."""
        self._run(self.roots, listener, None)

    def _run(
        self, upstreams: dict[Node, Any], listener: Listener | None, wanted: set[Node] | None
    ) -> dict[Node, Any]:
        starts = {self.of[node]: value for node, value in upstreams.items()}
        before = state.observer
        state.observer = listener
        try:
            with no_grad():
                return sweep(starts, retain_graph=True, wanted=wanted)
        except GraphError as cause:
            raise errors.values_changed(cause) from cause
        finally:
            state.observer = before


class Listener:
    """An observer of a replay, in which nothing is made, cut or changed."""

    def arrived(self, node: Node, upstream: Any) -> None:
        """What matters is told again by `sent`."""

    def sent(self, node: Node, upstream: Any, downstreams: Any, needs: Any) -> None:
        """`node` received `upstream` and sends `downstreams` to the nodes in `needs`."""
        raise NotImplementedError

    def made(self, node: Node, y: Any, values: Any) -> None:
        """Rules run on arrays make no nodes; a checkpoint's inner ones are its own affair."""

    def constant(self, op: Any, y: Any, values: Any, sources: Any) -> None:
        """Nothing is cut in a replay."""

    def cut(self, source: Node, value: Any, reason: str, op: str = "") -> None:
        """Nothing is cut in a replay."""

    def mutated(self, node: Node, change: Any) -> None:
        """The sweep raises; `Replay.sweep` says what it means."""


class _Contributions(Listener):
    """Keeps what the consumers of one node received, and what they sent to it."""

    def __init__(self, source: Node, original: dict[Node, Node]) -> None:
        self.source = source
        self.original = original
        self.found: Contributions = {}

    def sent(self, node: Node, upstream: Any, downstreams: Any, needs: Any) -> None:
        if node.op.into is not None and needs[0] is self.source:
            downstreams = node.op.pull(node, upstream, (), needs)  # the engine added it in place
        for argument, (source, array) in enumerate(zip(needs, downstreams)):
            if source is self.source and array is not None:
                kept = xp.array(array) if isinstance(array, xp.ndarray) else array
                self.found[self.original[node], argument] = upstream, kept
