"""The graph behind a loss, as lists: found by walking ``next_functions``, without recursion.

Nodes are held strongly while a ledger needs them, because PyTorch makes their Python wrappers anew
and reuses ids; everything else speaks of a node by its index.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import torch
from torch.autograd.function import BackwardCFunction

from localgrad.torch.forward import Log
from localgrad.torch.names import passes_through, rearranges

ACCUMULATE, _SELECT = "torch::autograd::AccumulateGrad", "SelectBackward0"

#: Whether a node tells the shapes of its outputs; in PyTorch 2.4 none does.
TELLS_SHAPES = hasattr(torch.zeros((), requires_grad=True).clone().grad_fn, "_input_metadata")

#: What a node says of a value that was overwritten since it kept it.
CHANGED = re.compile(r"is at version (\d+); expected version (\d+)")


class Kind(NamedTuple):
    """What is known of a node by its class.

    is_plain: none of those that `Graph` lists.
    is_custom: a person wrote this backward, as a ``torch.autograd.Function``.
    rearranges, passes_through: as in ``names.py``.
    """

    op: str
    is_plain: bool
    is_custom: bool
    rearranges: bool
    passes_through: bool


_kinds: dict[type, Kind] = {}  # of the nodes of a class of PyTorch's own


class Known(NamedTuple):
    """What is known of an output."""

    shape: tuple[int, ...]
    dtype: torch.dtype


@dataclass(slots=True)
class Entry:
    """One node of PyTorch's graph. ``targets`` are (index, slot) of its inputs, or None.

    below: the order of the node inside of whose backward this one was made, or ().
    seen: by output, a gradient's shape and dtype, which are the output's, in versions of PyTorch
    whose nodes do not tell these themselves.
    """

    node: Any
    kind: Kind
    log: Log
    below: tuple[int, ...]
    targets: list[tuple[int, int] | None]
    variable: Any
    seen: dict[int, Known] | None = None

    @property
    def op(self) -> str:
        return self.kind.op

    @property
    def is_leaf(self) -> bool:
        return self.variable is not None

    @property
    def is_custom(self) -> bool:
        return self.kind.is_custom

    @property
    def order(self) -> tuple[int, ...]:
        """When the node was made: what is recomputed inside of one comes before it,
        (5, 0, ...) < (5, 1)."""
        number = -1 if self.variable is not None else self.node._sequence_nr()
        return (*self.below[:-1], 0, number, 1) if self.below else (number, 1)

    def see(self, slot: int, gradient: torch.Tensor) -> None:
        """Note what a gradient tells of the output that it belongs to."""
        if self.seen is None:
            self.seen = {}
        self.seen[slot] = Known(gradient.shape, gradient.dtype)

    def shape(self, slot: int) -> tuple[int, ...] | None:
        """The shape of one output of the operation, where PyTorch knows it."""
        if self.variable is not None:
            return tuple(self.variable.shape)
        known = self.known(slot)
        return None if known is None else tuple(known.shape)

    def known(self, slot: int) -> Any:
        """Shape and dtype of an output; None if unknown."""
        told = getattr(self.node, "_input_metadata", None) if TELLS_SHAPES else None
        if told is not None and slot < len(told):
            return told[slot]
        return None if self.seen is None else self.seen.get(slot)


class Graph:
    """Entries in the order they were found, and how often each output is used.

    leaves, custom, selections: which entries these are.
    shared: the outputs that are used more than once.
    several: the nodes of which more than one output is used, a root's own being one.
    """

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.index: dict[Any, int] = {}
        self.uses: dict[tuple[int, int], int] = {}
        self.leaves: list[int] = []
        self.custom: list[int] = []
        self.selections: list[int] = []
        self.shared: list[tuple[int, int]] = []
        self.several: set[int] = set()

    def extend(
        self, roots: list[tuple[Any, int]], log: Log, below: tuple[int, ...]
    ) -> tuple[list[tuple[int, int]], range]:
        """Add everything behind ``roots``.

        below: the order of the node inside of whose backward this graph was made, or ().
        Returns the roots as (index, slot), and the range of the new entries.
        """
        entries, known, uses = self.entries, self.index, self.uses
        first = len(entries)
        found = []
        for node, slot in roots:
            if node is not None:
                index = known.get(node)
                found.append((self._add(node, log, below) if index is None else index, slot))
        for entry in islice(entries, first, None):  # and those that are added meanwhile
            add = entry.targets.append
            for source, slot in entry.node.next_functions:
                if source is None:
                    add(None)
                    continue
                index = known.get(source)
                target = self._add(source, log, below) if index is None else index, slot
                add(target)
                count = uses[target] = uses.get(target, 0) + 1
                if count == 2:
                    self.shared.append(target)
                elif count == 1 and index is not None:
                    self.several.add(index)
        return found, range(first, len(entries))

    def _add(self, node: Any, log: Log, below: tuple[int, ...]) -> int:
        index = self.index[node] = len(self.entries)
        kind, variable = _kinds.get(type(node)) or kind_of(node), None
        if not kind.is_plain:
            if kind.op == ACCUMULATE:
                variable = node.variable
                self.leaves.append(index)
            else:
                (self.custom if kind.is_custom else self.selections).append(index)
        self.entries.append(Entry(node, kind, log, below, [], variable))
        return index


def kind_of(node: Any) -> Kind:
    """What is known of a node by its class, remembered where that tells its name."""
    cls, op = type(node), node.name()
    is_custom = issubclass(cls, BackwardCFunction)
    is_plain = not is_custom and op not in (ACCUMULATE, _SELECT)
    kind = Kind(op, is_plain, is_custom, rearranges(op), passes_through(op))
    # Nodes that PyTorch has no class for share one; two hand-written classes may share a name.
    if not is_custom and op.endswith(cls.__name__):
        _kinds[cls] = kind
    return kind


def roots_of(outputs: Any) -> list[tuple[Any, int]]:
    """The (node, slot) that each output of a sweep was made by; leaves give their accumulator."""
    roots: list[tuple[Any, int]] = []
    for output in outputs:
        if isinstance(output, torch.Tensor):
            if output.grad_fn is not None:
                roots.append((output.grad_fn, output.output_nr))
            elif output.requires_grad:
                view: Any = output.view_as(output).grad_fn
                roots.append((view.next_functions[0][0], 0))
        else:
            roots.append((output.node, output.output_nr))
    return roots


def keeps_changed_value(node: Any) -> bool:
    """Whether a node has kept a value that was overwritten since."""
    for name in dir(node):
        if name.startswith("_saved_") or name == "saved_tensors":
            try:
                getattr(node, name)
            except RuntimeError as error:
                if CHANGED.search(str(error)):
                    return True
    return False
