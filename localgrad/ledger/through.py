"""What came through one edge: exactly, by running the sweep again with that contribution alone."""

from __future__ import annotations

from typing import Any

from localgrad.graph.node import Node
from localgrad.kernels import reference as xp
from localgrad.ledger.build import Build
from localgrad.ledger.replay import Replay
from localgrad.ledger.worked import Product, products
from localgrad.tensor import Tensor


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
) -> list[Product]:
    """The products that add up to one element of a contribution: see `worked.products`."""
    source, consumer, argument = ends_of(build, edge)
    upstream, contribution = replay.contributions(source)[consumer, argument]
    return products(replay.of[consumer], argument, contribution, index, upstream)


def _leaf_name(build: Build, node: Node) -> str:
    identity = build.last_id(node)
    assert identity is not None
    return build.record.nodes[identity].label
