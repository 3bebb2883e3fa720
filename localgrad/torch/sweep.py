"""One backward sweep, heard through hooks.

A hook on a node runs after its backward. It is given what arrived there, the sum, and what the node
sends on, one contribution for each input. Where several contributions meet they are held until
their sum is known; where a value has one consumer the contribution is the sum, and nothing need be
kept (`planning.py`). What flows into a parameter is read from its ``.grad`` afterwards; where
something else may have got into that, it is measured when it is sent, so that PyTorch may hand the
very buffer to ``.grad`` without copying it.

The hooks hold this object and integers, never a node: node and hook would keep each other alive.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from localgrad.torch.joins import Held, Join, Sent, Target, is_same, reconciled, slices
from localgrad.torch.planning import HELD, INTO_LEAF, IS_SUM, Plan, Planner
from localgrad.torch.statistics import Meter
from localgrad.torch.walk import TELLS_SHAPES, Entry, Graph, keeps_changed_value


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
    is_whole: bool = False  # every node behind the roots runs
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
        self._quiet: dict[int, Target] = {}  # of them, those that only rearrange: see Planner
        self._silent: set[int] = set()  # all nodes without a hook
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
        if self.level == "norms" and graph.selections:
            found = slices(graph)
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
        hang, fills = self._handles.append, self.fills_grad and not self._gathers
        for index in leaves:
            # The one contribution to any other leaf is the sum, or the sum is made at the end.
            if not self._gathers and (index, 0) in held:
                hang(all_entries[index].node.register_prehook(partial(self._arrive, index)))
            elif fills and is_filled(all_entries[index].variable):
                self._filled[index] = None
        # Where hand-written functions run sweeps of their own, and at level "values", none is
        # spared; nor where a node may be asked for what arrived there and never run.
        spares = self.is_whole and TELLS_SHAPES and not self._gathers and self.level != "values"
        planner = Planner(graph, held, self._slices, self._filled, spares)
        nodes = [index for index in entries if all_entries[index].variable is None]
        heard = self._hooks()
        for hook in planner.hooks(nodes, roots):
            entry = all_entries[hook.node]
            if entry.is_custom:  # it may change what it is given in place
                hang(entry.node.register_prehook(partial(self._arrive, hook.node)))
            hang(entry.node.register_hook(heard(*hook)))
        self._quiet.update(planner.quiet)
        self._silent |= planner.silent

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
        for index in self._quiet:
            target = self._quiet[index]
            while target[0] in self._quiet:
                target = self._quiet[target[0]]
            row = self.arrived.get(target)
            if row is not None:
                self.arrived[index, 0] = row
        self.done.update(index for index, _ in self.arrived if index in self._silent)
        self._known.clear()

    def failed(self) -> Entry | None:
        """The node whose backward found that a value which it had kept was changed meanwhile: it
        says so again when it is asked for the value."""
        entries = self.graph.entries
        waiting = [index for index in range(len(entries)) if index not in self.done]
        for index in _consumers_first(self.graph, waiting):
            if keeps_changed_value(entries[index].node):
                return entries[index]
        return None

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

    def _arrive(self, index: int, upstream: tuple[Tensor | None, ...]) -> None:
        """Measure what arrived at a node."""
        with self._lock:
            for slot, total in enumerate(upstream):
                if total is None:
                    continue
                target = index, slot
                if not TELLS_SHAPES:
                    self.graph.entries[index].see(slot, total)
                if self.differentiable:
                    total = total.detach()
                if self._held.get(target):
                    row = self._join(target, total)
                else:
                    found = self._known.get(target)
                    row = self.meter.add(total) if found is None else found
                self.arrived[target] = row
                if self.level == "values":
                    self.sums[target] = total.clone()

    def _hooks(self) -> Callable[[int, Plan, bool], Callable[..., None]]:
        """Return what makes the hook of a node."""
        known, arrived, held, lock = self._known, self.arrived, self._held, self._lock
        measure, arrive, done, entries = self.meter.add, self._arrive, self.done, self.graph.entries

        def heard(index: int, plan: Plan, is_told: bool) -> Callable[..., None]:
            _, _, is_custom, _, passes_through = entries[index].kind
            is_told = is_told or is_custom

            def hook(
                downstream: tuple[Tensor | None, ...], upstream: tuple[Tensor | None, ...]
            ) -> None:
                with lock:
                    done.add(index)
                    if not is_told:
                        arrive(index, upstream)
                    row, total = arrived.get((index, 0), -1), upstream[0]
                    for argument, target, action in plan:
                        tensor = downstream[argument]
                        if tensor is None:
                            continue
                        if action == HELD:
                            # A second tensor on the memory, which `.grad` may then take over.
                            tensor = tensor.detach()
                            version, own = -1, -1
                            if is_custom:
                                version, own = tensor._version, measure(tensor)
                            held[target].append(Held(index, argument, tensor, version, own))
                            continue
                        same = passes_through and total is not None and is_same(tensor, total)
                        if action == INTO_LEAF:
                            self._into_leaf(target, tensor.detach(), row if same else -1)
                        elif action == IS_SUM:
                            arrived[target] = row if same else measure(tensor)
                        elif same:
                            known[target] = row

            return hook

        return heard

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


def is_filled(variable: Any) -> bool:
    """Whether ``.grad`` will hold a sweep's contribution and nothing else."""
    return variable.grad is None and not getattr(variable, "_post_accumulate_grad_hooks", None)


def _consumers_first(graph: Graph, indices: Iterable[int]) -> list[int]:
    """The nodes, each after those that send to it."""
    return sorted(indices, key=lambda index: graph.entries[index].order, reverse=True)
