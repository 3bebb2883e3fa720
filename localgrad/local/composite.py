"""Composite operations: a derivation in other operations, and a fused forward and backward.

The derivation is the reference, the explanation and the road for forward mode and second order;
the fused pair is what runs in a first-order sweep. A test asserts that the two agree.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from localgrad.graph.forward import push_tangents
from localgrad.graph.node import Node, make_node
from localgrad.graph.record import enable_grad, state
from localgrad.kernels import reference as xp
from localgrad.local.linear import Linear
from localgrad.local.operation import (
    LEAF_PLAN,
    REFUSALS,
    Operation,
    Plan,
    likes_of,
    ndarray,
    parameters_of,
)
from localgrad.local.parts import unpack
from localgrad.local.symbol import Formula
from localgrad.tensor import Tensor, gradients, made_by

ALIAS = Linear("alias", lambda x: x, lambda g: g)


def alias(value: Any, source: Node | None) -> Tensor:
    """A fresh variable with this value, whose gradient can be taken apart from `source`'s."""
    array = value if value.__class__ is ndarray else xp.asarray(value)
    return Tensor(array, make_node(ALIAS, (source,), (), LEAF_PLAN, likes_of((array,)), {}))


class Composite(Operation):
    """y = derivation(a, b, …, options), carried out at once by `forward` and `backward`.

    `forward(*arrays, **options)` returns (y, saved), y an array or a tuple of arrays;
    `backward(upstream, saved, needs, *arrays, **options)` returns one downstream per array. One
    that `adds` may also be given `arrived`, what others have sent to the first array so far; its
    first downstream is then the sum, in a new buffer.
    """

    kind = "composite"

    def __init__(
        self,
        name: str,
        derivation: Callable[..., Any],
        forward: Callable[..., Any],
        backward: Callable[..., Any],
        *,
        arguments: Sequence[str],
        rule: Formula | None = None,
        adds: bool = False,
        **words: Any,
    ) -> None:
        super().__init__(name, derivation, {}, arguments=arguments, **words)
        self.adds = adds
        self.rule = rule  # what each argument receives, for people
        self.derivation = derivation
        self.fused_forward = forward
        self.fused_backward = backward
        count = len(self.arguments)  # all of them are kept, whichever need gradients
        self.keeping = Plan((*self.arguments, "saved"), (*range(count + 1),), (None,) * count)

    def make_plan(self, mask: int) -> Plan:
        return self.keeping

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        now = state.__dict__
        inside = now["inside"]
        if inside and self.name in inside:  # a ledger is to show what is inside
            return self.derivation(*arguments, **options)
        # An argument that is absent (a bias of None) stays None on every road.
        values: list[Any] = []
        sources: list[Node | None] = []
        for argument in arguments:
            if isinstance(argument, Tensor):
                values.append(argument.value)
                sources.append(argument.source)
            else:
                values.append(None if argument is None else xp.asarray(argument))
                sources.append(None)
        if options:
            self.check_options(options)
        try:
            y, saved = self.fused_forward(*values, **options)
        except REFUSALS as cause:
            raise self.explained(cause, values, options) from cause.__cause__
        if not now["enabled"] or not any(sources):
            if isinstance(y, tuple):
                return tuple(self.constant(part, values, sources) for part in y)
            return self.constant(y, values, sources)
        kept = (*values, saved)
        node = make_node(self, tuple(sources), kept, self.keeping, None, options, now)
        if now["observer"] is not None:
            now["observer"].made(node, y, values)
        if isinstance(y, tuple):
            return unpack(node, y)
        return made_by(node, y if y.__class__ is ndarray else xp.asarray(y))

    def clamped(self, relu: Operation, *arguments: Any, **options: Any) -> Any:
        """relu(self(…)) in one pass, of an operation whose forward takes `clamp`.

        The graph is that of the two operations, each with its local gradients. Neither needs the
        value between them, so it is never written; where a ledger is open, which measures it, the
        two are to be called one after the other.
        """
        now = state.__dict__
        sources = tuple([a.source if isinstance(a, Tensor) else None for a in arguments])
        kept = tuple([
            a.value if isinstance(a, Tensor) else None if a is None else xp.asarray(a)
            for a in arguments
        ])
        try:
            y, saved = self.fused_forward(*kept, **options, clamp=True)
        except REFUSALS as cause:
            raise self.explained(cause, kept, options) from cause.__cause__
        if not now["enabled"] or not any(sources):
            return self.constant(y, kept, sources)
        node = make_node(self, sources, (*kept, saved), self.keeping, None, options, now)
        plan = relu.plan(1)
        kept = plan.keep((None, y))  # of itself and its argument, a relu keeps itself
        return made_by(make_node(relu, (node,), kept, plan, likes_of((y,)), {}, now), y)

    def run(self, *arguments: Any, **options: Any) -> Any:
        if any(isinstance(a, Tensor) for a in arguments):
            return self(*arguments, **options)
        return self.fused_forward(*arguments, **options)[0]

    def tensors_of(self, node: Node) -> tuple[Any, ...]:
        """The arguments as fresh variables joined to the graph; what was saved is not needed."""
        return tuple(
            None if v is None else alias(v, s) for v, s in zip(node.kept[:-1], node.inputs)
        )

    def pull(self, node: Node, upstream: Any, values: Any, needs: Any) -> Sequence[Any]:
        if len(values) == len(needs):  # Tensors: second order takes the derivation's road
            return self.pull_derived(node, upstream, values, needs)
        asked = tuple([need is not None for need in needs])
        return self.fused_backward(upstream, values[-1], asked, *values[:-1], **node.options)

    def pull_onto(
        self, arrived: Any, node: Node, upstream: Any, values: Any, needs: Any
    ) -> Sequence[Any]:
        asked = tuple([need is not None for need in needs])
        *arrays, saved = values
        return self.fused_backward(upstream, saved, asked, *arrays, arrived=arrived, **node.options)

    def pull_derived(self, node: Node, upstream: Any, values: Any, needs: Any) -> list[Any]:
        with enable_grad():
            y = self.derivation(*values, **node.options)
        wanted = [v for v, need in zip(values, needs) if need is not None]
        if isinstance(y, tuple):
            pairs = [(o, g) for o, g in zip(y, upstream) if g is not None]
            y, upstream = [o for o, _ in pairs], [g for _, g in pairs]
        found = iter(
            gradients(
                y, wanted, upstream, create_graph=state.enabled, allow_unused=True, fenced=True
            )
        )
        return [None if need is None else next(found) for need in needs]

    def push(self, node: Node, tangents: Sequence[Any], values: Any) -> Any:
        on_tensors = any(isinstance(t, Tensor) for t in tangents)
        variables = self.tensors_of(node)
        with enable_grad():
            y = self.derivation(*variables, **node.options)
        outputs = y if isinstance(y, tuple) else (y,)
        given = {v.source: t for v, t in zip(variables, tangents) if t is not None}
        roots = [o.source for o in outputs if o.source is not None]
        known = push_tangents(roots, given, on_tensors=on_tensors)
        found = tuple(
            known.get(o.source, xp.zeros(o.shape, o.dtype)) for o in outputs
        )
        return found if isinstance(y, tuple) else found[0]


def composite(
    name: str,
    derivation: Callable[..., Any],
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    arguments: Sequence[str] = (),
    **words: Any,
) -> Composite:
    """Declare a derivation in operations, and the fused pair that computes the same faster.

    `arguments` names the array arguments of the derivation, in order (default: all parameters
    without a default value); the others are options. `forward(*arrays, **options)` returns
    (y, saved); `backward(upstream, saved, needs, *arrays, **options)` one downstream per array.

    >>> import localgrad as lg
    >>> import numpy as np
    >>> softplus = lg.composite("softplus", lambda x: lg.log(1 + lg.exp(x)),
    ...                         forward=lambda x: (np.logaddexp(0, x), None),
    ...                         backward=lambda g, saved, needs, x: [g / (1 + np.exp(-x))])
    >>> x = lg.asarray(1000.0, requires_grad=True)
    >>> y = softplus(x); y.backward(); y.item(), x.grad.item()
    (1000.0, 1.0)
    """
    if not arguments:
        import inspect

        arguments = [
            p.name
            for p in inspect.signature(derivation).parameters.values()
            if p.default is p.empty
        ]
    assert set(arguments) <= set(parameters_of(derivation))
    return Composite(name, derivation, forward, backward, arguments=arguments, **words)
