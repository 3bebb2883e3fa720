"""Sorting, searching and what follows from an order: the gradient follows each element home.

A permutation is found on the values and is flat; the elements are then gathered by it, and so
their gradients go back to the places that the elements came from.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from localgrad import errors
from localgrad.graph.record import here
from localgrad.kernels import reference as xp
from localgrad.local.axes import axis_of
from localgrad.local.flat import flat
from localgrad.local.operation import as_raw
from localgrad.ops import draw
from localgrad.ops.creation import asarray
from localgrad.ops.gather import take_along_axis
from localgrad.ops.selection import where
from localgrad.ops.shape import concat
from localgrad.tensor import Tensor

ORDER = "an order does not change with a small change of the values"


class TopK(NamedTuple):
    """The k largest elements, and where they stood."""

    values: Tensor
    indices: Tensor


class UniqueAll(NamedTuple):
    """Distinct values, where each stood first, which of them each element is, and how many are."""

    values: Tensor
    indices: Tensor
    inverse_indices: Tensor
    counts: Tensor


class UniqueCounts(NamedTuple):
    values: Tensor
    counts: Tensor


class UniqueInverse(NamedTuple):
    values: Tensor
    inverse_indices: Tensor


def order_of(x: Any, axis: int = -1, descending: bool = False, stable: bool = True) -> Any:
    """The permutation that sorts; equal elements keep their order in both directions."""
    if not descending:
        return xp.argsort(x, axis=axis, stable=stable)
    mirrored = xp.argsort(xp.flip(x, axis), axis=axis, stable=stable)
    return x.shape[axis] - 1 - xp.flip(mirrored, axis)


argsort = flat(
    "argsort",
    order_of,
    ORDER,
    doc="The positions of the elements in sorted order along the axis.",
    example=draw.anywhere,
)
searchsorted = flat(
    "searchsorted",
    lambda a, v, side="left", sorter=None: xp.searchsorted(a, v, side, sorter),
    ORDER,
    arguments=("a", "v"),
    doc="Where v would have to be inserted into the sorted a.",
    example=lambda rng: ((xp.sort(rng.normal(size=5)), rng.normal(size=(2, 3))), {}),
)


def sort(x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """The elements in order along `axis`; NaN counts as the largest.

    >>> import localgrad as lg
    >>> lg.sort(lg.asarray([3.0, 1.0, 2.0]), descending=True)
    Tensor([3., 2., 1.], dtype=float32)
    """
    x = asarray(x)
    axis = axis_of("sort", x, axis)
    return take_along_axis(x, order_of(x.value, axis, descending, stable), axis=axis)


def topk(x: Any, k: int, axis: int = -1, largest: bool = True) -> TopK:
    """The k largest (or smallest) elements along `axis`, in order, and their positions.

    >>> import localgrad as lg
    >>> values, indices = lg.topk(lg.asarray([3.0, 1.0, 2.0]), 2)
    >>> values.tolist(), indices.tolist()
    ([3.0, 2.0], [0, 2])
    """
    x = asarray(x)
    axis = axis_of("topk", x, axis)
    if not 0 <= k <= x.shape[axis]:
        raise errors.too_few_for_topk(k, x.shape, axis, here())
    order = order_of(x.value, axis, descending=largest)
    chosen = order[(slice(None),) * axis + (slice(k),)]
    return TopK(take_along_axis(x, chosen, axis=axis), Tensor(chosen))


def median(x: Any, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The element in the middle, or the mean of the two there.

    >>> import localgrad as lg
    >>> lg.median(lg.asarray([3.0, 1.0, 2.0, 5.0])).item()
    2.5
    """
    return quantile(x, 0.5, axis=axis, keepdims=keepdims)


def quantile(x: Any, q: Any, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The value below which the part q of the elements lies, by linear interpolation; NaN where
    one of them is.

    The axes of `q`, numbers between 0 and 1, come first in the result.

    >>> import localgrad as lg
    >>> lg.quantile(lg.asarray([1.0, 2.0, 3.0]), [0.0, 0.25]).tolist()
    [1.0, 1.5]
    """
    x = asarray(x)
    whole = axis is None
    along = 0 if axis is None else axis_of("quantile", x, axis)
    ordered = sort(x.reshape(-1) if whole else x, axis=along)
    lead = (slice(None),) * along
    fractions = xp.asarray(q, xp.float64)
    place = fractions * (ordered.shape[along] - 1)
    below = xp.floor(place).astype(int)
    above = xp.minimum(below + 1, ordered.shape[along] - 1)
    results = []
    for low, high, weight in zip(below.flat, above.flat, (place - below).flat):
        first, second = ordered[(*lead, low)], ordered[(*lead, high)]
        results.append(first + (second - first) * float(weight) if weight else first)
    last = ordered[(*lead, -1)]
    unordered = xp.isnan(last.value)  # NaN comes last in a sort, and spoils every quantile
    if unordered.any():
        results = [where(unordered, last, r) for r in results]
    kept = [1] * x.ndim if whole else [*x.shape[:along], 1, *x.shape[along + 1 :]]
    shape = kept if keepdims else list(results[0].shape)
    return concat([r.reshape(1, *shape) for r in results]).reshape(*fractions.shape, *shape)


def cumulative_max(x: Any, axis: int = -1) -> Tensor:
    """The largest element so far along `axis`; of equal ones the latest receives the gradient.

    >>> import localgrad as lg
    >>> lg.cumulative_max(lg.asarray([1.0, 3.0, 2.0])).tolist()
    [1.0, 3.0, 3.0]
    """
    return _running(asarray(x), axis, xp.maximum)


def cumulative_min(x: Any, axis: int = -1) -> Tensor:
    """The smallest element so far along `axis`; of equal ones the latest receives the gradient.

    >>> import localgrad as lg
    >>> lg.cumulative_min(lg.asarray([2.0, 3.0, 1.0])).tolist()
    [2.0, 2.0, 1.0]
    """
    return _running(asarray(x), axis, xp.minimum)


def _running(x: Tensor, axis: int, better: Any) -> Tensor:
    axis = axis_of(f"cumulative_{better.__name__[:3]}", x, axis)
    extreme = better.accumulate(x.value, axis=axis)
    shape = [1] * x.ndim
    shape[axis] = -1
    places = xp.arange(x.shape[axis]).reshape(shape)
    is_new = (x.value == extreme) | xp.isnan(x.value)
    latest = xp.maximum.accumulate(xp.where(is_new, places, 0), axis=axis)
    return take_along_axis(x, latest, axis=axis)


def diff(
    x: Any, /, *, axis: int = -1, n: int = 1, prepend: Any = None, append: Any = None
) -> Tensor:
    """xₖ₊₁ - xₖ along `axis`, n times; `prepend` and `append` are joined to x first.

    >>> import localgrad as lg
    >>> lg.diff(lg.asarray([1.0, 4.0, 9.0])).tolist()
    [3.0, 5.0]
    """
    x = asarray(x)
    axis = axis_of("diff", x, axis)
    ends = [asarray(end) for end in (prepend, x, append) if end is not None]
    x = concat(ends, axis=axis)
    lead = (slice(None),) * axis
    for _ in range(n):
        x = x[(*lead, slice(1, None))] - x[(*lead, slice(None, -1))]
    return x


def nonzero(x: Any, /) -> tuple[Tensor, ...]:
    """The positions of the elements that are not zero: one array of integers for each axis.

    >>> import localgrad as lg
    >>> lg.nonzero(lg.asarray([0.0, 2.0, 3.0]))
    (Tensor([1, 2], dtype=int64),)
    """
    return tuple(Tensor(i) for i in xp.nonzero(as_raw(x)))


def unique_all(x: Any, /) -> UniqueAll:
    """The distinct values in order, with first positions, inverse and counts.

    The gradient of a value goes to the element where it stood first.

    >>> import localgrad as lg
    >>> lg.unique_all(lg.asarray([2, 1, 2])).counts
    Tensor([1, 2], dtype=int64)
    """
    x = asarray(x)
    _, first, inverse, counts = xp.unique(
        x.value, return_index=True, return_inverse=True, return_counts=True, equal_nan=False
    )
    return UniqueAll(
        x.reshape(-1)[first], Tensor(first), Tensor(inverse.reshape(x.shape)), Tensor(counts)
    )


def unique_values(x: Any, /) -> Tensor:
    """The distinct values in order.

    >>> import localgrad as lg
    >>> lg.unique_values(lg.asarray([2, 1, 2]))
    Tensor([1, 2], dtype=int64)
    """
    return unique_all(x).values


def unique_counts(x: Any, /) -> UniqueCounts:
    """The distinct values in order, and how often each occurs.

    >>> import localgrad as lg
    >>> lg.unique_counts(lg.asarray([2, 1, 2])).counts.tolist()
    [1, 2]
    """
    found = unique_all(x)
    return UniqueCounts(found.values, found.counts)


def unique_inverse(x: Any, /) -> UniqueInverse:
    """The distinct values in order, and which of them each element is.

    >>> import localgrad as lg
    >>> lg.unique_inverse(lg.asarray([2, 1, 2])).inverse_indices.tolist()
    [1, 0, 1]
    """
    found = unique_all(x)
    return UniqueInverse(found.values, found.inverse_indices)
