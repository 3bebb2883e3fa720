"""One backward sweep, heard through hooks.

A post-hook on a node is given both what arrived there (the sum) and what the node sends on (one
contribution for each input). Where a value has one consumer the contribution is the sum, and
nothing need be kept; where several meet they are held until their sum is known, for as long as
the engine holds them itself. What flows into a parameter is measured when it is sent, so that
PyTorch may hand the very buffer to ``.grad`` without copying it.

The hooks hold this object and integers, never a node: node and hook would keep each other alive.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from localgrad.torch.names import passes_through
from localgrad.torch.statistics import Meter, densely
from localgrad.torch.walk import Entry, Graph

Target = tuple[int, int]  # a node's index, and which of its outputs
_LEAF, _JOIN, _VIEW = range(3)  # what is done with a contribution when it is sent


class Sent(NamedTuple):
    """One contribution: who sent it, from which argument, and its numbers where they are kept."""

    consumer: int
    argument: int
    row: int
    tensor: Tensor | None = None


class Join(NamedTuple):
    """Several contributions, or one that a hook changed on its way, and how far off their sum is.

    difference: the index in the meter of ‖sum − Σ contributions‖².
    """

    parts: list[Sent]
    difference: int
    overwritten: tuple[tuple[int, int], ...] = ()  # row when it was sent, and which part


class Held(NamedTuple):
    """A contribution whose sum is not known yet. A hand-written backward, which may use one
    buffer twice, is measured when it sends, so that an overwritten contribution is noticed."""

    consumer: int
    argument: int
    tensor: Tensor | None
    version: int = 0
    row: int = -1

    @property
    def is_overwritten(self) -> bool:
        return self.row >= 0 and self.tensor is not None and self.tensor._version != self.version


class GradBefore(NamedTuple):
    """What a parameter's ``.grad`` held before the sweep, and after it."""

    row: int
    after: int


@dataclass
class Sweep:
    """The account of one sweep: by node and output, the row of the sum that arrived."""

    meter: Meter
    level: str
    where: str | None = None  # the user's line that began it
    differentiable: bool = False  # create_graph
    graph: Graph = field(default_factory=Graph)
    roots: list[Target] = field(default_factory=list)
    seeds: list[Tensor] = field(default_factory=list)  # what it began with
    arrived: dict[Target, int] = field(default_factory=dict)
    joins: dict[Target, Join] = field(default_factory=dict)
    sums: dict[Target, Tensor] = field(default_factory=dict)  # at level "values"
    done: set[int] = field(default_factory=set)
    nested: dict[int, list[Target]] = field(default_factory=dict)
    error: str | None = None
    scale: Tensor | None = None
    grads: dict[int, GradBefore] = field(default_factory=dict)
    parameter_rows: dict[int, int] = field(default_factory=dict)
    root_rows: dict[Target, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._handles: list[Any] = []
        self._held: dict[Target, list[Held]] = {}
        self._known: dict[Target, int] = {}  # rows of sums that are views of measured ones
        self._lock = threading.RLock()
        self._gathers = False

    # -- hooks ---------------------------------------------------------------------------------

    def listen(
        self,
        entries: range,
        roots: list[Target],
        seeds: list[Tensor | None],
        owner: int = -1,
        hooked: Any = (),
    ) -> None:
        """Hang a hook on every node of ``entries``; ``roots`` receive ``seeds``.

        owner: the node inside of whose backward this sweep began; it is the sender of the seeds.
        hooked: the targets at which a hook of the user's may change the gradient.
        """
        held = self._held
        for target in hooked:
            held.setdefault(target, [])
        for position, (root, seed) in enumerate(zip(roots, seeds)):
            if seed is not None or self.graph.uses.get(root) or owner >= 0:
                held.setdefault(root, []).append(Held(owner, position, seed))
        all_entries = self.graph.entries
        # A hand-written backward may run a sweep of its own that adds to the same parameters.
        self._gathers = self._gathers or any(all_entries[index].is_custom for index in entries)
        for target, uses in self.graph.uses.items():
            if uses > 1 or (self._gathers and all_entries[target[0]].variable is not None):
                held.setdefault(target, [])
        for index in entries:
            entry = all_entries[index]
            if entry.variable is not None and (self._gathers or (index, 0) not in held):
                continue  # the one contribution is the sum, or the sum is made at the end
            hook = self._hook(index, self._plan(entry), entry.is_custom)
            self._handles.append(entry.node.register_hook(hook))

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
        self._known.clear()

    def _plan(self, entry: Entry) -> list[tuple[int, Target, int]]:
        """The arguments of a node whose contributions need anything done when they are sent."""
        views = passes_through(entry.op)
        plan = []
        for argument, target in enumerate(entry.targets):
            if target is None:
                continue
            if target in self._held:
                plan.append((argument, target, _JOIN))
            elif self.graph.entries[target[0]].variable is not None:
                plan.append((argument, target, _LEAF))
            elif views:
                plan.append((argument, target, _VIEW))
        return plan

    def _hook(
        self, index: int, plan: list[tuple[int, Target, int]], is_custom: bool
    ) -> Callable[..., None]:
        meter, known, arrived, held = self.meter, self._known, self.arrived, self._held
        measure, done, lock = meter.add, self.done, self._lock
        keeps, bare = self.level == "values", not self.differentiable

        def hook(
            downstream: tuple[Tensor | None, ...], upstream: tuple[Tensor | None, ...]
        ) -> None:
            with lock:
                row = -1
                for slot, total in enumerate(upstream):
                    if total is None:
                        continue
                    target = index, slot
                    if not bare:
                        total = total.detach()
                    found = known.get(target)
                    row = measure(total) if found is None else found
                    arrived[target] = row
                    if keeps:
                        self.sums[target] = total.clone()
                    if target in held:
                        self._join(target, total, row)
                for argument, target, action in plan:
                    tensor = downstream[argument]
                    if tensor is None:
                        continue
                    if action == _JOIN:
                        # A second tensor on the memory, which `.grad` may then take over.
                        tensor = tensor.detach()
                        sent = measure(tensor) if is_custom else -1
                        held[target].append(Held(index, argument, tensor, tensor._version, sent))
                        continue
                    total = upstream[0]
                    same = total is not None and is_same(tensor, total)
                    if action == _LEAF:
                        self._into_leaf(target, tensor.detach(), row if same else -1)
                    elif same:
                        known[target] = row
                done.add(index)

        return hook

    # -- sums ----------------------------------------------------------------------------------

    def _join(self, target: Target, total: Tensor, row: int) -> None:
        """Reconcile what was held for a target with the sum that arrived."""
        parts = self._held[target]
        if not parts:
            return
        keep = self.level != "norms"
        only = parts[0]
        if len(parts) == 1 and (only.tensor is None or is_same(only.tensor, total)):
            if only.consumer >= 0:
                kept = total.clone() if keep else None
                self.joins[target] = Join([Sent(only.consumer, only.argument, row, kept)], -1)
        else:
            tensors = [fitted(part.tensor, total) for part in parts]
            rows, difference = self.meter.join(tensors, total)
            sent = [
                Sent(part.consumer, part.argument, own, tensor.clone() if keep else None)
                for part, own, tensor in zip(parts, rows, tensors)
            ]
            overwritten = tuple((p.row, i) for i, p in enumerate(parts) if p.is_overwritten)
            self.joins[target] = Join(sent, difference, overwritten)
        self._held[target] = []

    def _into_leaf(self, target: Target, tensor: Tensor, row: int) -> None:
        """The one contribution to a parameter, which is its whole gradient."""
        shape = self.graph.entries[target[0]].shape(target[1])
        if shape is not None and tensor.shape != shape and not tensor.is_sparse:
            tensor, row = tensor.sum_to_size(shape), -1
        self.arrived[target] = self.meter.add(tensor) if row < 0 else row
        if self.level == "values":
            self.sums[target] = tensor.clone()

    def _settle(self, target: Target) -> None:
        """The sum of what is held for a target that ran no backward of its own: an input that
        ``torch.autograd.grad`` was asked for, or one that an error kept from its turn."""
        tensors = [part.tensor for part in self._held[target] if part.tensor is not None]
        if not tensors or target in self.arrived:
            return
        shape = self.graph.entries[target[0]].shape(target[1])
        total = tensors[0]
        for tensor in tensors[1:]:
            total = total + tensor
        if shape is not None and not total.is_sparse and total.shape != shape:
            total = total.sum_to_size(shape)
        self.arrived[target] = self.meter.add(total)
        self._join(target, total, self.arrived[target])


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


def unfinished(graph: Graph, done: set[int]) -> Entry | None:
    """The node whose backward failed: of those whose consumers are done, the last that was made."""
    senders: dict[int, set[int]] = {}
    for index, entry in enumerate(graph.entries):
        for target in entry.targets:
            if target is not None:
                senders.setdefault(target[0], set()).add(index)
    waiting = [
        entry
        for index, entry in enumerate(graph.entries)
        if index not in done and entry.variable is None and senders.get(index, set()) <= done
    ]
    return max(waiting, key=lambda entry: entry.order, default=None)
