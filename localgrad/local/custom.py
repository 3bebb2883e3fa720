"""A black box: a forward and its vector-Jacobian product, as somebody else wrote them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from localgrad import errors
from localgrad.graph.node import Node, make_node
from localgrad.graph.record import enable_grad, state
from localgrad.kernels import reference as xp
from localgrad.local.operation import Like, Operation, Plan, likes_of, parameters_of
from localgrad.local.parts import unpack
from localgrad.tensor import Tensor, gradients


class Custom(Operation):
    """y = forward(a, b, …); `vjp(g, names…)` returns one downstream per argument."""

    kind = "custom"
    makes_buffers = False  # it may return what it retained: nothing of its is added into in place

    def __init__(
        self,
        name: str,
        forward: Callable[..., Any],
        vjp: Callable[..., Any],
        jvp: Callable[..., Any] | None = None,
        **words: Any,
    ) -> None:
        import inspect

        positional = [
            p.name for p in inspect.signature(forward).parameters.values() if p.default is p.empty
        ]
        super().__init__(name, forward, {}, arguments=positional, **words)
        self.vjp = vjp
        self.jvp = jvp
        self.check_names({"vjp": vjp} if jvp is None else {"vjp": vjp, "jvp": jvp})

    def given_names(self) -> tuple[str, ...]:
        return ("g", "t")

    def make_plan(self, mask: int) -> Plan:
        wanted = (*parameters_of(self.vjp), *(parameters_of(self.jvp) if self.jvp else ()))
        names = tuple(dict.fromkeys(p for p in wanted if p not in ("g", "t")))
        everything = (*self.arguments, *self.options, "y")
        return Plan(names, tuple(everything.index(n) for n in names), (None,) * len(self.arguments))

    def record(
        self, y: Any, values: Sequence[Any], sources: Any, mask: int, options: dict[str, Any]
    ) -> Any:
        if not isinstance(y, tuple):
            return super().record(y, values, sources, mask, options)
        plan = self.plan(mask)
        chosen = {**self.defaults, **options}
        everything = [*values, *(chosen.get(n) for n in self.options), y]
        kept = tuple(everything[p] for p in plan.positions)
        node = make_node(self, tuple(sources), kept, plan, likes_of(values), options)
        if state.observer is not None:
            state.observer.made(node, y, values)
        return unpack(node, y)

    def constant(self, y: Any, values: Sequence[Any], sources: Any) -> Any:
        if isinstance(y, tuple):
            return tuple(super(Custom, self).constant(p, values, sources) for p in y)
        return super().constant(y, values, sources)

    def tensors_of(self, node: Node) -> tuple[Any, ...]:
        outputs = dict(zip(node.plan.names, node.kept)).get("y")
        if not isinstance(outputs, tuple):
            return super().tensors_of(node)
        return tuple(
            unpack(node, value)
            if name == "y"
            else Tensor(value, node.inputs[self.arguments.index(name)])
            for name, value in zip(node.plan.names, node.kept)
        )

    def call(self, rule: Callable[..., Any], node: Node, values: Any, travelling: Any) -> Any:
        named = dict(zip(node.plan.names, values)) | {"g": travelling, "t": travelling}
        return rule(*[named[p] for p in parameters_of(rule)])

    def pull(self, node: Node, upstream: Any, values: Any, needs: Any) -> Sequence[Any]:
        if isinstance(upstream, tuple):  # parts that nobody consumed count as zero
            likes = self.output_likes(node)
            upstream = tuple(
                xp.zeros(like.shape, like.dtype) if g is None else g
                for g, like in zip(upstream, likes)
            )
        parts = self.call(self.vjp, node, values, upstream)
        if not isinstance(parts, tuple | list):
            parts = (parts,)
        if len(parts) != len(needs):
            raise errors.wrong_count(self.name, len(parts), self.arguments)
        return [
            None if need is None or part is None else part for need, part in zip(needs, parts)
        ]

    def push(self, node: Node, tangents: Sequence[Any], values: Any) -> Any:
        if self.jvp is not None:
            single = len(tangents) == 1
            return self.call(self.jvp, node, values, tangents[0] if single else tuple(tangents))
        # g ↦ vjp(g) is linear, so its own adjoint, applied to the tangents, is J·t.
        from localgrad.local.composite import alias

        on_tensors = any(isinstance(t, Tensor) for t in tangents)
        likes = self.output_likes(node)
        probes = tuple(alias(xp.zeros(like.shape, like.dtype), None) for like in likes)
        with enable_grad():
            several = self.has_parts(node)
            parts = self.call(
                self.vjp, node, self.tensors_of(node), probes if several else probes[0]
            )
            parts = parts if isinstance(parts, tuple | list) else (parts,)
            pairs = [
                (p, t if isinstance(t, Tensor) else Tensor(t))
                for p, t in zip(parts, tangents)
                if t is not None and isinstance(p, Tensor) and p.source is not None
            ]
            found = gradients(
                [p for p, _ in pairs],
                probes,
                [t for _, t in pairs],
                create_graph=on_tensors,
                allow_unused=True,
                fenced=True,
            )
        moved = tuple(
            xp.zeros(like.shape, like.dtype) if f is None else f if on_tensors else f.value
            for f, like in zip(found, likes)
        )
        return moved if several else moved[0]

    def outputs(self, node: Node) -> Any:
        named = dict(zip(node.plan.names, node.kept))
        if "y" in named:
            return named["y"]
        arguments = [xp.ones(k.shape, k.dtype) for k in node.likes]
        return self.forward(*arguments, **node.options)

    def has_parts(self, node: Node) -> bool:
        return isinstance(self.outputs(node), tuple)

    def output_likes(self, node: Node) -> list[Like]:
        y = self.outputs(node)
        return [Like(p.shape, p.dtype) for p in (y if isinstance(y, tuple) else (y,))]


def custom(
    name: str, forward: Callable[..., Any], vjp: Callable[..., Any], jvp: Any = None, **words: Any
) -> Custom:
    """Declare a black box by `vjp(g, names…)`, and `jvp(t, names…)` where one is at hand.

    `g` is the upstream; the other parameters name what is retained: arguments, options, `y`.
    Without a `jvp`, forward mode transposes the `vjp`, which must then be written with operators
    and NumPy functions.

    >>> import localgrad as lg
    >>> cube = lg.custom("cube", forward=lambda x: x**3, vjp=lambda g, x: g * 3 * x**2)
    >>> x = lg.asarray(2.0, requires_grad=True)
    >>> cube(x).backward(); x.grad
    Tensor(12., dtype=float32)
    """
    return Custom(name, forward, vjp, jvp, **words)
