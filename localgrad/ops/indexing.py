"""Indexing: basic, by integers, by truth values, and mixed, as NumPy does it.

Taking elements is linear; its adjoint adds the upstream back at the places they came from.
"""

from __future__ import annotations

from typing import Any

from localgrad import kernels
from localgrad.kernels import reference as xp
from localgrad.kernels.neighbours import side_by_side
from localgrad.local.linear import Linear, LinearMany, linear
from localgrad.tensor import Tensor

PLAIN = frozenset((int, slice, type(None), type(Ellipsis)))  # no Tensor is in a tuple of these


def raw_key(key: Any) -> Any:
    """An index without Tensors in it."""
    if isinstance(key, Tensor):
        return key.value
    if isinstance(key, tuple):
        if PLAIN.issuperset(map(type, key)):
            return key
        return tuple(raw_key(k) for k in key)
    if isinstance(key, list):
        return [raw_key(k) for k in key]
    return key


def is_basic(key: Any) -> bool:
    """Whether an index takes a view: integers, slices, None and Ellipsis only."""
    parts = key if isinstance(key, tuple) else (key,)
    return all(
        p is None
        or p is Ellipsis
        or isinstance(p, slice)
        or (isinstance(p, int | xp.integer) and not isinstance(p, bool))
        for p in parts
    )


def range_of(key: Any, shape: tuple[int, ...]) -> tuple[int, int] | None:
    """Axis and start, if a basic index names a range (or a place) on one axis and all of the rest.

    >>> range_of((slice(None), slice(2, 5)), (4, 8)), range_of((..., -1), (4, 8))
    ((1, 2), (1, 7))
    """
    parts = key if key.__class__ is tuple else (key,)
    if Ellipsis in parts:
        place = parts.index(Ellipsis)
        whole = (slice(None),) * (len(shape) + 1 - len(parts))
        parts = parts[:place] + whole + parts[place + 1 :]
    found = None
    for axis, part in enumerate(parts):
        if part is None:
            return None
        if part.__class__ is slice:
            start, stop, step = part.indices(shape[axis])
            if start == 0 and stop == shape[axis] and step == 1:
                continue
            if step != 1:
                return None
        else:
            start = int(part) % shape[axis]
        if found is not None:
            return None
        found = (axis, start)
    return found


def put_back(g: Any, like: Any, key: Any) -> Any:
    """Zeros of the source's shape with `g` added at `key`; repeated places add up."""
    basic = is_basic(key)
    place = range_of(key, like.shape) if basic and kernels.pays(g) else None
    result = None if place is None else kernels.put_range(g, like, *place)
    if result is not None:
        return result
    result = kernels.zeros(like.shape, g.dtype)
    if basic:
        result[key] = g
    else:
        xp.add.at(result, key, g)
    return result


def put_into(buffer: Any, g: Any, key: Any) -> None:
    """`put_back`, added to a sum in place: many parts of one source need one buffer of its size."""
    if is_basic(key):
        place = range_of(key, buffer.shape) if kernels.pays(g) else None
        if place is None or not kernels.add_range(buffer, g, *place):
            buffer[key] += g
    else:
        xp.add.at(buffer, key, g)


def pieces_side_by_side(received: list[tuple[Any, Any]], like: Any) -> Any:
    """The sum of `put_back` of many pieces, without a copy, if together they are an array that has
    every element once; else None."""
    pieces = []
    for node, g in received:
        key = node.options["key"]
        place = range_of(key, like.shape) if node.op is _getitem and is_basic(key) else None
        if place is None or not isinstance(g, xp.ndarray) or g.dtype != like.dtype:
            return None
        pieces.append((*place, g))
    return side_by_side(pieces, like.shape)


_getitem = linear(
    "getitem",
    lambda x, key: x[key],
    lambda g, like, key: index_put.run(g, shape=like.shape, key=key),
    into=put_into,
    side_by_side=pieces_side_by_side,
    doc="x[key]: the elements that an index of any kind names.",
    example=lambda rng: ((rng.standard_normal((4, 3)),), {"key": (xp.asarray([2, 0, 2]),)}),
)
index_put: Linear = linear(
    "index_put",
    lambda x, shape, key: put_back(x, _Shape(shape), key),
    lambda g, key: _getitem.run(g, key=key),
    doc="Zeros of `shape` with x added at `key`: the adjoint of indexing.",
    example=lambda rng: (
        (rng.standard_normal((3, 3)),),
        {"shape": (4, 3), "key": (xp.asarray([2, 0, 2]),)},
    ),
)


class _Shape:
    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape


def getitem(x: Any, key: Any) -> Tensor:
    """x[key], for every key that NumPy takes."""
    return _getitem(x, key=raw_key(key))


def _assigned(x: Any, value: Any, key: Any) -> Any:
    result = xp.array(x)
    result[key] = value
    return result


index_assign: LinearMany = LinearMany(
    "index_assign",
    _assigned,
    lambda g, key: (index_assign.run(g, xp.zeros((), g.dtype), key=key), _getitem.run(g, key=key)),
    doc="A copy of x with `value` written at `key`: linear in both together.",
    example=lambda rng: (
        (rng.standard_normal((4, 3)), rng.standard_normal((2, 3))),
        {"key": (xp.asarray([2, 0]),)},
    ),
)
