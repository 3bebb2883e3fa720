"""`x += y` and `x[key] = y`: writing into a value, and what the graph makes of it.

A value that is being recorded is written into only where nobody else looks at its memory; its
node becomes the operation that made the new content, so gradients stay right. A view is replaced
by a copy first (`row = y[0]; row += 1` leaves `y` as it was once `y` is recorded). What had been
retained before the write is caught by `graph.mutation`.
"""

from __future__ import annotations

from typing import Any

from localgrad import errors
from localgrad.graph.mutation import announce, note_mutation
from localgrad.graph.record import here, state
from localgrad.kernels import reference as xp
from localgrad.ops.indexing import index_assign, raw_key
from localgrad.tensor import Tensor


def update(x: Tensor, symbol: str, operation: Any, other: Any) -> Tensor:
    """Carry out `x symbol other` in place; returns x, or a new tensor where x is a view."""
    tracked = state.enabled and (
        x.source is not None or (isinstance(other, Tensor) and other.source is not None)
    )
    if not tracked:
        value = other.value if isinstance(other, Tensor) else other
        result = operation.run(x.value, value)
        check_result(x, symbol, result)
        note_mutation((x.value,), f"{symbol}")
        x.value[...] = result
        return x
    if x.source is not None and x.is_leaf:
        raise errors.leaf_in_place(f"x {symbol} …", here())
    result = operation(x, other)
    check_result(x, symbol, result)
    if is_view(x.value):
        return result
    note_mutation((x.value,), f"{symbol}")
    x.value[...] = result.value
    x.source = result.source
    return x


def assign(x: Tensor, key: Any, value: Any) -> None:
    """Carry out `x[key] = value`."""
    raw = value.value if isinstance(value, Tensor) else value
    tracked = state.enabled and (
        x.source is not None or (isinstance(value, Tensor) and value.source is not None)
    )
    if tracked and x.source is not None and x.is_leaf:
        raise errors.leaf_in_place("x[…] = …", here())
    if not tracked:
        announce((x.value,))
        try:
            x.value[raw_key(key)] = raw
        except (ValueError, TypeError, IndexError) as cause:
            given = {"key": raw_key(key)}
            raise errors.operation_failed("x[…] = …", (x, raw), cause, here(), given) from None
        note_mutation((x.value,), "x[…] = …")
        return
    result = index_assign(x, value, key=raw_key(key))
    if is_view(x.value):
        x.value = result.value
    else:
        note_mutation((x.value,), "x[…] = …")
        x.value[...] = result.value
    x.source = result.source


def is_view(array: Any) -> bool:
    return hasattr(array.base, "dtype")


def check_result(x: Tensor, symbol: str, result: Any) -> None:
    """In-place results keep their place's shape, and its dtype's kind."""
    if result.shape != x.shape or not xp.can_cast(result.dtype, x.dtype, "same_kind"):
        raise errors.in_place_result(symbol, x, result, here())
