"""Collections of examples: what can be indexed and has a length."""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Any

import numpy

from localgrad import errors_of_runs as errors
from localgrad import random
from localgrad.data.collate import default_collate
from localgrad.graph.record import here
from localgrad.tensor import Tensor


class Dataset:
    """Examples by number. A subclass writes `__getitem__(index)` and `__len__()`."""

    def __getitem__(self, index: int) -> Any:
        raise TypeError(f"{type(self).__name__} does not define __getitem__(index)")

    def __len__(self) -> int:
        raise TypeError(f"{type(self).__name__} does not define __len__()")

    def __add__(self, other: Dataset) -> ConcatDataset:
        return ConcatDataset([self, other])


class TensorDataset(Dataset):
    """Tensors whose first axis counts the examples; example i is `(tensors[0][i], …)`.

    >>> import localgrad as lg
    >>> pairs = lg.data.TensorDataset(lg.arange(3), lg.arange(3) ** 2)
    >>> len(pairs), [int(v) for v in pairs[2]]
    (3, [2, 4])
    """

    tensors: tuple[Tensor, ...]

    def __init__(self, *tensors: Any) -> None:
        from localgrad.local.operation import as_raw

        self.tensors = tuple(t if isinstance(t, Tensor) else Tensor(as_raw(t)) for t in tensors)
        lengths = [t.shape[0] if t.ndim else 0 for t in self.tensors]
        if len(set(lengths)) != 1:
            raise errors.unequal_lengths([t.shape for t in self.tensors], here())

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(Tensor(t.value[index]) for t in self.tensors)

    def __len__(self) -> int:
        return len(self.tensors[0])

    def batch(self, indices: Sequence[int]) -> tuple[Tensor, ...]:
        """The examples at `indices`, already stacked: one gather for each tensor."""
        return self[numpy.asarray(indices)]


class Subset(Dataset):
    """The examples of `dataset` at `indices`."""

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: int) -> Any:
        return self.dataset[self.indices[index]]

    def __len__(self) -> int:
        return len(self.indices)

    def batch(self, indices: Sequence[int]) -> Any:
        """The examples at `indices`, stacked: by the data set itself where it knows how."""
        chosen = [self.indices[i] for i in indices]
        if hasattr(self.dataset, "batch"):
            return self.dataset.batch(chosen)
        return default_collate([self.dataset[i] for i in chosen])


class ConcatDataset(Dataset):
    """The examples of several data sets, one after the other."""

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)
        self.cumulative_sizes = list(itertools.accumulate(len(d) for d in self.datasets))

    def __getitem__(self, index: int) -> Any:
        index = range(len(self))[index]  # a negative index counts from the end
        which = bisect_right(self.cumulative_sizes, index)
        before = self.cumulative_sizes[which - 1] if which else 0
        return self.datasets[which][index - before]

    def __len__(self) -> int:
        return self.cumulative_sizes[-1] if self.datasets else 0


def random_split(
    dataset: Any, lengths: Sequence[int | float], generator: Any = None
) -> list[Subset]:
    """Parts of `dataset` that do not overlap, drawn at random.

    `lengths` are numbers of examples that sum to `len(dataset)`, or fractions that sum to 1 (what
    rounding leaves over goes to the first parts, one each). `generator` is a NumPy generator or a
    seed; by default the library's own, which `lg.manual_seed` seeds.

    >>> import localgrad as lg
    >>> parts = lg.data.random_split(lg.data.TensorDataset(lg.arange(10)), [0.8, 0.2], generator=0)
    >>> [len(part) for part in parts]
    [8, 2]
    """
    size = len(dataset)
    sizes = [int(n) for n in lengths]
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1 + 1e-9 and size != 1:
        sizes = [math.floor(size * fraction) for fraction in lengths]
        for i in range(size - sum(sizes)):
            sizes[i % len(sizes)] += 1
    if sum(sizes) != size or min(sizes, default=0) < 0:
        raise errors.split_lengths(list(lengths), size, here())
    order = as_generator(generator).permutation(size).tolist()
    starts = [0, *itertools.accumulate(sizes)]
    return [Subset(dataset, order[a:b]) for a, b in itertools.pairwise(starts)]


def as_generator(generator: Any) -> numpy.random.Generator:
    """A NumPy generator from one, from a seed, or (None) the library's own."""
    if generator is None:
        return random.generator()
    return numpy.random.default_rng(generator)
