"""Flat operations: piecewise constant, so their local gradient is zero, for a stated reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from localgrad.graph.node import Node
from localgrad.graph.record import state
from localgrad.kernels import reference as xp
from localgrad.local.operation import Operation, parameters_of


class Flat(Operation):
    """y = forward(x, …) with ∂y/∂x = 0. `reason` says why, to whoever asks where a gradient went.

    A float result stays in the graph and sends exact zeros back, as in PyTorch; an integer or a
    truth value leaves the graph.
    """

    kind = "flat"

    def __init__(self, name: str, forward: Callable[..., Any], reason: str, **words: Any) -> None:
        arguments = words.pop("arguments", parameters_of(forward)[:1])
        super().__init__(name, forward, {}, arguments=arguments, **words)
        self.reason = reason

    def record(
        self, y: Any, values: Sequence[Any], sources: Any, mask: int, options: dict[str, Any]
    ) -> Any:
        if state.observer is not None and y.dtype.kind in "fc":
            for source in sources:
                if source is not None:
                    state.observer.cut(source, y, "flat", self.name)
        return super().record(y, values, sources, mask, options)

    def pull(self, node: Node, upstream: Any, values: Any, needs: Any) -> Sequence[Any]:
        return [
            None if need is None else xp.zeros(like.shape, like.dtype)
            for need, like in zip(needs, node.likes)
        ]

    def push(self, node: Node, tangents: Sequence[Any], values: Any) -> Any:
        # The output's shape, whatever broadcasting or indexing made it: run it on the tangent.
        tangent = next(t for t in tangents if t is not None)
        shapes = [like.shape for like in node.likes if like is not None]
        return xp.zeros(xp.broadcast_shapes(*shapes), tangent.dtype)


def flat(name: str, forward: Callable[..., Any], reason: str, **words: Any) -> Flat:
    """Declare an operation whose local gradient is zero wherever it exists, and say why.

    >>> import localgrad as lg
    >>> lg.floor(lg.asarray([1.5])).tolist()
    [1.0]
    """
    return Flat(name, forward, reason, **words)
