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
from localgrad.local.operation import SCALARS, Operation, Plan, ndarray, parameters_of
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

    def local(self, plan: Plan, values: Any, index: int) -> Any:
        """∂y/∂argument at the retained values; the declaration itself, nothing else."""
        return self.partials[index](*[values[p] for p in plan.calls[index]])  # type: ignore

    def pull(self, node: Node, upstream: Any, values: Any, needs: Any) -> Sequence[Any]:
        return [
            None if need is None else self.downstream(node, upstream, values, index)
            for index, need in enumerate(needs)
        ]

    def downstream(self, node: Node, upstream: Any, values: Any, index: int) -> Any:
        """upstream · local, fitted to the argument's shape."""
        constant = self.constants[index]
        if constant is None:
            partial: Any = self.partials[index]
            call: Any = node.plan.calls[index]
            if len(call) == 1:
                local = partial(values[call[0]])
            else:
                local = partial(*[values[p] for p in call])
            kind = local.__class__
            if kind is not float and (kind is not ndarray or local.dtype.kind == "c"):
                local = xp.conjugated(local)
            passed = upstream * local
        else:
            passed = upstream if constant == 1 else upstream * constant
        return passed if node.likes is None else fit(passed, *node.likes[index])

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


class Unary(Pointwise):
    """One argument and no options: `Operation.__call__` unrolled, for every small operation."""

    def __call__(self, x: Any, /, **options: Any) -> Any:
        try:
            value, source = x.value, x.source
            if source is None or options or not state.enabled:
                return super().__call__(x, **options)
            y = self.forward(value)
        except (AttributeError, ValueError, TypeError):
            return super().__call__(x, **options)  # no Tensor, or nothing that forward takes
        if y.__class__ is not ndarray:
            y = xp.asarray(y)
        plan = self.plans.get(1) or self.plan(1)
        node = Node(self, (source,), plan.keep((value, y)), plan, None, NO_OPTIONS)
        if state.observer is not None:
            state.observer.made(node, y, (value,))
        return Tensor(y, node)

    def pull(self, node: Node, upstream: Any, values: Any, needs: Any) -> Sequence[Any]:
        return (self.downstream(node, upstream, values, 0),)


class Binary(Pointwise):
    """Two arguments and no options, unrolled likewise."""

    def __call__(self, a: Any, b: Any, /, **options: Any) -> Any:
        try:
            left, from_left = (a, None) if a.__class__ in SCALARS else (a.value, a.source)
            right, from_right = (b, None) if b.__class__ in SCALARS else (b.value, b.source)
            mask = (from_left is not None) + 2 * (from_right is not None)
            if not mask or options or not state.enabled:
                return super().__call__(a, b, **options)
            y = self.forward(left, right)
        except (AttributeError, ValueError, TypeError):
            return super().__call__(a, b, **options)
        if y.__class__ is not ndarray:
            y = xp.asarray(y)
        sources = (from_left, from_right)
        if (from_left is not None and differs(left, y, right)) or (
            from_right is not None and differs(right, y, left)
        ):
            return self.record(y, (left, right), sources, mask, NO_OPTIONS)
        plan = self.plans.get(mask) or self.plan(mask)
        node = Node(self, sources, plan.keep((left, right, y)), plan, None, NO_OPTIONS)
        if state.observer is not None:
            state.observer.made(node, y, (left, right))
        return Tensor(y, node)

    def pull(self, node: Node, upstream: Any, values: Any, needs: Any) -> Sequence[Any]:
        left, right = needs
        return (
            None if left is None else self.downstream(node, upstream, values, 0),
            None if right is None else self.downstream(node, upstream, values, 1),
        )


NO_OPTIONS: dict[str, Any] = {}


def differs(argument: Any, y: Any, other: Any) -> bool:
    """Whether an argument's downstream must be fitted, its shape or dtype not being y's."""
    if argument.dtype is not y.dtype:
        return True
    return other.__class__ not in SCALARS and argument.shape != y.shape


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
    parameters = parameters_of(forward)
    if not set(parameters) <= set(partials):
        return Pointwise(name, forward, **partials)
    kind = {1: Unary, 2: Binary}.get(len(parameters), Pointwise)
    return kind(name, forward, **partials)
