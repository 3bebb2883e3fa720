"""Pointwise operations: every output element depends on the elements at its own place.

The local Jacobian is diagonal, so backward is `upstream · local` and forward `local · tangent`,
each fitted to its argument's shape, because broadcasting is undone by summing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from localgrad.graph.node import Node
from localgrad.graph.record import state
from localgrad.kernels import reference as xp
from localgrad.local.operation import SCALARS, Like, Operation, Plan, ndarray, parameters_of
from localgrad.tensor import Tensor

fit = xp.fit


class Pointwise(Operation):
    """y = forward(a, b, …); each partial is ∂y/∂argument, element by element."""

    kind = "pointwise"

    def __init__(self, name: str, forward: Callable[..., Any], **rest: Any) -> None:
        words = ("doc", "example", "kink")
        super().__init__(
            name,
            forward,
            {n: p for n, p in rest.items() if n not in words},
            **{n: v for n, v in rest.items() if n in words},
        )
        # A partial without parameters is a constant: ±1 needs no multiplication.
        self.constants = tuple(
            p() if p is not None and not parameters_of(p) else None for p in self.partials
        )
        self.is_plain = not self.options  # the road below for the commonest operations

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        if not self.is_plain or options:
            return super().__call__(*arguments, **options)
        # The same as Operation.__call__, unrolled for one and two arguments: this is the code
        # that every small operation pays for.
        try:
            if len(arguments) == 1:
                (x,) = arguments
                if x.source is None or not state.enabled:
                    return super().__call__(x)
                value = x.value
                y = self.forward(value)
                if y.__class__ is not ndarray:
                    y = xp.asarray(y)
                plan = self.plans.get(1) or self.plan(1)
                kept = tuple([y if p else value for p in plan.positions])
                node = Node(self, (x.source,), kept, plan, None, _NOTHING)
            elif len(arguments) == 2:
                a, b = arguments
                if a.__class__ in SCALARS:
                    left, from_left = a, None
                else:
                    left, from_left = a.value, a.source
                if b.__class__ in SCALARS:
                    right, from_right = b, None
                else:
                    right, from_right = b.value, b.source
                mask = (from_left is not None) + 2 * (from_right is not None)
                if not mask or not state.enabled:
                    return super().__call__(a, b)
                y = self.forward(left, right)
                if y.__class__ is not ndarray:
                    y = xp.asarray(y)
                if y.dtype.kind not in "fc":
                    return super().__call__(a, b)
                plan = self.plans.get(mask) or self.plan(mask)
                kept = tuple([(left, right, y)[p] for p in plan.positions])
                likes = None
                if (from_left is not None and differs(left, y)) or (
                    from_right is not None and differs(right, y)
                ):
                    likes = (like(left), like(right))
                node = Node(self, (from_left, from_right), kept, plan, likes, _NOTHING)
            else:
                return super().__call__(*arguments)
        except (AttributeError, ValueError, TypeError):
            return super().__call__(*arguments)  # not a Tensor, or shapes that do not fit
        if state.observer is not None:
            state.observer.made(node, y, arguments)
        return Tensor(y, node)

    def local(self, plan: Plan, values: Any, index: int) -> Any:
        """∂y/∂argument at the retained values; the declaration itself, nothing else."""
        return self.partials[index](*[values[p] for p in plan.calls[index]])  # type: ignore

    def pull(self, node: Node, upstream: Any, values: Any, needs: Any) -> Sequence[Any]:
        likes = node.likes
        plan = node.plan
        result = []
        for index, need in enumerate(needs):
            if need is None:
                result.append(None)
                continue
            constant = self.constants[index]
            if constant is None:
                local = self.partials[index](*[values[p] for p in plan.calls[index]])
                if local.__class__ is ndarray and local.dtype.kind == "c":
                    local = local.conj()
                downstream = upstream * local
            else:
                downstream = upstream if constant == 1 else upstream * constant
            if likes is not None:
                downstream = fit(downstream, *likes[index])
            result.append(downstream)
        return result

    def push(self, node: Node, tangents: Sequence[Any], values: Any) -> Any:
        total = None
        for index, tangent in enumerate(tangents):
            if tangent is None:
                continue
            constant = self.constants[index]
            if constant is None:
                part = self.local(node.plan, values, index) * tangent
            else:
                part = tangent if constant == 1 else tangent * constant
            total = part if total is None else total + part
        return spread(total, node)


_NOTHING: dict[str, Any] = {}


def differs(argument: Any, y: Any) -> bool:
    return argument.shape != y.shape or argument.dtype != y.dtype


def like(value: Any) -> Like | None:
    return Like(value.shape, value.dtype) if hasattr(value, "shape") else None


def spread(tangent: Any, node: Node) -> Any:
    """A tangent stretched over the axes that the other arguments brought by broadcasting."""
    if node.likes is None:
        return tangent
    shape = xp.broadcast_shapes(*[k.shape for k in node.likes if k is not None])
    return tangent if tangent.shape == shape else xp.broadcast_to(tangent, shape)


def pointwise(name: str, forward: Callable[..., Any], **partials: Any) -> Pointwise:
    """Declare y = forward(a, b, …), element by element, with one partial per argument.

    A partial is a function of the names it needs: arguments, options, or `y`, the output. What
    it does not name is not kept in memory. Write partials with operators and NumPy functions;
    they run on arrays, on Tensors (for second derivatives) and on symbols (for the formula).

    >>> import localgrad as lg
    >>> softsign = lg.pointwise("softsign", forward=lambda x: x / (1 + abs(x)),
    ...                         x=lambda x: 1 / (1 + abs(x)) ** 2)
    >>> x = lg.asarray([1.0, -3.0], requires_grad=True)
    >>> softsign(x).sum().backward()
    >>> x.grad
    Tensor([0.25  , 0.0625], dtype=float32)
    """
    return Pointwise(name, forward, **partials)
