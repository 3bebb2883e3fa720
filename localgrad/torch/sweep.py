"""One backward sweep, heard through hooks.

A post-hook on a node is given both what arrived there (the sum) and what the node sends on (one
contribution for each input). A contribution is held until its sum is known, for as long as the
engine holds it itself; what flows into a parameter is held by a second tensor on the same memory,
so that PyTorch may still hand the buffer to ``.grad`` without copying it.

The hooks hold this object and integers, never a node: node and hook would keep each other alive.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from localgrad.torch.forward import Log
from localgrad.torch.statistics import Meter, densely
from localgrad.torch.walk import Entry, Graph

Target = tuple[int, int]  # a node's index, and which of its outputs


@dataclass(slots=True)
class Sent:
    """One contribution, from the node that sent it to an argument of it."""

    consumer: int
    argument: int
    tensor: Tensor | None
    row: int = -1


@dataclass(slots=True)
class Arrival:
    """What arrived at one output of a node. ``seed`` says that the sweep began here."""

    row: int
    contributions: list[Sent]
    difference: int = -1  # index of ‖total − Σ contributions‖²; -1 where they are one tensor
    seed: bool = False
    tensor: Tensor | None = None
    shape: tuple[int, ...] = ()
    dtype: str = ""


@dataclass(slots=True)
class GradBefore:
    """What a parameter's ``.grad`` held before the sweep."""

    row: int
    after: int = -1


@dataclass
class Sweep:
    """The account of one sweep: ``arrivals`` by node and output."""

    meter: Meter
    level: str
    where: str | None = None  # the user's line that began it
    graph: Graph = field(default_factory=Graph)
    roots: list[Target] = field(default_factory=list)
    arrivals: dict[Target, Arrival] = field(default_factory=dict)
    done: set[int] = field(default_factory=set)
    nested: dict[int, list[Target]] = field(default_factory=dict)
    logs: list[Log] = field(default_factory=list)
    error: str | None = None
    scale: Tensor | None = None
    before: dict[int, GradBefore] = field(default_factory=dict)
    parameter_rows: dict[int, int] = field(default_factory=dict)
    root_rows: dict[Target, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._handles: list[Any] = []
        self._held: dict[Target, list[Sent]] = {}
        self._lock = threading.RLock()
        self._keeps_joins = self.level != "norms"
        self._keeps_all = self.level == "values"

    # -- hooks ---------------------------------------------------------------------------------

    def listen(
        self, entries: range, roots: list[Target], seeds: list[Tensor | None], owner: int = -1
    ) -> None:
        """Hang a hook on every node of ``entries``; ``roots`` receive ``seeds``.

        owner: the node inside of whose backward this sweep began; it is the sender of the seeds.
        """
        graph = self.graph
        for position, (root, seed) in enumerate(zip(roots, seeds)):
            self._held.setdefault(root, []).append(Sent(owner, position, seed))
        for index in entries:
            entry = graph.entries[index]
            if entry.is_leaf:
                target = index, 0
                if graph.uses.get(target, 0) + len(self._held.get(target, ())) < 2:
                    continue  # the one contribution is the sum
            self._handles.append(entry.node.register_hook(self._hook(index, entry.targets)))

    def surround(self, index: int, enter: Callable[[], None], leave: Callable[[], None]) -> None:
        """Call ``enter`` before and ``leave`` after the backward of one node."""
        node = self.graph.entries[index].node
        self._handles.append(node.register_prehook(lambda _: enter()))
        self._handles.append(node.register_hook(lambda *_: leave()))

    def close(self) -> None:
        """Take every hook away, and measure what was sent and never summed up."""
        for handle in self._handles:
            handle.remove()
        self._handles = []
        with torch.no_grad():
            for target in list(self._held):
                self._settle(target)

    def _hook(self, index: int, targets: list[Target | None]) -> Callable[..., None]:
        leaves = [t is not None and self.graph.entries[t[0]].is_leaf for t in targets]

        def hook(
            downstream: tuple[Tensor | None, ...], upstream: tuple[Tensor | None, ...]
        ) -> None:
            with torch.no_grad(), self._lock:
                own = self._arrive(index, upstream)
                for argument, tensor in enumerate(downstream):
                    target = targets[argument]
                    if tensor is not None and target is not None:
                        self._send(index, argument, target, tensor, own, leaves[argument])
                self.done.add(index)

        return hook

    # -- what arrives --------------------------------------------------------------------------

    def _arrive(self, index: int, upstream: tuple[Tensor | None, ...]) -> list[tuple[Tensor, int]]:
        """Take in the sums of a node; returns each with its row."""
        own = []
        for slot, total in enumerate(upstream):
            if total is not None:
                target = index, slot
                parts = self._held.pop(target, [])
                self.arrivals[target] = found = self._sum_up(total, parts)
                own.append((total, found.row))
        return own

    def _sum_up(self, total: Tensor, parts: list[Sent]) -> Arrival:
        meter = self.meter
        real = [part for part in parts if part.consumer >= 0]
        seeds = [part for part in parts if part.consumer < 0]
        arrival = Arrival(-1, real, seed=bool(seeds), shape=tuple(total.shape))
        arrival.dtype = str(total.dtype).removeprefix("torch.")
        if self._keeps_all:
            arrival.tensor = total.detach().clone()
        if len(parts) == 1:
            only = parts[0]
            same = only.tensor is None or is_same(only.tensor, total)
            arrival.row = only.row if same and only.row >= 0 else meter.add(total)
            if same:
                only.row = arrival.row
                only.tensor = arrival.tensor
                return arrival
        else:
            arrival.row = meter.add(total)
        # A contribution may still have the shape (a broadcast) or dtype (a cast) of its sender.
        tensors = [fitted(part.tensor, total) for part in parts]
        if tensors:
            first, arrival.difference = meter.join(tensors, total)
            for offset, (part, tensor) in enumerate(zip(parts, tensors)):
                part.row = first + offset
                part.tensor = tensor.detach().clone() if self._keeps_joins else None
        return arrival

    # -- what is sent --------------------------------------------------------------------------

    def _send(
        self,
        index: int,
        argument: int,
        target: Target,
        tensor: Tensor,
        own: list[tuple[Tensor, int]],
        to_leaf: bool,
    ) -> None:
        row = next((row for total, row in own if is_same(tensor, total)), -1)
        if tensor.requires_grad or to_leaf:
            tensor = tensor.detach()
        sent = Sent(index, argument, tensor, row)
        self._held.setdefault(target, []).append(sent)
        if to_leaf and self.graph.uses.get(target, 0) == 1 and len(self._held[target]) == 1:
            self._settle(target)

    def _settle(self, target: Target) -> None:
        """The sum of what is held for a target that runs no backward of its own: a parameter, or
        an input that ``torch.autograd.grad`` was asked for."""
        parts = self._held.pop(target)
        tensors = [part.tensor for part in parts if part.tensor is not None]
        if not tensors or target in self.arrivals:
            return
        shape = self.graph.entries[target[0]].shape(target[1])
        if shape is not None:
            tensors = [
                tensor if tensor.is_sparse or tensor.shape == shape else tensor.sum_to_size(shape)
                for tensor in tensors
            ]
        total = tensors[0]
        for tensor in tensors[1:]:
            total = total + tensor
        for part, tensor in zip(parts, tensors):
            part.tensor = tensor
        self.arrivals[target] = self._sum_up(total, parts)


def is_same(a: Tensor, b: Tensor) -> bool:
    """Whether two gradients are the same numbers in the same memory (one may be a view)."""
    if a is b:
        return True
    if a.is_sparse or b.is_sparse or a.numel() != b.numel() or a.dtype != b.dtype:
        return False
    if a.data_ptr() != b.data_ptr():
        return False
    return a.stride() == b.stride() or (_whole(a) and _whole(b))


def _whole(tensor: Tensor) -> bool:
    return tensor.is_contiguous() or bool(
        torch.ops.aten.is_non_overlapping_and_dense.default(tensor)
    )


def fitted(tensor: Tensor | None, total: Tensor) -> Tensor:
    """A contribution in the shape and dtype in which it was added up."""
    if tensor is None:
        return torch.ones_like(total)
    if tensor.is_sparse or total.is_sparse:
        return tensor if total.is_sparse else densely(tensor)
    if tensor.shape != total.shape:
        tensor = tensor.sum_to_size(total.shape)
    return tensor if tensor.dtype == total.dtype else tensor.to(total.dtype)


def unfinished(graph: Graph, done: set[int], arrivals: dict[Target, Arrival]) -> Entry | None:
    """The node whose backward failed: of those not done and reached, the last that was made."""
    senders: dict[int, set[int]] = {}
    for index, entry in enumerate(graph.entries):
        for target in entry.targets:
            if target is not None:
                senders.setdefault(target[0], set()).add(index)
    waiting = [
        entry
        for index, entry in enumerate(graph.entries)
        if index not in done and not entry.is_leaf and senders.get(index, set()) <= done
    ]
    return max(waiting, key=lambda entry: entry.order, default=None)
