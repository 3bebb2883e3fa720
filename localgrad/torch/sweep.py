"""One backward sweep, heard through hooks.

A post-hook on a node is given both what arrived there (the sum) and what the node sends on (one
contribution for each input). Where a value has one consumer the contribution is the sum, and
nothing need be kept; where several meet they are held until their sum is known, for as long as
the engine holds them itself. What flows into a parameter is read from its ``.grad`` afterwards;
where something else may have got into that, it is measured when it is sent, so that PyTorch may
hand the very buffer to ``.grad`` without copying it. A node that only rearranges what it is given
has no hook: its numbers are those of its argument.

The hooks hold this object and integers, never a node: node and hook would keep each other alive.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from localgrad.torch.joins import (
    Held,
    Join,
    Selected,
    Target,
    is_same,
    reconciled,
    selection,
)
from localgrad.torch.names import passes_through, rearranges
from localgrad.torch.statistics import Meter
from localgrad.torch.walk import Entry, Graph

_LEAF, _JOIN, _VIEW = range(3)  # what is done with a contribution when it is sent


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
    fills_grad: bool = False  # with nothing but this process's own gradients
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
        self._quiet: dict[int, Target] = {}  # nodes without a hook, and what has their numbers
        self._filled: dict[int, None] = {}  # leaves whose numbers are read from `.grad`

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
        others = []
        for index in entries:
            variable = all_entries[index].variable
            if variable is None or (not self._gathers and (index, 0) in held):
                others.append(index)
            elif self._is_filled(variable):
                self._filled[index] = None
        # The one contribution to any other leaf is the sum, or the sum is made at the end.
        for index in others:
            entry = all_entries[index]
            quiet = self._quiet_target(index, entry)
            if quiet is not None and (index, 0) not in roots:
                self._quiet[index] = quiet
            else:
                self._handles.append(entry.node.register_hook(self._hook(index, entry)))

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
            self._read_grads()
            for target in list(self._held):
                self._settle(target)
        for index in reversed(_consumers_first(self.graph, self._quiet)):
            row = self.arrived.get(self._quiet[index])
            if row is not None:
                self.arrived[index, 0] = row
                self.done.add(index)
        self._known.clear()

    def unfinished(self) -> Entry | None:
        """The node whose backward failed: of those that had their turn, the last that was made."""
        senders: dict[int, set[int]] = {}
        for index, entry in enumerate(self.graph.entries):
            for target in entry.targets:
                if target is not None:
                    senders.setdefault(target[0], set()).add(index)
        done = set(self.done)
        waiting = []
        for index in _consumers_first(self.graph, range(len(self.graph.entries))):
            entry = self.graph.entries[index]
            if index in done or entry.variable is not None or senders.get(index, set()) - done:
                continue
            if index in self._quiet:  # what only rearranges cannot fail
                done.add(index)
            else:
                waiting.append(entry)
        return max(waiting, key=lambda entry: entry.order, default=None)

    def _is_filled(self, variable: Tensor) -> bool:
        """Whether ``.grad`` will hold this sweep's contribution and nothing else."""
        hooks = getattr(variable, "_post_accumulate_grad_hooks", None)
        return self.fills_grad and not self._gathers and variable.grad is None and not hooks

    def _quiet_target(self, index: int, entry: Entry) -> Target | None:
        """The one argument of a node that only rearranges, where that is measured anyway."""
        if not rearranges(entry.op) or self._gathers or self.level == "values":
            return None
        (target,) = entry.targets
        if target is None or target in self._held or (index, 0) in self._held:
            return None
        measured = self.graph.entries[target[0]].variable is None or target[0] in self._filled
        return target if measured else None

    def _read_grads(self) -> None:
        """The numbers of the leaves whose whole gradient is in ``.grad`` now."""
        entries, found = self.graph.entries, {}
        for index in self._filled:
            grad = getattr(entries[index].variable, "grad", None)
            if grad is not None:
                found[index] = grad
        for index, row in zip(found, self.meter.add_many(list(found.values()))):
            self.arrived[index, 0] = row
            if self.level == "values":
                self.sums[index, 0] = found[index].detach().clone()

    def _plan(self, entry: Entry) -> list[tuple[int, Target, int]]:
        """The arguments of a node whose contributions need anything done when they are sent."""
        views = passes_through(entry.op)
        plan = []
        for argument, target in enumerate(entry.targets):
            if target is None or target[0] in self._filled:
                continue
            if target in self._held:
                plan.append((argument, target, _JOIN))
            elif self.graph.entries[target[0]].variable is not None:
                plan.append((argument, target, _LEAF))
            elif views:
                plan.append((argument, target, _VIEW))
        return plan

    def _hook(self, index: int, entry: Entry) -> Callable[..., None]:
        meter, known, arrived, held = self.meter, self._known, self.arrived, self._held
        measure, done, lock = meter.add, self.done, self._lock
        keeps, bare = self.level == "values", not self.differentiable
        plan, is_custom, views = self._plan(entry), entry.is_custom, passes_through(entry.op)
        selects = selection(entry.node, entry.op) if meter.quick else None

        def hook(
            downstream: tuple[Tensor | None, ...], upstream: tuple[Tensor | None, ...]
        ) -> None:
            with lock:
                row, slot = -1, -1
                for total in upstream:
                    slot += 1
                    if total is None:
                        continue
                    target = index, slot
                    if not bare:
                        total = total.detach()
                    found = known.get(target)
                    row = arrived[target] = measure(total) if found is None else found
                    if keeps:
                        self.sums[target] = total.clone()
                    if target in held:
                        self._join(target, total, row)
                for argument, target, action in plan:
                    tensor = downstream[argument]
                    if tensor is None:
                        continue
                    total = upstream[0]
                    same = views and total is not None and is_same(tensor, total)
                    if action == _JOIN:
                        if selects is not None and total is not None:
                            slice_ = Selected(total.detach(), *selects)
                            held[target].append(Held(index, argument, slice_, known=row))
                            continue
                        # A second tensor on the memory, which `.grad` may then take over.
                        tensor = tensor.detach()
                        sent = measure(tensor) if is_custom else -1
                        own = row if same else -1
                        part = Held(index, argument, tensor, tensor._version, sent, own)
                        held[target].append(part)
                    elif action == _LEAF:
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
        found = reconciled(self.meter, parts, total, row, keep=self.level != "norms")
        if found is not None:
            self.joins[target] = found
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
        parts = [part.tensor for part in self._held[target] if part.tensor is not None]
        if not parts or target in self.arrived:
            return
        tensors = [part.whole() if isinstance(part, Selected) else part for part in parts]
        shape = self.graph.entries[target[0]].shape(target[1])
        total = tensors[0]
        for tensor in tensors[1:]:
            total = total + tensor
        if shape is not None and not total.is_sparse and total.shape != shape:
            total = total.sum_to_size(shape)
        self.arrived[target] = self.meter.add(total)
        self._join(target, total, self.arrived[target])


def _consumers_first(graph: Graph, indices: Iterable[int]) -> list[int]:
    """The nodes, each after those that send to it."""
    return sorted(indices, key=lambda index: graph.entries[index].order, reverse=True)
