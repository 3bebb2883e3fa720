"""The graph behind a loss, as lists: found by walking ``next_functions``, without recursion.

Nodes are held strongly while a ledger needs them, because PyTorch makes their Python wrappers anew
and reuses ids; everything else speaks of a node by its index.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

import torch
from torch.autograd.function import BackwardCFunction

from localgrad.torch.forward import Log

ACCUMULATE = "torch::autograd::AccumulateGrad"

#: Whether a node tells the shapes of its outputs; in PyTorch 2.4 none does.
TELLS_SHAPES = hasattr(torch.zeros((), requires_grad=True).clone().grad_fn, "_input_metadata")

_names: dict[type, str] = {}  # of the nodes of a class of PyTorch's own


class Known(NamedTuple):
    """What is known of an output."""

    shape: tuple[int, ...]
    dtype: torch.dtype


@dataclass(slots=True)
class Entry:
    """One node of PyTorch's graph. ``targets`` are (index, slot) of its inputs, or None.

    seen: by output, a gradient's shape and dtype, which are the output's, in versions of PyTorch
    whose nodes do not tell these themselves.
    """

    node: Any
    op: str
    log: Log
    order: tuple[int, ...]
    targets: list[tuple[int, int] | None] = field(default_factory=list)
    variable: Any = None
    seen: dict[int, Known] = field(default_factory=dict)

    @property
    def is_leaf(self) -> bool:
        return self.variable is not None

    @property
    def is_custom(self) -> bool:
        """Whether a person wrote this backward, as a ``torch.autograd.Function``."""
        return isinstance(self.node, BackwardCFunction)

    def shape(self, slot: int) -> tuple[int, ...] | None:
        """The shape of one output of the operation, where PyTorch knows it."""
        if self.variable is not None:
            return tuple(self.variable.shape)
        known = self.known(slot)
        return None if known is None else tuple(known.shape)

    def known(self, slot: int) -> Any:
        """Shape and dtype of an output; None if unknown."""
        told = getattr(self.node, "_input_metadata", None) if TELLS_SHAPES else None
        return told[slot] if told is not None and slot < len(told) else self.seen.get(slot)


class Graph:
    """Entries in the order they were found, and how often each output is used.

    leaves, custom: which entries these are. shared: the outputs that are used more than once.
    """

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.index: dict[Any, int] = {}
        self.uses: dict[tuple[int, int], int] = {}
        self.leaves: list[int] = []
        self.custom: list[int] = []
        self.shared: list[tuple[int, int]] = []

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
            targets = entry.targets
            for source, slot in entry.node.next_functions:
                if source is None:
                    targets.append(None)
                    continue
                index = known.get(source)
                target = self._add(source, log, below) if index is None else index, slot
                targets.append(target)
                count = uses[target] = uses.get(target, 0) + 1
                if count == 2:
                    self.shared.append(target)
        return found, range(first, len(entries))

    def _add(self, node: Any, log: Log, below: tuple[int, ...]) -> int:
        index = self.index[node] = len(self.entries)
        kind = type(node)
        name = _names.get(kind)
        if name is None:
            name = node.name()
            if issubclass(kind, BackwardCFunction):
                self.custom.append(index)
            elif name.endswith(kind.__name__):  # nodes that PyTorch has no class for share one
                _names[kind] = name
        if name == ACCUMULATE:
            variable, number = node.variable, -1
            self.leaves.append(index)
        else:
            variable, number = None, node._sequence_nr()
        # What is recomputed inside of a node comes before it: (5, 0, ...) < (5, 1).
        order = (*below[:-1], 0, number, 1) if below else (number, 1)
        self.entries.append(Entry(node, name, log, order, [], variable))
        return index


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
