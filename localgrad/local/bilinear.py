"""Bilinear operations: linear in each of two arguments, so that closed families differentiate.

The derivative of a·b with respect to a is another product, of upstream and b. A matrix product's
derivatives are matrix products, and of the three convolutions (forward, adjoint to the input,
adjoint to the weight) each has the two others as its derivatives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from localgrad.graph.node import Node
from localgrad.kernels import reference as xp
from localgrad.local.operation import Operation, parameters_of


class Bilinear(Operation):
    """y = forward(a, b, options), and per argument an adjoint `(g, names…)` made of operations.

    An adjoint may name the other argument (retained), options, and `like`, the shape and dtype of
    its own argument.
    """

    kind = "bilinear"

    def given_names(self) -> tuple[str, ...]:
        return ("g", "like")

    def pull(self, node: Node, upstream: Any, values: Any, needs: Any) -> Sequence[Any]:
        named = dict(zip(node.plan.names, values))
        result: list[Any] = []
        for index, need in enumerate(needs):
            if need is None:
                result.append(None)
                continue
            adjoint: Any = self.partials[index]
            given = {"g": upstream, "like": node.likes[index]}
            downstream = adjoint(
                *[
                    given[p] if p in given else xp.conjugated(named[p])
                    for p in parameters_of(adjoint)
                ]
            )
            result.append(xp.fit(downstream, *node.likes[index]))
        return result

    def push(self, node: Node, tangents: Sequence[Any], values: Any) -> Any:
        named = dict(zip(node.plan.names, values))
        total = None
        for index, tangent in enumerate(tangents):
            if tangent is None:
                continue
            arguments = [named.get(n) for n in self.arguments]
            arguments[index] = tangent
            part = self.run(*arguments, **node.options)
            total = part if total is None else total + part
        return total


def bilinear(name: str, forward: Callable[..., Any], **adjoints: Any) -> Bilinear:
    """Declare y = forward(a, b), linear in a and in b, by its adjoints `a=lambda g, b: …`.

    >>> import localgrad as lg
    >>> quarter = lg.bilinear("quarter turn", forward=lambda a, b: a[1] * b[0] - a[0] * b[1],
    ...                       a=lambda g, b: lg.stack([-g * b[1], g * b[0]]),
    ...                       b=lambda g, a: lg.stack([g * a[1], -g * a[0]]))
    >>> a = lg.asarray([1.0, 2.0], requires_grad=True)
    >>> quarter(a, lg.asarray([3.0, 4.0])).backward(); a.grad
    Tensor([-4.,  3.], dtype=float32)
    """
    words = ("doc", "example", "kink")
    return Bilinear(
        name,
        forward,
        {n: r for n, r in adjoints.items() if n not in words},
        **{n: v for n, v in adjoints.items() if n in words},
    )
