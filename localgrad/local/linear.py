"""Linear operations: the map and its adjoint, declared as a pair.

The Jacobian of a linear map is the map itself, so forward mode applies the map to the tangent,
backward applies the adjoint, and every higher order follows from the same two functions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from localgrad.graph.node import Node
from localgrad.kernels import reference as xp
from localgrad.local.operation import Operation, parameters_of


class Linear(Operation):
    """y = A(x, options). `adjoint(g, …)` may name `like` (x's shape and dtype) and options.

    `into(buffer, g, …)`, where there is one, adds what the adjoint gives to a sum in place.
    """

    kind = "linear"

    def __init__(
        self,
        name: str,
        forward: Callable[..., Any],
        adjoint: Callable[..., Any],
        into: Callable[..., None] | None = None,
        **words: Any,
    ) -> None:
        super().__init__(name, forward, {}, arguments=parameters_of(forward)[:1], **words)
        self.adjoint = adjoint
        self.into = into
        self.wanted = parameters_of(adjoint)[1:]

    def pull(self, node: Node, upstream: Any, values: Any, needs: Any) -> Sequence[Any]:
        like = node.likes[0]
        chosen = {**self.defaults, **node.options}
        named = [like if n == "like" else chosen[n] for n in self.wanted]
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

    def make_plan(self, mask: int) -> Any:
        from localgrad.local.operation import LEAF_PLAN

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
