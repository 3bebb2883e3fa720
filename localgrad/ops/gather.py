"""Gathering along an axis, and its adjoint: adding back at the places that were read.

Both are linear in the values. Which places is a constant: integers have no gradient.
"""

from __future__ import annotations

from typing import Any

from localgrad.kernels import reference as xp
from localgrad.local.axes import axis_of
from localgrad.local.linear import Linear, linear
from localgrad.local.operation import as_raw
from localgrad.ops.creation import asarray
from localgrad.tensor import Tensor


def places(shape: tuple[int, ...], indices: Any, axis: int) -> tuple[Any, ...]:
    """The full index that reads `indices` along `axis` and every other axis in step."""
    index = []
    for i, n in enumerate(shape):
        along = [1] * len(shape)
        along[i] = n
        index.append(indices if i == axis else xp.arange(n).reshape(along))
    return tuple(index)


def added_along(x: Any, indices: Any, shape: tuple[int, ...], axis: int) -> Any:
    """Zeros of `shape` with x added at `indices` along `axis`; repeated places add up."""
    result = xp.zeros(shape, x.dtype)
    xp.add.at(result, places(shape, indices, axis), x)
    return result


_take_along = linear(
    "take_along_axis",
    lambda x, indices, axis: x[places(x.shape, indices, axis)],
    lambda g, like, indices, axis: _add_along.run(g, indices=indices, shape=like.shape, axis=axis),
    doc="x[…, indices[…], …]: an element of each row along the axis, by its own index.",
    example=lambda rng: (
        (rng.standard_normal((3, 4)),),
        {"indices": rng.integers(0, 4, (3, 5)), "axis": 1},
    ),
)
_add_along: Linear = linear(
    "add_along_axis",
    added_along,
    lambda g, like, indices, axis: xp.fit(
        _take_along.run(g, indices=indices, axis=axis), like.shape
    ),
    doc="Zeros with x added at indices along the axis: the adjoint of take_along_axis.",
    example=lambda rng: (
        (rng.standard_normal((3, 5)),),
        {"indices": rng.integers(0, 4, (3, 5)), "shape": (3, 4), "axis": 1},
    ),
)


def take_along_axis(x: Any, indices: Any, /, *, axis: int = -1) -> Tensor:
    """y[i, j] = x[i, indices[i, j]] along the last axis, and likewise along any other.

    `indices` are integers with as many axes as x; other axes have x's size, or 1.

    >>> import localgrad as lg
    >>> x = lg.asarray([[1.0, 2.0], [3.0, 4.0]])
    >>> lg.take_along_axis(x, lg.asarray([[1], [0]])).tolist()
    [[2.0], [3.0]]
    """
    x = asarray(x)
    return _take_along(x, indices=as_raw(indices), axis=axis_of("take_along_axis", x, axis))


def take(x: Any, indices: Any, /, *, axis: int | None = None) -> Tensor:
    """The slices at `indices` along `axis`; elements of all of x where it is None.

    >>> import localgrad as lg
    >>> lg.take(lg.asarray([[1.0, 2.0], [3.0, 4.0]]), lg.asarray([1, 1]), axis=0).tolist()
    [[3.0, 4.0], [3.0, 4.0]]
    """
    x = asarray(x)
    if axis is None:
        return x.reshape(-1)[as_raw(indices)]
    return x[(slice(None),) * axis_of("take", x, axis) + (as_raw(indices),)]


def scatter_add(x: Any, indices: Any, values: Any, /, *, axis: int = -1) -> Tensor:
    """x with `values` added at `indices` along `axis`; repeated places add up.

    >>> import localgrad as lg
    >>> lg.scatter_add(lg.zeros(3), lg.asarray([0, 2, 2]), [1.0, 2.0, 3.0]).tolist()
    [1.0, 0.0, 5.0]
    """
    x = asarray(x)
    axis = axis_of("scatter_add", x, axis)
    return x + _add_along(values, indices=as_raw(indices), shape=x.shape, axis=axis)
