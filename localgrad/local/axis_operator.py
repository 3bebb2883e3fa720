"""Operators along an axis whose Jacobian is a diagonal plus a few outer products.

J = diag(d) + Σ u vᵀ along the axis: softmax, log_softmax, the core of every normalisation. From
the same d, u and v come J·t, Jᵀ·g and the dense matrix.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from localgrad import kernels
from localgrad.graph.node import Node
from localgrad.kernels import reference as xp
from localgrad.local.operation import Operation, Plan, parameters_of


class AxisOperator(Operation):
    """y = forward(x, axis, …) with `diagonal` d and `terms` (u, v), functions of retained names.

    `rows`, if given, is Jᵀ·g of the upstream and y in one pass, for what the kernels for rows take.
    """

    kind = "axis operator"

    def __init__(
        self,
        name: str,
        forward: Callable[..., Any],
        diagonal: Callable[..., Any],
        terms: Sequence[tuple[Callable[..., Any], Callable[..., Any]]],
        rows: Callable[[Any, Any], Any] | None = None,
        **words: Any,
    ) -> None:
        super().__init__(name, forward, {"x": diagonal}, **words)
        self.rows = rows
        self.diagonal = diagonal
        self.terms = tuple(terms)

    def given_names(self) -> tuple[str, ...]:
        """`n` is how many elements lie along the axis."""
        return ("n",)

    def make_plan(self, mask: int) -> Plan:
        functions = [self.diagonal, *(f for term in self.terms for f in term)]
        wanted = dict.fromkeys(p for f in functions for p in parameters_of(f))
        names = [name for name in wanted if name not in self.given_names()]
        everything = (*self.arguments, *self.options, "y")
        return Plan(tuple(names), tuple(everything.index(n) for n in names), (None,))

    def apply(self, node: Node, values: Any, travelling: Any, transposed: bool) -> Any:
        """J·t, or with `transposed` Jᵀ·g."""
        named = dict(zip(node.plan.names, values))
        axis = {**self.defaults, **node.options}["axis"]
        named["n"] = count(node.likes[0].shape, axis)

        def part(function: Callable[..., Any]) -> Any:
            return function(*[named[p] for p in parameters_of(function)])

        total = part(self.diagonal) * travelling
        for term in self.terms:
            u, v = (part(f) for f in (reversed(term) if transposed else term))
            total = total + u * xp.sum(v * travelling, axis=axis, keepdims=True)
        return total

    def pull(self, node: Node, upstream: Any, values: Any, needs: Any) -> Sequence[Any]:
        if self.rows is not None:
            axis = {**self.defaults, **node.options}["axis"]
            y = dict(zip(node.plan.names, values))["y"]
            if kernels.as_rows(upstream, axis) and kernels.as_rows(y, axis):
                return [self.rows(upstream, y)]
        return [self.apply(node, values, upstream, transposed=True)]

    def push(self, node: Node, tangents: Sequence[Any], values: Any) -> Any:
        return self.apply(node, values, tangents[0], transposed=False)


def count(shape: tuple[int, ...], axis: Any) -> int:
    """How many elements of `shape` lie along the axis or axes."""
    n = 1
    for a in axis if isinstance(axis, tuple) else (axis,):
        n *= shape[a]
    return n


def axis_operator(
    name: str,
    forward: Callable[..., Any],
    diagonal: Callable[..., Any],
    terms: Sequence[tuple[Callable[..., Any], Callable[..., Any]]],
    **words: Any,
) -> AxisOperator:
    """Declare y = forward(x, axis) whose Jacobian along the axis is diag(d) + Σ u vᵀ.

    `diagonal` and the two members of each of `terms` name what they need: x, y, options, or `n`,
    how many elements lie along the axis.

    >>> import localgrad as lg
    >>> import numpy as np
    >>> def share(x, axis=-1):
    ...     return x / np.sum(x, axis=axis, keepdims=True)
    >>> part = lg.axis_operator("part", share, diagonal=lambda x, y: y / x,
    ...                         terms=[(lambda y: -y, lambda x, y: y / x)])
    >>> x = lg.asarray([1.0, 3.0], requires_grad=True)
    >>> part(x)[0].backward(); x.grad
    Tensor([ 0.1875, -0.0625], dtype=float32)
    """
    return AxisOperator(name, forward, diagonal, terms, **words)
