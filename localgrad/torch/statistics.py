"""Norms and inner products of many tensors, measured on the device where they lie.

On the CPU each tensor is read at once, while it is still in the cache, in one pass and by PyTorch's
own threads: these spin for a while after an operation, and a second pool of threads would fight
them for the cores. On an accelerator nothing may wait for the device: the tensors are collected,
measured by the batch, and all numbers come over in one transfer at the end.
"""

from __future__ import annotations

import math
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from localgrad.kernels import moments
from localgrad.kernels.moments import INNER, NONFINITE, SQUARE, TOTAL, ZEROS
from localgrad.ledger.measure import Moments, enrich
from localgrad.ledger.model import Stats

_BATCH = 64
_SCARCE = (torch.bfloat16, torch.float16)
_SINGLE, _DOUBLE, _STRIDED = torch.float32, torch.float64, torch.strided
_FLOATS = (_SINGLE, _DOUBLE)


class Meter:
    """Measures tensors. What it returns are numbers of rows, complete after ``finish``.

    latest: Σx² of the last tensor on the CPU that ``add`` measured.
    """

    def __init__(self) -> None:
        self.moments = Moments(alone=True)
        self.numbers: list[float] = []
        self.latest = 0.0
        self._team = moments.by_team(_library())
        self._threads = torch.get_num_threads()
        self._waiting: list[tuple[int, Tensor]] = []
        self._cells: list[tuple[int, int, Tensor]] = []  # row, column, and a number on a device
        self._promised: list[tuple[int, Tensor]] = []  # index into `numbers`, and the number

    def add(self, tensor: Tensor) -> int:
        """Measure one tensor."""
        if self._team is not None and is_plain(tensor):
            if not is_dense(tensor):
                tensor = tensor.detach().contiguous()
            moments, size, double = self.moments, tensor.numel(), tensor.dtype is _DOUBLE
            row = moments.reserve(1, size)
            self.latest = self._team.measure(
                tensor.data_ptr(), size, double, moments.table, row, self._threads
            )
            return row
        tensor = tensor.detach()
        if tensor.is_sparse:
            return self._sparse(tensor)
        if tensor.is_cpu:
            row = self.moments.add(as_array(tensor))
            self.latest = self.moments.latest
            return row
        row = self.moments.reserve(1, tensor.numel())
        self._waiting.append((row, tensor))
        if len(self._waiting) >= _BATCH:
            self._flush()
        return row

    def add_many(self, tensors: list[Tensor]) -> list[int]:
        """Measure tensors that all have the values they will have."""
        together = self._team is not None and all(
            is_plain(t) and t.dtype is _SINGLE and t.is_contiguous() for t in tensors
        )
        if not together or not tensors:
            return [self.add(tensor) for tensor in tensors]
        sizes = [tensor.numel() for tensor in tensors]
        first = self.moments.reserve(len(sizes), 0)
        self.moments.sizes[first:] = sizes
        places = np.array([tensor.data_ptr() for tensor in tensors], np.intp)
        self._team.measure_all(
            places, np.array(sizes), False, self.moments.table, first, self._threads
        )
        return list(range(first, first + len(sizes)))

    def join(self, parts: list[Tensor], total: Tensor) -> tuple[list[int], int, int]:
        """Measure contributions and their sum.

        Returns the contributions' rows, the sum's, and the index in ``numbers`` of
        ‖total − Σ parts‖².
        """
        if any(part.is_sparse for part in parts):
            parts, total = [densely(part) for part in parts], densely(total)
        if total.is_cpu:
            first, difference = self._join(parts, total)
            last = first + len(parts)
            self.numbers.append(difference)
            return list(range(first, last)), last, len(self.numbers) - 1
        first = self.moments.reserve(len(parts), total.numel())
        whole = total.double().reshape(-1)
        gap = whole.clone()
        for row, part in enumerate(parts, first):
            wide = part.double().reshape(-1)
            self._cells.append((row, INNER, torch.dot(wide, whole)))
            self._waiting.append((row, part))
            gap -= wide
        rows = list(range(first, first + len(parts)))
        return rows, self.add(total), self.number(torch.dot(gap, gap))

    def _join(self, parts: list[Tensor], total: Tensor) -> tuple[int, float]:
        table, tensors = self.moments, [*parts, total]
        if self._team is None or not all(map(is_plain, tensors)):
            return table.add_join([as_array(part) for part in parts], as_array(total))
        tensors = in_one_order(tensors)
        first = table.reserve(len(tensors), total.numel())
        places = np.array([tensor.data_ptr() for tensor in tensors], np.intp)
        double = total.dtype is _DOUBLE
        difference: float = self._team.join(
            places, total.numel(), double, table.table, first, self._threads
        )
        return first, difference

    def zero_units(self, tensor: Tensor, axis: int) -> int | None:
        """How many indices along ``axis`` hold nothing but zeros; None where the elements do not
        lie in one of the usual orders on the CPU."""
        if self._team is None or not is_plain(tensor):
            return None
        shape = tensor.shape
        outer, inner = math.prod(shape[:axis]), math.prod(shape[axis + 1 :])
        if not tensor.is_contiguous():
            if axis != 1 or not tensor.is_contiguous(memory_format=torch.channels_last):
                return None
            outer, inner = outer * inner, 1
        double = tensor.dtype is _DOUBLE
        count: int = self._team.zero_units(tensor.data_ptr(), double, outer, shape[axis], inner)
        return count

    def add_up(self, rows: list[int], size: int | None) -> int:
        """The row of an array of ``size`` elements that holds what was measured in ``rows``, each
        in a place of its own, and zeros."""
        self.finish()
        row = self.moments.add_up(rows)
        if size is not None:
            self.moments.widen(row, size)
        return row

    def number(self, value: Tensor | float) -> int:
        """Keep one number, perhaps one on a device; return its index in ``numbers``."""
        waits = isinstance(value, Tensor) and not value.is_cpu
        self.numbers.append(math.nan if waits else float(value))
        if isinstance(value, Tensor) and waits:
            self._promised.append((len(self.numbers) - 1, value))
        return len(self.numbers) - 1

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
        return self.moments.square(row)

    def inner(self, row: int) -> float:
        """⟨t, sum⟩ of a contribution that was measured by ``join``."""
        return self.moments.inner(row)

    def averages(self, row: int) -> tuple[float, float, float]:
        """The means of squares, of values and of zeros of a tensor on the CPU."""
        square, total, zeros, *_ = self.moments.table[row].tolist()
        size = self.moments.sizes[row]
        return square / size, total / size, zeros / size

    def stats(self, row: int, scale: float = 1.0, tensor: Tensor | None = None) -> Stats:
        """The statistics of a row, of the tensor divided by ``scale`` (a loss scale).

        With the tensor itself at hand its extremes and a histogram are added.
        """
        stats = self.moments.stats(row)
        if tensor is not None:
            enrich(stats, as_array(densely(tensor)))
        if scale != 1.0:
            for name in ("norm", "rms", "mean", "minimum", "maximum", "low", "high"):
                value = getattr(stats, name)
                if value is not None:
                    setattr(stats, name, value / scale)
        return stats

    # -- how it is measured --------------------------------------------------------------------

    def _sparse(self, tensor: Tensor) -> int:
        """The stored elements count as they are, all others as zeros."""
        stored = tensor.coalesce()._values()
        row = self.add(stored)
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


@cache
def _library() -> str:
    """PyTorch's own library, which is linked with the OpenMP whose threads it runs on."""
    folder = Path(torch.__file__).parent / "lib"
    return str(next(folder.glob("*torch_cpu.*"), folder))


def is_plain(tensor: Tensor) -> bool:
    """Whether the elements are floats or doubles in memory that can be read as it is."""
    return (
        tensor.dtype in _FLOATS
        and tensor.is_cpu
        and tensor.layout is _STRIDED
        and not tensor.is_neg()
    )


def is_dense(tensor: Tensor) -> bool:
    """Whether the elements lie side by side in memory, each once, in whatever order of the axes."""
    return tensor.is_contiguous() or _is_dense(tensor.shape, tensor.stride())


@lru_cache(maxsize=1024)
def _is_dense(shape: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    expected = 1
    for stride, size in sorted(zip(strides, shape)):
        if size == 1:
            continue
        if stride != expected:
            return False
        expected *= size
    return True


def in_one_order(tensors: list[Tensor]) -> list[Tensor]:
    """The tensors, which have one shape, without holes and in one common order of elements."""
    first, *others = tensors
    strides = first.stride()
    if is_dense(first) and all(tensor.stride() == strides for tensor in others):
        return tensors
    return [tensor.contiguous() for tensor in tensors]


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
