"""Stacking: examples become a batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy

from localgrad import errors_of_runs as errors
from localgrad.graph.record import here
from localgrad.tensor import Tensor


def default_collate(examples: list[Any]) -> Any:
    """Examples stacked along a new first axis, inside the structure that each of them has.

    Tuples and named tuples, lists and mappings are kept; numbers, arrays and Tensors become
    Tensors; texts stay a list.

    >>> import localgrad as lg
    >>> lg.data.default_collate([{"x": 1, "name": "a"}, {"x": 2, "name": "b"}])
    {'x': Tensor([1, 2], dtype=int64), 'name': ['a', 'b']}
    """
    first = examples[0]
    if isinstance(first, str | bytes):
        return examples
    if isinstance(first, Mapping):
        return {key: default_collate([e[key] for e in examples]) for key in first}
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return type(first)(*(default_collate(list(column)) for column in zip(*examples)))
    if isinstance(first, tuple | list):
        return type(first)(default_collate(list(column)) for column in zip(*examples))
    values = [e.value if isinstance(e, Tensor) else numpy.asarray(e) for e in examples]
    if len({v.shape for v in values}) > 1:
        raise errors.ragged_batch(sorted({v.shape for v in values}), here())
    stacked = numpy.stack(values)
    return Tensor(stacked.astype(numpy.float32) if isinstance(first, float) else stacked)
