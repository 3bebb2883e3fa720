"""Why an operation refused its arguments, by the operation's name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from localgrad import errors_of_indices as indices
from localgrad import errors_of_products as products
from localgrad import errors_of_shapes as shapes
from localgrad.errors_of_shapes import Options, Shape


def reason(name: str, values: Sequence[Any], options: Options) -> str | None:
    """What is wrong with the arguments of the operation `name`; None where nothing is known."""
    arrays = [v for v in values if hasattr(v, "shape")]
    given = [tuple(a.shape) for a in arrays]
    foreign = _not_numbers(values)
    if foreign is not None:
        return foreign
    if not arrays:
        return None if values else "there is nothing to join: the sequence is empty."
    if name in _OF:
        try:
            return _OF[name](given, options)
        except (AttributeError, KeyError, IndexError, TypeError, ValueError):
            return None  # an operation of the user's own, which happens to have this name
    return (
        shapes.wrong_axis(given[0], options.get("axis"))
        or _kinds(name, arrays)
        or shapes.broadcast(given, name)
    )


def _not_numbers(values: Sequence[Any]) -> str | None:
    for index, value in enumerate(values):
        if hasattr(value, "dtype") and value.dtype.kind in "OUS":
            what = value.item() if value.shape == () else value.tolist()
            return f"its {shapes.ordinal(index)} argument is no array of numbers, but {what!r:.60}."
    return None


def _kinds(name: str, arrays: Sequence[Any]) -> str | None:
    if name.startswith("bitwise") and any(a.dtype.kind not in "iub" for a in arrays):
        return (
            "bits are those of integers and truth values, not of floats.\n"
            "  Compare first, (x > 0) & (y > 0); or write lg.logical_and(x, y) and its kin."
        )
    return None


_OF: dict[str, Callable[[Sequence[Shape], Options], str | None]] = {
    "broadcast_to": shapes.broadcast_to,
    "cholesky": products.square,
    "concat": shapes.concat,
    "det": products.square,
    "diagonal": shapes.diagonal,
    "eigh": products.square,
    "expand_dims": shapes.expand_dims,
    "einsum": products.einsum,
    "getitem": indices.index,
    "index_assign": indices.index,
    "inv": products.square,
    "linear": products.linear,
    "matmul": products.matmul,
    "permute_dims": shapes.permute,
    "repeat": shapes.repeat,
    "reshape": shapes.reshape,
    "solve": products.solve,
    "split": shapes.split,
    "squeeze": shapes.squeeze,
    "stack": shapes.stack,
    "tensordot": products.tensordot,
    "x[…] = …": indices.index,
}
