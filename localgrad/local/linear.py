"""Linear operations: the map and its adjoint, declared as a pair.

The Jacobian of a linear map is the map itself, so forward mode applies the map to the tangent,
backward applies the adjoint, and every higher order follows from the same two functions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from localgrad.graph.node import Node, make_node
from localgrad.graph.record import state
from localgrad.kernels import reference as xp
from localgrad.local.operation import (
    LEAF_PLAN,
    REFUSALS,
    Like,
    Operation,
    Plan,
    ndarray,
    parameters_of,
)
from localgrad.local.unary import FLOAT32, FLOAT64
from localgrad.tensor import made_by


class Linear(Operation):
    """y = A(x, options). `adjoint(g, …)` may name `like` (x's shape and dtype) and options.

    `into(buffer, g, …)`, where there is one, adds what the adjoint gives to a sum in place;
    `side_by_side(received, like)` is the sum of many, given as (node, g), if they are it as they
    lie in memory, else None.
    """

    kind = "linear"

    def __init__(
        self,
        name: str,
        forward: Callable[..., Any],
        adjoint: Callable[..., Any],
        into: Callable[..., None] | None = None,
        side_by_side: Callable[..., Any] | None = None,
        **words: Any,
    ) -> None:
        super().__init__(name, forward, {}, arguments=parameters_of(forward)[:1], **words)
        self.adjoint = adjoint
        self.into = into
        self.side_by_side = side_by_side
        self.wanted = parameters_of(adjoint)[1:]

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """`Operation.__call__` unrolled for a Tensor: a view costs nothing but its call."""
        now = state.__dict__
        try:
            (x,) = arguments
            value, source = x.value, x.source
        except (AttributeError, ValueError):
            return super().__call__(*arguments, **options)  # no Tensor, or options by position
        if source is None or not now["enabled"]:
            return super().__call__(x, **options)
        self.check_options(options)
        try:
            y = self.forward(value, **options)
        except REFUSALS as cause:
            raise self.explained(cause, (value,), options) from cause.__cause__
        dtype = value.dtype
        if y.__class__ is not ndarray or y.dtype is not dtype or dtype not in (FLOAT32, FLOAT64):
            return self.record(y, (value,), (source,), 1, options)
        likes = (tuple.__new__(Like, (value.shape, dtype)),)  # without the detour of its own
        node = make_node(self, (source,), (), LEAF_PLAN, likes, options, now)
        if now["observer"] is not None:
            now["observer"].made(node, y, (value,))
        return made_by(node, y)

    def make_plan(self, mask: int) -> Plan:
        return LEAF_PLAN

    def pull(self, node: Node, upstream: Any, values: Any, needs: Any) -> Sequence[Any]:
        like, options = node.likes[0], node.options
        named = [
            like if n == "like" else options[n] if n in options else self.defaults[n]
            for n in self.wanted
        ]
        downstream = self.adjoint(upstream, *named)
        if downstream.dtype != like.dtype:
            downstream = downstream.astype(like.dtype)
        return [downstream]

    def pull_into(self, buffer: Any, node: Node, upstream: Any) -> None:
        self.into(buffer, upstream, **node.options)  # type: ignore[misc]

    def push(self, node: Node, tangents: Sequence[Any], values: Any) -> Any:
        return self.run(tangents[0], **node.options)


class LinearMany(Operation):
    """y = A(x₁, x₂, …, options): linear in a list of arrays, such as concatenation."""

    kind = "linear"

    def __init__(
        self, name: str, forward: Callable[..., Any], adjoint: Callable[..., Any], **words: Any
    ) -> None:
        super().__init__(name, forward, {}, variadic=True, **words)
        self.adjoint = adjoint
        self.wanted = parameters_of(adjoint)[1:]

    def make_plan(self, mask: int) -> Plan:
        return LEAF_PLAN

    def pull(self, node: Node, upstream: Any, values: Any, needs: Any) -> Sequence[Any]:
        named = [node.likes if n == "likes" else node.options[n] for n in self.wanted]
        parts = self.adjoint(upstream, *named)
        return [
            None if need is None else xp.fit(part, *like)
            for need, part, like in zip(needs, parts, node.likes)
        ]

    def push(self, node: Node, tangents: Sequence[Any], values: Any) -> Any:
        filled = [
            xp.zeros(like.shape, like.dtype) if t is None else t
            for t, like in zip(tangents, node.likes)
        ]
        return self.run(*filled, **node.options)


def linear(
    name: str, forward: Callable[..., Any], adjoint: Callable[..., Any], **words: Any
) -> Linear:
    """Declare a linear map of its first argument, and its adjoint.

    ⟨g, forward(x)⟩ = ⟨adjoint(g), x⟩ for all g and x. `adjoint(g, …)` takes what travels back and,
    by name, `like` (with `.shape` and `.dtype` of x) and any option of `forward`.

    >>> import localgrad as lg
    >>> every_second = lg.linear("every_second", forward=lambda x: x[::2],
    ...     adjoint=lambda g, like: lg.repeat(g, 2)[: like.shape[0]] * [1, 0, 1])
    >>> x = lg.asarray([1.0, 2.0, 3.0], requires_grad=True)
    >>> every_second(x)
    Tensor([1., 3.], dtype=float32, made by <Node every_second at ...>)
    """
    return Linear(name, forward, adjoint, **words)
