"""Where several contributions meet: what is held until their sum is known, and the reckoning.

At level "norms" nothing is held of slices that do not overlap: each has the numbers of its own
upstream, and the square of their sum is the sum of their squares.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from localgrad.torch.statistics import Meter, densely, is_dense
from localgrad.torch.walk import Graph

Target = tuple[int, int]  # a node's index, and which of its outputs


class Sent(NamedTuple):
    """One contribution: who sent it, from which argument, and its numbers where they are kept."""

    consumer: int
    argument: int
    row: int
    tensor: Tensor | None = None


class Join(NamedTuple):
    """Several contributions, or one that a hook changed on its way, and how far off their sum is.

    difference: the index in the meter of ‖sum − Σ contributions‖².
    apart: no two contributions have an element in common; their rows are those of the elements
        that they have.
    """

    parts: list[Sent]
    difference: int
    overwritten: tuple[tuple[int, int], ...] = ()  # row when it was sent, and which part
    apart: bool = False


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

    def is_the_sum(self, total: Tensor) -> bool:
        """Whether this alone is the sum, changed by no hook on its way."""
        return self.tensor is None or is_same(self.tensor, total)


def slices(graph: Graph) -> dict[Target, list[int]]:
    """The outputs that are used by nothing but ``x[:, i]``, each time with another i; by whom.

    What such a node sends is its own gradient among zeros, in the size of x: a loop over the time
    steps of a sequence sends as many of them as there are steps.
    """
    found: dict[Target, dict[tuple[int, int], int]] = {}
    for index in graph.selections:
        entry = graph.entries[index]
        if entry.targets[0] is not None:
            found.setdefault(entry.targets[0], {})[_selection(entry.node)] = index
    return {
        target: list(places.values())
        for target, places in found.items()
        if 1 < len(places) == graph.uses[target] and len({dim for dim, _ in places}) == 1
    }


def _selection(node: Any) -> tuple[int, int]:
    """(dim, index) of a node that takes one slice along one axis."""
    shape = node._saved_self_sym_sizes
    dim = _signed(node._saved_dim) % len(shape)
    return dim, _signed(node._saved_index) % (shape[dim] or 1)


def _signed(number: int) -> int:
    """PyTorch shows the integers that a node has saved without their sign: -1 as 2⁶⁴ - 1."""
    return number - (1 << 64) if number >> 63 else number


def reconciled(
    meter: Meter, parts: list[Held], total: Tensor, keep: bool
) -> tuple[Join | None, int]:
    """The account of the sum, None where nobody of the graph sent to it; and the sum's row.

    keep: the contributions themselves too.
    """
    only = parts[0]
    if len(parts) == 1 and only.is_the_sum(total):
        row, kept = meter.add(total), total.clone() if keep else None
        sent = Sent(only.consumer, only.argument, row, kept)
        return Join([sent], -1) if only.consumer >= 0 else None, row
    tensors = [fitted(part.tensor, total) for part in parts]
    rows, row, difference = meter.join(tensors, total)
    sent_by_all = [
        Sent(part.consumer, part.argument, own, tensor.clone() if keep else None)
        for part, own, tensor in zip(parts, rows, tensors)
    ]
    overwritten = tuple([(p.row, i) for i, p in enumerate(parts) if p.is_overwritten])
    return Join(sent_by_all, difference, overwritten), row


def is_same(a: Tensor, b: Tensor) -> bool:
    """Whether two gradients are the same numbers in the same memory (one may be a view)."""
    if a is b:
        return True
    if a.is_sparse or b.is_sparse or a.numel() != b.numel() or a.dtype != b.dtype:
        return False
    if a.data_ptr() != b.data_ptr():
        return False
    return a.stride() == b.stride() or (is_dense(a) and is_dense(b))


def fitted(tensor: Tensor | None, total: Tensor) -> Tensor:
    """A contribution in the shape and dtype in which it was added up."""
    if tensor is None:
        return torch.ones_like(total)
    if tensor.is_sparse or total.is_sparse:
        return tensor if total.is_sparse else densely(tensor)
    if tensor.shape != total.shape:
        tensor = tensor.sum_to_size(total.shape)
    return tensor if tensor.dtype == total.dtype else tensor.to(total.dtype)
