"""The exact part of every parameter's gradient that came through one edge.

A sweep is linear in what it begins with. So the contribution is caught in a first sweep, at the
node that sends it, and a second sweep begins with it alone, at the node that receives it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge

from localgrad import errors_of_ledgers as errors
from localgrad.torch.build import Build
from localgrad.torch.joins import Sent, Target, fitted
from localgrad.torch.sweep import Sweep
from localgrad.torch.walk import Entry

#: Whether a sweep may begin at a node, of which no tensor is left; in PyTorch 2.4 it may not.
BEGINS_INSIDE = "GradientEdge" in str(torch.autograd.grad.__annotations__["outputs"])


def through(build: Build, number: int) -> dict[str, Tensor]:
    """Return parameter name -> the part of its gradient that came through edge ``number``.

    Raises `GraphError` where the graph was freed, or its values were changed since, and
    `LedgerError` where PyTorch is too old to begin a sweep inside of a graph.
    """
    if not BEGINS_INSIDE:
        raise errors.too_old("through()", "2.5", torch.__version__)
    edge = build.record.edges[number]
    key = build.keys[edge.source]
    sweep = build.recorder.sweeps[key[0]]
    sent = build.sent.get(number)
    if sent is None:  # from one output of a node to the node: no sweep lies between
        target, contribution = (key[1], edge.slot), _sum_at(sweep, (key[1], edge.slot))
    else:
        target = key[1], edge.slot
        contribution = _caught(sweep, sent, target)
    entry = sweep.graph.entries[target[0]]
    scale = build.describe.scale(sweep)
    if entry.variable is not None:
        name = build.record.nodes[edge.source].label
        return {name: contribution / scale}
    leaves = {
        build.node(key[0], index).label: leaf
        for index, leaf in enumerate(sweep.graph.entries)
        if leaf.variable is not None
        and (key[0], index) not in build.left_out
        and build.node(key[0], index).kind == "parameter"
    }
    parts = _sweep(
        [GradientEdge(entry.node, target[1])],
        [contribution],
        [leaf.variable for leaf in leaves.values()],
    )
    return {name: part / scale for name, part in zip(leaves, parts) if part is not None}


def _caught(sweep: Sweep, sent: Sent, target: Target) -> Tensor:
    """The contribution itself, from a sweep in which only its sender is listened to."""
    caught: list[Tensor] = []
    sender = sweep.graph.entries[sent.consumer]

    def catch(downstream: tuple[Tensor | None, ...], _: Any) -> None:
        tensor = downstream[sent.argument]
        if tensor is not None:
            caught.append(tensor.detach().clone())

    handle = sender.node.register_hook(catch)
    try:
        _again(sweep)
    finally:
        handle.remove()
    if not caught:
        raise errors.no_gradient(sender.op, "its backward is not part of the sweep itself")
    return _fitted(caught[0], sweep.graph.entries[target[0]], target[1])


def _sum_at(sweep: Sweep, target: Target) -> Tensor:
    """The sum that arrived at one output of a node."""
    caught: list[Tensor] = []

    def catch(_: Any, upstream: tuple[Tensor | None, ...]) -> None:
        total = upstream[target[1]]
        if total is not None:
            caught.append(total.detach().clone())

    handle = sweep.graph.entries[target[0]].node.register_hook(catch)
    try:
        _again(sweep)
    finally:
        handle.remove()
    return caught[0]


def _again(sweep: Sweep) -> None:
    """Run the recorded sweep once more, adding to no ``.grad``."""
    leaves = [entry.variable for entry in sweep.graph.entries if entry.variable is not None]
    roots = [GradientEdge(sweep.graph.entries[i].node, slot) for i, slot in sweep.roots]
    _sweep(roots, sweep.seeds, leaves)


def _sweep(
    roots: list[GradientEdge], seeds: list[Any], leaves: list[Any]
) -> tuple[Tensor | None, ...]:
    try:
        return torch.autograd.grad(
            roots, leaves, grad_outputs=seeds, retain_graph=True, allow_unused=True
        )
    except RuntimeError as error:
        raise errors.graph_gone(error) from error


def _fitted(tensor: Tensor, entry: Entry, slot: int) -> Tensor:
    """A contribution in the shape of what it was sent to."""
    shape = entry.shape(slot)
    return (
        fitted(tensor, torch.empty(shape, dtype=tensor.dtype, device="meta")) if shape else tensor
    )
