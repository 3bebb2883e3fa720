"""What came through one edge: exactly, by running the sweep again with that contribution alone."""

from __future__ import annotations

from typing import Any

from localgrad.graph.node import Node
from localgrad.kernels import reference as xp
from localgrad.ledger.build import Build
from localgrad.ledger.replay import Replay
from localgrad.tensor import Tensor

_MOST_TERMS = 4_000_000  # a tangent with more outputs is not spelled out


def ends_of(build: Build, edge: int) -> tuple[Node, Node, int]:
    """The engine's nodes at the source and the consumer of an edge, and the argument."""
    record = build.record.edges[edge]
    return build.keys[record.source][0], build.keys[record.consumer][0], record.argument


def through(replay: Replay, build: Build, edge: int) -> dict[str, Any]:
    """Parameter name -> the part of its gradient that came through ``edge``.

    g = Σᵢ gᵢ at the edge's source, and every gradient behind it is linear in g: the part that
    belongs to gᵢ is what a sweep from there with gᵢ alone arrives at.
    """
    source, consumer, argument = ends_of(build, edge)
    _, contribution = replay.contributions(source)[consumer, argument]
    parts = replay.sweep({source: contribution})
    return {
        _leaf_name(build, node): Tensor(xp.array(part))
        for node, part in parts.items()
        if node.op.kind == "leaf"
    }


def element_products(
    replay: Replay, build: Build, edge: int, index: tuple[int, ...]
) -> list[tuple[tuple[int, ...], float, float]]:
    """The products that add up to one element of a contribution: (element j of the consumer's
    value, its upstream, the local gradient ∂yⱼ/∂xᵢ), for all j where the latter is not zero.

    ∂yⱼ/∂xᵢ for all j is the forward sweep of the unit vector at i through the one node.
    """
    source, consumer, argument = ends_of(build, edge)
    upstream, contribution = replay.contributions(source)[consumer, argument]
    node = replay.of[consumer]
    if not isinstance(upstream, xp.ndarray) or upstream.size > _MOST_TERMS:
        return []
    unit = xp.zeros_like(contribution)
    unit[index] = 1
    tangents = [unit if i == argument else None for i in range(len(node.inputs))]
    local = node.op.push(node, tangents, node.kept)
    local = getattr(local, "value", local)
    used = xp.argwhere(local)
    return [
        (tuple(place), float(upstream[tuple(place)]), float(local[tuple(place)]))
        for place in used.tolist()
    ]


def _leaf_name(build: Build, node: Node) -> str:
    identity = build.last_id(node)
    assert identity is not None
    return build.record.nodes[identity].label
