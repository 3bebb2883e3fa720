"""What really flows along the edges of a graph of PyTorch's, found without the ledger.

By linearity the contribution of one edge is what arrives at its source in a sweep in which every
other branch to that source is cut. A branch is cut at its consumer, which then hands on nothing
for that argument.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge


class Edge(NamedTuple):
    """From argument ``argument`` of ``consumer`` back to output ``slot`` of ``source``."""

    consumer: Any
    argument: int
    source: Any
    slot: int


def edges_behind(loss: Tensor) -> list[Edge]:
    """Every edge of the graph behind a loss."""
    stack, seen, found = [loss.grad_fn], {loss.grad_fn}, []
    while stack:
        node: Any = stack.pop()
        for argument, (source, slot) in enumerate(node.next_functions):
            if source is not None:
                found.append(Edge(node, argument, source, slot))
                if source not in seen:
                    seen.add(source)
                    stack.append(source)
    return found


def contributions(loss: Tensor) -> dict[Edge, Tensor]:
    """The contribution along every edge that carries one."""
    edges = edges_behind(loss)
    branches: dict[tuple[Any, int], list[Edge]] = defaultdict(list)
    for edge in edges:
        branches[edge.source, edge.slot].append(edge)
    found = {}
    for edge in edges:
        others = [other for other in branches[edge.source, edge.slot] if other is not edge]
        gradient = with_cut(loss, others, edge.source, edge.slot)
        if gradient is not None:
            found[edge] = gradient
    return found


def with_cut(loss: Tensor, branches: list[Edge], source: Any, slot: int) -> Tensor | None:
    """What arrives at an output when these branches carry nothing."""
    cut: dict[Any, list[int]] = defaultdict(list)
    for edge in branches:
        cut[edge.consumer].append(edge.argument)
    handles = [node.register_hook(_without(arguments)) for node, arguments in cut.items()]
    # Reading a `.grad` that a leaf's own node fills must not fill it: a leaf is asked for itself.
    target = getattr(source, "variable", None)
    if target is None:
        target = GradientEdge(source, slot)
    try:
        (found,) = torch.autograd.grad(loss, [target], retain_graph=True, allow_unused=True)
    finally:
        for handle in handles:
            handle.remove()
    return found


def _without(arguments: list[int]) -> Any:
    def cut(downstream: tuple[Tensor | None, ...], _: Any) -> tuple[Tensor | None, ...]:
        return tuple(None if i in arguments else part for i, part in enumerate(downstream))

    return cut
