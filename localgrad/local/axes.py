"""Axes as people name them, from the front or from the back, made non-negative once."""

from __future__ import annotations

from typing import Any

from localgrad import errors
from localgrad.graph.record import here


def axis_of(operation: str, x: Any, axis: Any) -> int:
    """The place of one axis of x, 0 or more; an axis that x has not is refused by name."""
    ndim = x.ndim
    if not hasattr(axis, "__index__") or not -ndim <= axis < ndim:
        cause = IndexError(f"axis {axis} of {ndim}")
        raise errors.operation_failed(operation, (x,), cause, here(), {"axis": axis})
    return int(axis) % ndim


def axes_of(operation: str, x: Any, axes: Any) -> tuple[int, ...]:
    """The same of one axis or a sequence of them, in their order."""
    several = axes if isinstance(axes, tuple | list) else (axes,)
    return tuple([axis_of(operation, x, axis) for axis in several])
