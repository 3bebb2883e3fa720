"""Select operations: every output element is one of the inputs' elements, or a constant.

The gradient is routed, never multiplied by a mask: an element that was not chosen receives an
exact zero even where its neighbour's gradient is infinite. The routing rule is written once, as
a function of what travels (`g`): upstream on the way back, tangent on the way forward.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from localgrad.graph.node import Node
from localgrad.kernels import reference as xp
from localgrad.local.operation import Operation, parameters_of
from localgrad.local.pointwise import spread
from localgrad.local.unary import Unary


class Select(Operation):
    """y picks elements; each routing rule sends `g` to its argument, or zero."""

    kind = "select"

    def given_names(self) -> tuple[str, ...]:
        return ("g",)

    def route(self, node: Node, values: Any, index: int, travelling: Any) -> Any:
        rule = self.partials[index]
        return rule(travelling, *[values[p] for p in node.plan.calls[index]])  # type: ignore

    def pull(self, node: Node, upstream: Any, values: Any, needs: Any) -> Sequence[Any]:
        return [
            None
            if need is None
            else xp.fit(self.route(node, values, index, upstream), *node.likes[index])
            for index, need in enumerate(needs)
        ]

    def push(self, node: Node, tangents: Sequence[Any], values: Any) -> Any:
        total = None
        for index, tangent in enumerate(tangents):
            if tangent is not None:
                part = self.route(node, values, index, tangent)
                total = part if total is None else total + part
        return spread(total, node)


class UnarySelect(Unary, Select):
    """Of one argument and no options."""

    def pull(self, node: Node, upstream: Any, values: Any, needs: Any) -> Sequence[Any]:
        if node.likes is None:
            return (self.partials[0](upstream, *values),)  # type: ignore[misc]
        return super().pull(node, upstream, values, needs)


def select(name: str, forward: Callable[..., Any], **rules: Any) -> Select:
    """Declare an operation that chooses: one routing rule `(g, names…)` per argument.

    The first parameter is what travels; the others are retained as in `pointwise`. A rule of
    None marks an argument that never has a gradient, such as a condition.

    >>> import localgrad as lg
    >>> import numpy as np
    >>> gate = lg.select("gate", forward=lambda x: np.where(x > 1, x, 0),
    ...                  x=lambda g, x: np.where(x > 1, g, 0))
    >>> x = lg.asarray([0.5, 2.0], requires_grad=True)
    >>> gate(x).sum().backward()
    >>> x.grad
    Tensor([0., 1.], dtype=float32)
    """
    words = ("doc", "example", "kink")
    kind = UnarySelect if len(parameters_of(forward)) == 1 else Select
    return kind(
        name,
        forward,
        {n: r for n, r in rules.items() if n not in words},
        **{n: v for n, v in rules.items() if n in words},
    )
