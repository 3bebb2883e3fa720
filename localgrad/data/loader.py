"""The loader: batches of a data set, in an order whose state can be saved and restored."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy

from localgrad import errors_of_runs as errors
from localgrad.construction import Constructed
from localgrad.data.collate import default_collate
from localgrad.data.dataset import as_generator
from localgrad.graph.record import here


class DataLoader(Constructed):
    """Batches of `dataset`, in order or shuffled anew in each epoch.

    Names and defaults are those of `torch.utils.data.DataLoader`. `generator` is a NumPy generator
    or a seed; by default the library's own, which `lg.manual_seed` seeds. `num_workers` threads
    prepare batches ahead (threads, for NumPy works outside Python's lock).

    `state_dict()` says where an epoch stands; after `load_state_dict` the next `for batch in
    loader` goes on from there, with the same batches that would have followed.

    >>> import localgrad as lg
    >>> numbers = lg.data.TensorDataset(lg.arange(5))
    >>> [batch.tolist() for (batch,) in lg.data.DataLoader(numbers, batch_size=2)]
    [[0, 1], [2, 3], [4]]
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool = False,
        sampler: Iterable[int] | None = None,
        batch_sampler: Iterable[Sequence[int]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        drop_last: bool = False,
        *,
        generator: Any = None,
    ) -> None:
        if not hasattr(dataset, "__getitem__"):
            raise errors.no_dataset(dataset, here())
        if batch_size is not None and batch_size < 1:
            raise errors.not_positive("batch_size", batch_size, here())
        if shuffle and (sampler is not None or batch_sampler is not None):
            raise errors.shuffle_and_sampler(here())
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.num_workers = num_workers
        self.collate_fn = collate_fn
        self.drop_last = drop_last
        self.generator = None if generator is None else as_generator(generator)
        self.seed: int | None = None  # of the order of the epoch that is under way
        self.position = 0  # how many of its batches were handed out
        self.resuming = False

    def __len__(self) -> int:
        """How many batches an epoch has."""
        if self.batch_sampler is not None:
            return len(self.batch_sampler)  # type: ignore[arg-type]
        size = len(self.dataset if self.sampler is None else self.sampler)  # type: ignore[arg-type]
        if self.batch_size is None:
            return size
        return size // self.batch_size if self.drop_last else -(-size // self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        if not self.resuming:
            self.position = 0
            self.seed = None
            if self.shuffle:
                self.seed = int(as_generator(self.generator).integers(2**63))
        self.resuming = False
        batches = itertools.islice(self.batches(), self.position, None)
        fetched = map(self.fetch, batches) if self.num_workers < 1 else self.ahead(batches)
        for batch in fetched:
            self.position += 1
            yield batch

    def batches(self) -> Iterator[Any]:
        """The indices of each batch of this epoch; a bare index without a batch size."""
        if self.batch_sampler is not None:
            yield from self.batch_sampler
            return
        order: Iterable[int]
        if self.sampler is not None:
            order = self.sampler
        elif self.shuffle:
            order = numpy.random.default_rng(self.seed).permutation(len(self.dataset)).tolist()
        else:
            order = range(len(self.dataset))
        if self.batch_size is None:
            yield from order
            return
        remaining = iter(order)
        while batch := list(itertools.islice(remaining, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def fetch(self, indices: Any) -> Any:
        """The examples at `indices`, stacked."""
        if not isinstance(indices, list | tuple):
            return self.dataset[indices]
        if self.collate_fn is None and hasattr(self.dataset, "batch"):
            return self.dataset.batch(indices)
        examples = [self.dataset[i] for i in indices]
        return (self.collate_fn or default_collate)(examples)

    def ahead(self, batches: Iterator[Any]) -> Iterator[Any]:
        """`fetch` of each batch, in order, prepared by threads two batches ahead for each."""
        with ThreadPoolExecutor(self.num_workers) as pool:
            first = itertools.islice(batches, 2 * self.num_workers)
            waiting: deque[Future[Any]] = deque(pool.submit(self.fetch, b) for b in first)
            while waiting:
                ready = waiting.popleft().result()
                waiting.extend(pool.submit(self.fetch, b) for b in itertools.islice(batches, 1))
                yield ready

    def state_dict(self) -> dict[str, Any]:
        """Where the epoch stands: plain numbers, which JSON can hold."""
        own = None if self.generator is None else self.generator.bit_generator.state
        return {"seed": self.seed, "position": self.position, "generator": own}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where `state_dict` was taken, at the next `iter(loader)`."""
        self.seed = state["seed"]
        self.position = state["position"]
        if self.generator is not None and state["generator"] is not None:
            self.generator.bit_generator.state = state["generator"]
        # An epoch that is complete has nothing to resume: the next one draws its own order.
        self.resuming = self.position < len(self) and (self.seed is not None or not self.shuffle)
