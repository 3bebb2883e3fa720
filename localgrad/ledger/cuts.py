"""Following values that left the graph, to see whether they come back into it.

A detached value that is printed is no fault; one that is used again on the way to the loss has
cut off whatever lies behind it. Arrays are followed by identity while they live, through the
operations that no node records.
"""

from __future__ import annotations

import weakref
from types import CodeType
from typing import Any, NamedTuple

from localgrad.graph.node import Node
from localgrad.graph.record import call_site, format_site, module_path, state
from localgrad.kernels import reference as xp


class Origin(NamedTuple):
    """Where a value without a way back comes from."""

    source: Any  # a node, or a leaf, of either engine
    itself: bool  # the very value that left the graph; nothing was computed from it since


class OpenCut:
    """All values that left the graph at one line for one reason."""

    __slots__ = ("code", "consumers", "instruction", "op", "reason", "scope", "shape", "sources")

    def __init__(self, reason: str, op: str, shape: tuple[int, ...]) -> None:
        self.reason = reason
        self.op = op
        self.shape = shape
        self.code, self.instruction = call_site()
        self.scope = state.scope
        self.sources: dict[Node, None] = {}
        self.consumers: dict[tuple[Node, int], Origin] = {}

    @property
    def where(self) -> str | None:
        return format_site(self.code, self.instruction) or None

    @property
    def module(self) -> str:
        return module_path(self.scope)


class CutWatch:
    """The cuts of one ledger, and the living arrays that come from them."""

    def __init__(self) -> None:
        self.cuts: dict[tuple[CodeType | None, int, str, str], OpenCut] = {}
        self.living: dict[int, tuple[Any, dict[OpenCut, Origin]]] = {}

    def cut(self, source: Node, value: Any, reason: str, op: str) -> None:
        """``value``, computed by ``source``, leaves the graph at the user's current line."""
        opened = self._open(reason, op, value.shape)
        opened.sources[source] = None
        if reason != "flat":  # a flat operation's value stays in the graph and sends zeros back
            self._follow(value, {opened: Origin(source, reason == "detach")})

    def constant(self, op: Any, y: Any, values: Any, sources: Any) -> None:
        """``y`` was computed without a node: it opens a cut, or carries one on."""
        carried: dict[OpenCut, Origin] = {}
        for value, source in zip(values, sources):
            if source is not None:
                opened = self._open("integer" if state.enabled else "no_grad", op.name, y.shape)
                opened.sources[source] = None
                carried[opened] = Origin(source, False)
            elif self.living:
                for opened, origin in self.behind(value).items():
                    carried[opened] = Origin(origin.source, False)
        if carried:
            self._follow(y, carried)

    def used(self, node: Node, values: Any) -> None:
        """Note which arguments of a new node come from a cut."""
        for position, (source, value) in enumerate(zip(node.inputs, values)):
            if source is None:
                for opened, origin in self.behind(getattr(value, "value", value)).items():
                    opened.consumers[node, position] = origin

    def behind(self, array: Any) -> dict[OpenCut, Origin]:
        """The cuts that ``array`` comes from; of several values cut at one line, the last."""
        found = self.living.get(id(array))
        return found[1] if found is not None and found[0]() is array else {}

    def _open(self, reason: str, op: str, shape: tuple[int, ...]) -> OpenCut:
        opened = OpenCut(reason, op, shape)
        return self.cuts.setdefault((opened.code, opened.instruction, reason, op), opened)

    def _follow(self, array: Any, cuts: dict[OpenCut, Origin]) -> None:
        if not isinstance(array, xp.ndarray):
            return
        key = id(array)
        known = self.behind(array)
        living = self.living
        gone = weakref.ref(array, lambda _: living.pop(key, None))
        living[key] = gone, {**known, **cuts}
