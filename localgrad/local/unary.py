"""Operations of one argument and no options: `Operation.__call__` unrolled.

Most of a small operation's time is the call itself, and most operations are of this form.
"""

from __future__ import annotations

from typing import Any

from localgrad.graph.node import make_node
from localgrad.graph.record import state
from localgrad.kernels import reference as xp
from localgrad.local.operation import Operation, ndarray
from localgrad.tensor import made_by

FLOAT32, FLOAT64 = xp.FLOAT32, xp.FLOAT64
NO_OPTIONS: dict[str, Any] = {}


class Unary(Operation):
    """What a kind of operation inherits first, where there is one argument and no options."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        now = state.__dict__
        try:
            (x,) = arguments
            value, source = x.value, x.source
            if source is None or options or not now["enabled"]:
                return super().__call__(x, **options)
            y = self.forward(value)
        except (AttributeError, ValueError, TypeError):  # no Tensor, or nothing that forward takes
            return super().__call__(*arguments, **options)
        if y.__class__ is not ndarray:
            y = xp.asarray(y)
        dtype = y.dtype
        if dtype is not value.dtype or not (dtype is FLOAT32 or dtype is FLOAT64):
            return self.record(y, (value,), (source,), 1, NO_OPTIONS)
        plan = self.plans.get(1) or self.plan(1)
        only = plan.only
        kept = plan.keep((value, y)) if only is None else (y,) if only else (value,)
        node = make_node(self, (source,), kept, plan, None, NO_OPTIONS, now)
        if now["observer"] is not None:
            now["observer"].made(node, y, (value,))
        return made_by(node, y)
