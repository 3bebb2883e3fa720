"""Where several contributions meet: what is held until their sum is known, and the reckoning.

At level "norms" that is done by products of vectors, which PyTorch's threads share, and nothing is
measured twice: what is handed through has the numbers of what arrived at its sender, and a slice
those of its own upstream, as long as the sum holds just what was sent.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from localgrad.torch.statistics import Meter, densely, in_one_order, is_dense, is_trusted, vector_of

Target = tuple[int, int]  # a node's index, and which of its outputs
_SELECT = "SelectBackward0"
_BLOCK = 1 << 17  # elements whose differences are taken at once


@dataclass(slots=True)
class Selected:
    """``upstream`` at ``index`` along ``dim`` of zeros in ``shape``: what ``x[:, i]`` sends to x.

    A loop over the time steps of a sequence sends as many of them as there are steps, each in the
    sequence's own size if PyTorch's tensors were kept.
    """

    upstream: Tensor
    dim: int
    index: int
    shape: tuple[int, ...]

    def whole(self) -> Tensor:
        zeros = self.upstream.new_zeros(self.shape)
        zeros.select(self.dim, self.index).copy_(self.upstream)
        return zeros


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
    tensor: Tensor | Selected | None
    version: int = 0
    row: int = -1
    known: int = -1  # the row of what arrived at the sender, where it has the same numbers

    @property
    def is_overwritten(self) -> bool:
        return (
            self.row >= 0
            and isinstance(self.tensor, Tensor)
            and self.tensor._version != self.version
        )

    def is_the_sum(self, total: Tensor) -> bool:
        """Whether this alone is the sum, changed by no hook on its way."""
        tensor = self.tensor
        return tensor is None or (isinstance(tensor, Tensor) and is_same(tensor, total))


def selection(node: Any, op: str) -> tuple[int, int, tuple[int, ...]] | None:
    """(dim, index, shape of the source) where a node takes one slice along one axis."""
    if op != _SELECT:
        return None
    shape = tuple(node._saved_self_sym_sizes)
    dim = _signed(node._saved_dim) % len(shape)
    return dim, _signed(node._saved_index) % (shape[dim] or 1), shape


def _signed(number: int) -> int:
    """PyTorch shows the integers that a node has saved without their sign: -1 as 2⁶⁴ - 1."""
    return number - (1 << 64) if number >> 63 else number


def reconciled(meter: Meter, parts: list[Held], total: Tensor, row: int, keep: bool) -> Join | None:
    """The account of the sum in ``row``; None where nobody of the graph sent to it.

    keep: the contributions themselves too.
    """
    only = parts[0]
    if len(parts) == 1 and only.is_the_sum(total):
        kept = total.clone() if keep else None
        sent = Sent(only.consumer, only.argument, row, kept)
        return Join([sent], -1) if only.consumer >= 0 else None
    found = None if keep else join_quickly(meter, parts, total, row)
    tensors: list[Any] = [None] * len(parts)
    if found is None:
        tensors = [fitted(part.tensor, total) for part in parts]
        found = meter.join(tensors, total)
    rows, difference = found
    sent_by_all = [
        Sent(part.consumer, part.argument, own, tensor.clone() if keep else None)
        for part, own, tensor in zip(parts, rows, tensors)
    ]
    overwritten = tuple((p.row, i) for i, p in enumerate(parts) if p.is_overwritten)
    return Join(sent_by_all, difference, overwritten)


def join_quickly(
    meter: Meter, parts: list[Held], total: Tensor, row: int
) -> tuple[list[int], int] | None:
    """``Meter.join`` by products of vectors; None where these cannot be trusted."""
    square = meter.squares[row]
    if square is None or not total.is_cpu:
        return None
    known = [part.known for part in parts]
    tiles = [part.tensor for part in parts if isinstance(part.tensor, Selected)]
    if tiles:
        return _join_tiles(meter, tiles, known, total) if len(tiles) == len(parts) else None
    tensors = [fitted(part.tensor, total) for part in parts]
    whole, *vectors = in_one_order([total, *tensors])
    lost = _left_over(whole, vectors)
    squares = []
    for vector, other in zip(vectors, known):
        own = meter.squares[other] if other >= 0 else torch.dot(vector, vector).item()
        if own is None or not is_trusted(own):
            return None
        squares.append(own)
    largest = squares.index(max(squares))
    # ⟨a, g⟩ + ⟨b, g⟩ = ⟨g, g⟩ where g = a + b; the larger one loses nothing by the subtraction.
    derived = largest if len(vectors) == 2 and lost == 0 else -1
    inners = [
        0.0 if position == derived else torch.dot(vector, whole).item()
        for position, vector in enumerate(vectors)
    ]
    if derived >= 0:
        inners[derived] = square - sum(inners)
    rows = [meter.enter(own, whole.numel(), inner) for own, inner in zip(squares, inners)]
    return rows, meter.number(lost)


def _join_tiles(
    meter: Meter, parts: list[Selected], known: list[int], total: Tensor
) -> tuple[list[int], int] | None:
    """Slices along one axis that do not overlap; None where the sum does not hold just them."""
    dim = parts[0].dim
    places = {part.index for part in parts if part.dim == dim}
    squares = [meter.squares[row] for row in known]
    if len(places) < len(parts) or None in squares:
        return None
    if len(places) == total.shape[dim]:  # they are all there is
        gaps = [_difference(total.select(dim, part.index), part.upstream) for part in parts]
    else:
        gap = total.clone()
        for part in parts:
            gap.select(dim, part.index).sub_(part.upstream)
        gaps = [_square(gap)]
    if any(gaps):
        return None
    rows = [meter.enter(own, total.numel(), own) for own in squares if own is not None]
    return rows, meter.number(0.0)


def _left_over(whole: Tensor, parts: list[Tensor]) -> float:
    """‖whole − Σ parts‖² of vectors, block by block, so that what is left over is in the cache."""
    lost, room = 0.0, _room(whole.dtype)
    for start in range(0, whole.numel(), _BLOCK):
        some = slice(start, start + _BLOCK)
        first = whole[some]
        gap = torch.sub(first, parts[0][some], out=room[: first.numel()])
        for part in parts[1:]:
            gap.sub_(part[some])
        lost += torch.dot(gap, gap).item()
    return lost


def _difference(a: Tensor, b: Tensor) -> float:
    """‖a − b‖² of tensors in any layout."""
    if a.numel() > _BLOCK:
        return _square(a - b)
    gap = _room(a.dtype)[: a.numel()]
    torch.sub(a, b, out=gap.view(a.shape))
    return torch.dot(gap, gap).item()


def _square(tensor: Tensor) -> float:
    vector = vector_of(tensor)
    return math.nan if vector is None else torch.dot(vector, vector).item()


@cache
def _room(dtype: torch.dtype) -> Tensor:
    """Memory for differences, which is used again and again."""
    return torch.empty(_BLOCK, dtype=dtype)


def is_same(a: Tensor, b: Tensor) -> bool:
    """Whether two gradients are the same numbers in the same memory (one may be a view)."""
    if a is b:
        return True
    if a.is_sparse or b.is_sparse or a.numel() != b.numel() or a.dtype != b.dtype:
        return False
    if a.data_ptr() != b.data_ptr():
        return False
    return a.stride() == b.stride() or (is_dense(a) and is_dense(b))


def fitted(tensor: Tensor | Selected | None, total: Tensor) -> Tensor:
    """A contribution in the shape and dtype in which it was added up."""
    if tensor is None:
        return torch.ones_like(total)
    if isinstance(tensor, Selected):
        tensor = tensor.whole()
    if tensor.is_sparse or total.is_sparse:
        return tensor if total.is_sparse else densely(tensor)
    if tensor.shape != total.shape:
        tensor = tensor.sum_to_size(total.shape)
    return tensor if tensor.dtype == total.dtype else tensor.to(total.dtype)
