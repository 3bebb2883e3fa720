"""Norms and inner products of many tensors, measured on the device where they lie.

On the CPU each tensor is read at once, while it is still in the cache. At level "norms" that is
one product of the tensor with itself, by PyTorch; otherwise it is the same pass that measures
localgrad's own arrays, on the calling thread alone: PyTorch's threads still spin for a while after
an operation, and a second pool of threads would fight them for the cores. On an accelerator
nothing may wait for the device: the tensors are collected, measured by the batch, and all numbers
come over in one transfer at the end.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from localgrad.kernels.moments import INNER, NONFINITE, SQUARE, TOTAL, ZEROS
from localgrad.ledger import arithmetic
from localgrad.ledger.measure import Moments, enrich
from localgrad.ledger.model import Stats

_BATCH = 64
_SCARCE = (torch.bfloat16, torch.float16)
_WIDE = (torch.float32, torch.float64)
_SMALLEST, _LARGEST = 1e-28, 1e37  # between them a sum of squares in float32 can be trusted


class Meter:
    """Measures tensors. What it returns are numbers of rows, complete after ``finish``."""

    def __init__(self, quick: bool = False) -> None:
        self.quick = quick
        self.moments = Moments(alone=True)
        self.numbers: list[float] = []
        # Of each tensor: ⟨t, t⟩ where only that was measured, else its row in the table.
        self.squares: list[float | None] = []
        self.places: list[int] = []  # row in the table, or the number of elements
        self.inners: dict[int, float] = {}  # ⟨t, sum⟩ of contributions outside of the table
        self._waiting: list[tuple[int, Tensor]] = []
        self._cells: list[tuple[int, int, Tensor]] = []  # row, column, and a number on a device
        self._promised: list[tuple[int, Tensor]] = []  # index into `numbers`, and the number

    def add(self, tensor: Tensor) -> int:
        """Measure one tensor, which requires no gradient."""
        vector = vector_of(tensor) if self.quick else None
        if vector is not None:
            square: float = torch.dot(vector, vector).item()
            if _SMALLEST < square < _LARGEST:
                places = self.places
                self.squares.append(square)
                places.append(vector.numel())
                return len(places) - 1
        return self._placed(self._table_row(tensor))

    def add_many(self, tensors: list[Tensor]) -> list[int]:
        """Measure tensors, parameters too, under ``no_grad``; the numbers are read at once."""
        vectors = [v for v in map(vector_of, tensors) if v is not None] if self.quick else []
        if not vectors or len(vectors) < len(tensors):
            return [self.add(tensor.detach()) for tensor in tensors]
        squares = torch.stack([torch.dot(vector, vector) for vector in vectors]).tolist()
        return [
            self.enter(square, tensor.numel())
            if is_trusted(square)
            else self._placed(self._table_row(tensor.detach()))
            for square, tensor in zip(squares, tensors)
        ]

    def add_all(self, tensor: Tensor) -> int:
        """Measure all moments of one tensor, at every level."""
        return self._placed(self._table_row(tensor))

    def join(self, parts: list[Tensor], total: Tensor) -> tuple[list[int], int]:
        """Measure contributions against their sum.

        Returns their rows, and the index in ``numbers`` of ‖total − Σ parts‖².
        """
        if any(part.is_sparse for part in parts):
            parts, total = [densely(part) for part in parts], densely(total)
        if total.is_cpu:
            first, difference = self.moments.add_join(
                [as_array(part) for part in parts], as_array(total)
            )
            self.numbers.append(difference)
            rows = [self._placed(first + offset) for offset in range(len(parts))]
            return rows, len(self.numbers) - 1
        first = self.moments.reserve(len(parts), total.numel())
        whole = total.double().reshape(-1)
        gap = whole.clone()
        for row, part in enumerate(parts, first):
            wide = part.double().reshape(-1)
            self._cells.append((row, INNER, torch.dot(wide, whole)))
            self._waiting.append((row, part))
            gap -= wide
        rows = [self._placed(first + offset) for offset in range(len(parts))]
        return rows, self.number(torch.dot(gap, gap))

    def number(self, value: Tensor | float) -> int:
        """Keep one number, perhaps one on a device; return its index in ``numbers``."""
        waits = isinstance(value, Tensor) and not value.is_cpu
        self.numbers.append(math.nan if waits else float(value))
        if isinstance(value, Tensor) and waits:
            self._promised.append((len(self.numbers) - 1, value))
        return len(self.numbers) - 1

    def enter(self, square: float, size: int, inner: float | None = None) -> int:
        """A row of known numbers: ⟨t, t⟩, and ⟨t, sum⟩ where it is a contribution."""
        row = len(self.places)
        self.squares.append(square)
        self.places.append(size)
        if inner is not None:
            self.inners[row] = inner
        return row

    def settle(self, tensor: Tensor) -> None:
        """Measure what waits before ``tensor`` is changed in place."""
        if self._waiting and not tensor.is_cpu:
            self._flush()

    def finish(self) -> None:
        """Bring over what is still on a device: one transfer for each."""
        self._flush()
        cells, promised = self._cells, self._promised
        self._cells, self._promised = [], []
        devices = {tensor.device for *_, tensor in cells} | {item[1].device for item in promised}
        for device in devices:
            own = [cell for cell in cells if cell[2].device == device]
            others = [item for item in promised if item[1].device == device]
            tensors = [cell[2] for cell in own] + [item[1] for item in others]
            values = torch.stack([tensor.to(torch.float64) for tensor in tensors]).tolist()
            for (row, column, _), value in zip(own, values):
                self.moments.table[row, column] = value
            for (index, _), value in zip(others, values[len(own) :]):
                self.numbers[index] = value

    # -- what was found ------------------------------------------------------------------------

    def square(self, row: int) -> float:
        """⟨t, t⟩."""
        known = self.squares[row]
        return self.moments.square(self.places[row]) if known is None else known

    def inner(self, row: int) -> float:
        """⟨t, sum⟩ of a contribution that was measured by ``join``."""
        known = self.inners.get(row)
        return self.moments.inner(self.places[row]) if known is None else known

    def nonfinite(self, row: int) -> int:
        return 0 if self.squares[row] is not None else self.moments.nonfinite(self.places[row])

    def stats(self, row: int, scale: float = 1.0, tensor: Tensor | None = None) -> Stats:
        """The statistics of a row, of the tensor divided by ``scale`` (a loss scale).

        With the tensor itself at hand its extremes and a histogram are added.
        """
        square, place = self.squares[row], self.places[row]
        if square is None:
            stats = self.moments.stats(place)
        else:
            stats = Stats(place, arithmetic.norm(square), arithmetic.rms(square, place))
        if tensor is not None:
            enrich(stats, as_array(densely(tensor)))
        if scale != 1.0:
            for name in ("norm", "rms", "mean", "minimum", "maximum", "low", "high"):
                value = getattr(stats, name)
                if value is not None:
                    setattr(stats, name, value / scale)
        return stats

    # -- how it is measured --------------------------------------------------------------------

    def _placed(self, row: int) -> int:
        self.squares.append(None)
        self.places.append(row)
        return len(self.places) - 1

    def _table_row(self, tensor: Tensor) -> int:
        if tensor.is_sparse:
            return self._sparse(tensor)
        if tensor.is_cpu:
            return self.moments.add(as_array(tensor))
        row = self.moments.reserve(1, tensor.numel())
        self._waiting.append((row, tensor))
        if len(self._waiting) >= _BATCH:
            self._flush()
        return row

    def _sparse(self, tensor: Tensor) -> int:
        """The stored elements count as they are, all others as zeros."""
        stored = tensor.coalesce()._values()
        row = self._table_row(stored)
        absent = tensor.numel() - stored.numel()
        self.moments.sizes[row] = tensor.numel()
        if stored.is_cpu:
            self.moments.table[row, ZEROS] += absent
            return row
        self._flush()
        position = max(i for i, cell in enumerate(self._cells) if cell[:2] == (row, ZEROS))
        self._cells[position] = (row, ZEROS, self._cells[position][2] + absent)
        return row

    def _flush(self) -> None:
        """Measure what waits, without waiting for the device."""
        kinds: dict[tuple[torch.device, torch.dtype], list[tuple[int, Tensor]]] = {}
        for row, tensor in self._waiting:
            kinds.setdefault((tensor.device, tensor.dtype), []).append((row, tensor))
        self._waiting = []
        for items in kinds.values():
            norms = torch._foreach_norm([tensor for _, tensor in items], 2, dtype=torch.float64)
            for (row, tensor), norm in zip(items, norms):
                self._cells += (
                    (row, SQUARE, norm * norm),
                    (row, TOTAL, tensor.sum(dtype=torch.float64)),
                    (row, ZEROS, tensor.numel() - torch.count_nonzero(tensor)),
                    # t · 0 is NaN, which is not zero, exactly where t is not finite.
                    (row, NONFINITE, torch.count_nonzero(tensor * 0)),
                )


def is_trusted(square: float) -> bool:
    """Whether a sum of squares in single precision is neither so small nor so large that it may
    have lost everything."""
    return _SMALLEST < square < _LARGEST


def vector_of(tensor: Tensor) -> Tensor | None:
    """The elements as a vector whose product with itself PyTorch can take on the CPU, or None."""
    if tensor.dtype not in _WIDE or not tensor.is_cpu or tensor.is_sparse:
        return None
    return tensor.view(-1) if tensor.is_contiguous() else flat(tensor)


def flat(tensor: Tensor) -> Tensor | None:
    """All elements in a row as they lie in memory; None where the tensor has holes or repeats."""
    if tensor.is_contiguous():
        return tensor.view(-1)
    return tensor.as_strided((tensor.numel(),), (1,)) if is_dense(tensor) else None


def is_dense(tensor: Tensor) -> bool:
    """Whether the elements lie side by side in memory, each once, in whatever order of the axes."""
    expected = 1
    for stride, size in sorted(zip(tensor.stride(), tensor.shape)):
        if size == 1:
            continue
        if stride != expected:
            return False
        expected *= size
    return True


def in_one_order(tensors: list[Tensor]) -> list[Tensor]:
    """The tensors, which have one shape, as vectors with their elements in one common order."""
    first = tensors[0]
    if any(tensor.stride() != first.stride() for tensor in tensors):
        return [tensor.contiguous().view(-1) for tensor in tensors]
    vectors = [flat(tensor) for tensor in tensors]
    return [t.reshape(-1) if v is None else v for v, t in zip(vectors, tensors)]


def as_array(tensor: Tensor) -> Any:
    """The tensor as a NumPy array, of the same memory where NumPy knows the dtype."""
    if tensor.requires_grad:
        tensor = tensor.detach()
    if not tensor.is_cpu:
        tensor = tensor.cpu()
    if tensor.dtype in _SCARCE:
        tensor = tensor.float()
    try:
        return tensor.numpy()
    except RuntimeError:  # a lazy conjugate or negation
        return tensor.resolve_conj().resolve_neg().numpy()


def densely(tensor: Tensor) -> Tensor:
    """The tensor with its zeros written out."""
    return tensor.to_dense() if tensor.is_sparse else tensor
