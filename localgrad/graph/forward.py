"""The forward sweep: `local × tangent`, added up over a node's inputs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from localgrad.graph import mutation
from localgrad.graph.node import Node
from localgrad.graph.order import oldest_first, reachable
from localgrad.graph.recompute import retained_values
from localgrad.graph.reverse import check_unchanged


def push_tangents(
    outputs: Iterable[Node], tangents: dict[Node, Any], *, on_tensors: bool = False
) -> dict[Node, Any]:
    """Carry `tangents` of some nodes along the recorded graph to every node up to `outputs`."""
    known = dict(tangents)
    for node in oldest_first(reachable(outputs, frozenset(tangents))):
        if node in known or not node.inputs:
            continue
        arriving = [None if s is None else known.get(s) for s in node.inputs]
        if all(t is None for t in arriving):
            continue
        kept = retained_values(node)
        if mutation.latest > node.serial:
            check_unchanged(node)
        values = node.op.tensors_of(node) if on_tensors else kept
        known[node] = node.op.push(node, arriving, values)
    return known
