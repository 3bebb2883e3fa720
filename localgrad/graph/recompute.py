"""Retained values that were dropped after forward, and are computed again when a sweep needs them.

The graph of a checkpointed function stays as it is: the same nodes, edges and lines, only `kept`
is empty. The first sweep that arrives runs the function once more, and hands what its nodes keep
to the nodes of the first run, in the order in which both were made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from localgrad import errors
from localgrad.graph.node import Freed, Node
from localgrad.graph.order import oldest_first
from localgrad.graph.record import enable_grad, state


class Dropped:
    """What `kept` is until the values are needed: how to get them back."""

    __slots__ = ("names", "nodes", "rerun")

    def __init__(self, nodes: set[Node], rerun: Callable[[], set[Node]]) -> None:
        self.nodes = oldest_first(nodes)
        self.names = [node.op.name for node in self.nodes]
        self.rerun = rerun
        for node in self.nodes:
            node.kept = self

    def restore(self) -> None:
        observer, state.observer = state.observer, None  # an open ledger saw the first run
        try:
            with enable_grad():
                again = oldest_first(self.rerun())
        finally:
            state.observer = observer
        if [node.op.name for node in again] != self.names:
            raise errors.not_repeatable(self.names, [node.op.name for node in again])
        for node, fresh in zip(self.nodes, again):
            if node.kept is self:
                node.kept = fresh.kept


def retained_values(node: Node) -> Any:
    """What `node` kept for its backward, computed again where it was dropped."""
    if node.kept.__class__ is Dropped:
        node.kept.restore()
    if node.kept.__class__ is Freed:
        raise errors.freed(node)
    return node.kept
