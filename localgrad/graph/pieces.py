"""The gradient of a value that was taken in pieces: put together when the value's turn has come."""

from __future__ import annotations

from typing import Any

from localgrad.graph.node import Node


class Pieces:
    """What the nodes that each took a piece of one value (`x[:, 0]`) have to send back to it.

    One after the other they would add to a sum of the value's size. Pieces that lie side by side
    in memory, as the gradients of `q`, `k` and `v` do where these are pieces of one array, are
    their sum as they lie.
    """

    __slots__ = ("received",)

    def __init__(self) -> None:
        self.received: list[tuple[Node, Any]] = []

    def put_together(self, source: Node, owned: set[Node]) -> Any:
        """The sum of what the nodes send back to `source`; `owned` if the buffer is a new one."""
        (node, upstream), *others = self.received
        try:
            if others and node.op.side_by_side is not None:
                joined = node.op.side_by_side(self.received, node.likes[0])
                if joined is not None:
                    return joined
            (buffer,) = node.op.pull(node, upstream, (), (source,))
            for node, upstream in others:
                node.op.pull_into(buffer, node, upstream)
        except Exception as error:
            error.add_note(f"raised in the backward of `{node.op.name}`, made at {node.where}")
            raise
        owned.add(source)
        return buffer


def waits(pending: dict[Node, Any], owned: set[Node], node: Node, upstream: Any) -> bool:
    """Whether what `node` sends back to its one source is left for later, or added to a sum."""
    source = node.inputs[0]
    assert source is not None
    sofar = pending.get(source)
    if sofar is None:
        sofar = pending[source] = Pieces()
    if sofar.__class__ is Pieces:
        sofar.received.append((node, upstream))
        return True
    if source not in owned:
        return False
    node.op.pull_into(sofar, node, upstream)
    return True
