"""Pointwise operations: every output element depends on the elements at its own place.

The local Jacobian is diagonal, so backward is `upstream · local` and forward `local · tangent`,
each fitted to its argument's shape, because broadcasting is undone by summing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from localgrad import errors
from localgrad.graph.node import Node, make_node
from localgrad.graph.record import here, state
from localgrad.kernels import reference as xp
from localgrad.local.operation import SCALARS, Operation, Plan, ndarray, parameters_of
from localgrad.local.unary import FLOAT32, FLOAT64, NO_OPTIONS, Unary
from localgrad.tensor import made_by

fit, beside = xp.fit, xp.beside


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
        call = plan.calls[index]
        if call is None:
            raise errors.no_derivative(self.name, self.arguments[index], here())
        return self.partials[index](*[values[p] for p in call])  # type: ignore[misc]

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
            if call is None:
                raise errors.no_derivative(self.name, self.arguments[index], node.where)
            if len(call) == 1:
                local = partial(values[call[0]])
            else:
                local = partial(*[values[p] for p in call])
            if node.likes is None:
                return upstream * local
            passed = upstream * xp.conjugated(local)
        elif constant == 1:
            passed = upstream
        else:
            passed = -upstream if constant == -1 else upstream * constant
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


class UnaryPointwise(Unary, Pointwise):
    """Of one argument and no options, as most are."""

    def pull(self, node: Node, upstream: Any, values: Any, needs: Any) -> Sequence[Any]:
        if node.likes is None and self.constants[0] is None:
            return (upstream * self.partials[0](*values),)  # type: ignore[misc]
        return (self.downstream(node, upstream, values, 0),)


class Binary(Pointwise):
    """Two arguments and no options: `Operation.__call__` unrolled, as for one."""

    def __init__(self, name: str, forward: Callable[..., Any], **rest: Any) -> None:
        super().__init__(name, forward, **rest)
        self.is_ufunc = isinstance(forward, xp.ufunc)

    def __call__(self, a: Any, b: Any, /, **options: Any) -> Any:
        now = state.__dict__
        try:
            if b.__class__ in SCALARS:
                left, right, inputs = a.value, b, (a.source, None)
                array = left
                if self.is_ufunc and b:
                    right = beside(b, array.dtype)
            elif a.__class__ in SCALARS:
                left, right, inputs = a, b.value, (None, b.source)
                array = right
                if self.is_ufunc and a:
                    left = beside(a, array.dtype)
            else:
                left, right, inputs = a.value, b.value, (a.source, b.source)
                array = left if left.dtype is right.dtype and left.shape == right.shape else None
            mask = (inputs[0] is not None) + 2 * (inputs[1] is not None)
            if not mask or options or not now["enabled"]:
                return super().__call__(a, b, **options)
            y = self.forward(left, right)
        except (AttributeError, ValueError, TypeError):
            return super().__call__(a, b, **options)  # no Tensors, or nothing that forward takes
        if y.__class__ is not ndarray:
            y = xp.asarray(y)
        dtype = y.dtype
        if array is None or dtype is not array.dtype or not (dtype is FLOAT32 or dtype is FLOAT64):
            return self.record(y, (left, right), inputs, mask, NO_OPTIONS)
        plan = self.plans.get(mask) or self.plan(mask)
        kept: tuple[Any, ...] = (left, right, y)
        kept = plan.keep(kept) if plan.only is None else (kept[plan.only],)
        node = make_node(self, inputs, kept, plan, None, NO_OPTIONS, now)
        if now["observer"] is not None:
            now["observer"].made(node, y, (left, right))
        return made_by(node, y)

    def pull(self, node: Node, upstream: Any, values: Any, needs: Any) -> Sequence[Any]:
        left, right = needs
        return (
            None if left is None else self.downstream(node, upstream, values, 0),
            None if right is None else self.downstream(node, upstream, values, 1),
        )


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
    kind = {1: UnaryPointwise, 2: Binary}.get(len(parameters), Pointwise)
    return kind(name, forward, **partials)
