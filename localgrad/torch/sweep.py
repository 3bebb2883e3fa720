"""One backward sweep, heard through hooks.

A pre-hook on a node is given what arrived there: the sum, which is measured while it is in the
cache for the backward that follows. A post-hook is given what the node sends on, one contribution
for each input. Where a value has one consumer the contribution is the sum, and nothing need be
kept; where several meet they are held until their sum is known. What flows into a parameter is read
from its ``.grad`` afterwards; where something else may have got into that, it is measured when it
is sent, so that PyTorch may hand the very buffer to ``.grad`` without copying it. A node that only
rearranges what it is given has no hook: its numbers are those of its argument.

The hooks hold this object and integers, never a node: node and hook would keep each other alive.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from localgrad.torch.joins import Held, Join, Sent, Target, is_same, reconciled, slices
from localgrad.torch.names import passes_through, rearranges
from localgrad.torch.statistics import Meter
from localgrad.torch.walk import TELLS_SHAPES, Entry, Graph, Known

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
    error: str | None = None
    scale: Tensor | None = None
    grads: dict[int, GradBefore] = field(default_factory=dict)
    parameter_rows: dict[int, int] = field(default_factory=dict)
    root_rows: dict[Target, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._handles: list[Any] = []
        self._held: dict[Target, list[Held]] = {}
        self._slices: dict[Target, list[int]] = {}  # of what nothing is held, and who sends to it
        self._known: dict[Target, int] = {}  # rows of sums that are views of measured ones
        self._lock = threading.RLock()
        self._gathers = False
        self._begun = -1  # the node whose backward is running
        self._quiet: dict[int, Target] = {}  # nodes without a hook, and what has their numbers
        self._filled: dict[int, None] = {}  # leaves whose numbers are read from `.grad`

    # -- hooks ---------------------------------------------------------------------------------

    def listen(
        self,
        entries: range,
        leaves: list[int],
        roots: list[Target],
        seeds: list[Tensor | None],
        owner: int = -1,
        hooked: Any = (),
    ) -> None:
        """Hang a hook on every node of ``entries``; ``roots`` receive ``seeds``.

        leaves: those of the entries that are.
        owner: the node inside of whose backward this sweep began; it is the sender of the seeds.
        hooked: the targets at which a hook of the user's may change the gradient.
        """
        held = self._held
        for target in hooked:
            held.setdefault(target, [])
        for position, (root, seed) in enumerate(zip(roots, seeds)):
            if seed is not None or self.graph.uses.get(root) or owner >= 0:
                held.setdefault(root, []).append(Held(owner, position, seed))
        graph, all_entries = self.graph, self.graph.entries
        if self.level == "norms":
            found = slices(graph, entries)
            self._slices.update({t: senders for t, senders in found.items() if t not in held})
        for target in graph.shared:
            if target not in self._slices:
                held.setdefault(target, [])
        # A hand-written backward may run a sweep of its own that adds to the same parameters.
        self._gathers = bool(graph.custom)
        if self._gathers:
            for index in graph.leaves:
                if (index, 0) in graph.uses:
                    held.setdefault((index, 0), [])
        hooked_leaves = []
        for index in leaves:
            if not self._gathers and (index, 0) in held:
                hooked_leaves.append(index)
            elif self._is_filled(all_entries[index].variable):
                self._filled[index] = None
        # The one contribution to any other leaf is the sum, or the sum is made at the end.
        for index in hooked_leaves:
            self._hang(index, all_entries[index])
        for index in entries:
            entry = all_entries[index]
            if entry.variable is not None:
                continue
            quiet = self._quiet_target(index, entry)
            if quiet is None or (index, 0) in roots:
                self._hang(index, entry)
            else:
                self._quiet[index] = quiet

    def _hang(self, index: int, entry: Entry) -> None:
        node = entry.node
        self._handles.append(node.register_prehook(self._before(index)))
        plan = self._plan(entry)
        if plan:
            self._handles.append(node.register_hook(self._after(index, entry, plan)))

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
            for target in self._slices:
                self._settle_slices(target)
        for index in reversed(_consumers_first(self.graph, self._quiet)):
            row = self.arrived.get(self._quiet[index])
            if row is not None:
                self.arrived[index, 0] = row
                self.done.add(index)
        self._known.clear()

    def unfinished(self) -> Entry | None:
        """The node whose backward failed: the last that began."""
        if self._begun < 0:
            return None
        self.done.discard(self._begun)
        return self.graph.entries[self._begun]

    def resume(self, index: int) -> None:
        """A sweep inside of the backward of this node has ended."""
        self._begun = index

    def _is_filled(self, variable: Any) -> bool:
        """Whether ``.grad`` will hold this sweep's contribution and nothing else."""
        hooks = getattr(variable, "_post_accumulate_grad_hooks", None)
        return self.fills_grad and not self._gathers and variable.grad is None and not hooks

    def _quiet_target(self, index: int, entry: Entry) -> Target | None:
        """The one argument of a node that only rearranges, where that is measured anyway."""
        if not rearranges(entry.op) or self._gathers or self.level == "values":
            return None
        if not TELLS_SHAPES:  # nothing but a hook does
            return None
        (target,) = entry.targets
        joins = self._held, self._slices
        if target is None or any(t in known for t in (target, (index, 0)) for known in joins):
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

    def _before(self, index: int) -> Callable[..., None]:
        """A hook that is given what arrived at a node, before its backward reads it too."""
        measure, known, arrived, held = self.meter.add, self._known, self.arrived, self._held
        done, lock = self.done, self._lock
        keeps, bare = self.level == "values", not self.differentiable
        seen = None if TELLS_SHAPES else self.graph.entries[index].seen

        def before(upstream: tuple[Tensor | None, ...]) -> None:
            with lock:
                slot = -1
                for total in upstream:
                    slot += 1
                    if total is None:
                        continue
                    target = index, slot
                    if seen is not None:
                        seen[slot] = Known(total.shape, total.dtype)
                    if not bare:
                        total = total.detach()
                    if held.get(target):
                        row = self._join(target, total)
                    else:
                        found = known.get(target)
                        row = measure(total) if found is None else found
                    arrived[target] = row
                    if keeps:
                        self.sums[target] = total.clone()
                done.add(index)
                self._begun = index

        return before

    def _after(
        self, index: int, entry: Entry, plan: list[tuple[int, Target, int]]
    ) -> Callable[..., None]:
        """A hook that is given what a node sends on."""
        known, arrived, held, lock = self._known, self.arrived, self._held, self._lock
        is_custom, views = entry.is_custom, passes_through(entry.op)

        def after(
            downstream: tuple[Tensor | None, ...], upstream: tuple[Tensor | None, ...]
        ) -> None:
            with lock:
                row, total = arrived.get((index, 0), -1), upstream[0]
                for argument, target, action in plan:
                    tensor = downstream[argument]
                    if tensor is None:
                        continue
                    if action == _JOIN:
                        # A second tensor on the memory, which `.grad` may then take over.
                        tensor = tensor.detach()
                        sent = self.meter.add(tensor) if is_custom else -1
                        held[target].append(Held(index, argument, tensor, tensor._version, sent))
                        continue
                    same = views and total is not None and is_same(tensor, total)
                    if action == _LEAF:
                        self._into_leaf(target, tensor.detach(), row if same else -1)
                    elif same:
                        known[target] = row

        return after

    # -- sums ----------------------------------------------------------------------------------

    def _join(self, target: Target, total: Tensor) -> int:
        """Reconcile what was held for a target with the sum that arrived; return its row."""
        parts, self._held[target] = self._held[target], []
        found, row = reconciled(self.meter, parts, total, keep=self.level != "norms")
        if found is not None:
            self.joins[target] = found
        return row

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
        shape = self.graph.entries[target[0]].shape(target[1])
        total = parts[0]
        for tensor in parts[1:]:
            total = total + tensor
        if shape is not None and not total.is_sparse and total.shape != shape:
            total = total.sum_to_size(shape)
        self.arrived[target] = self._join(target, total)

    def _settle_slices(self, target: Target) -> None:
        """The account of slices of which nothing was held."""
        senders = _consumers_first(self.graph, self._slices[target])
        rows = [(index, self.arrived.get((index, 0))) for index in senders]
        parts = [Sent(index, 0, row) for index, row in rows if row is not None]
        if not parts:
            return
        if target not in self.arrived:  # as in `_settle`
            shape = self.graph.entries[target[0]].shape(target[1])
            size = None if shape is None else math.prod(shape)
            self.arrived[target] = self.meter.add_up([part.row for part in parts], size)
        self.joins[target] = Join(parts, -1, apart=True)


def _consumers_first(graph: Graph, indices: Iterable[int]) -> list[int]:
    """The nodes, each after those that send to it."""
    return sorted(indices, key=lambda index: graph.entries[index].order, reverse=True)
