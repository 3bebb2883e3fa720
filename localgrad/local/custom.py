"""A black box: a forward and its vector-Jacobian product, as somebody else wrote them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from localgrad.graph.node import Node
from localgrad.graph.record import enable_grad
from localgrad.kernels import reference as xp
from localgrad.local.operation import Operation, Plan, parameters_of
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

    def call(self, rule: Callable[..., Any], node: Node, values: Any, travelling: Any) -> Any:
        named = dict(zip(node.plan.names, values)) | {"g": travelling, "t": travelling}
        return rule(*[named[p] for p in parameters_of(rule)])

    def pull(self, node: Node, upstream: Any, values: Any, needs: Any) -> Sequence[Any]:
        parts = self.call(self.vjp, node, values, upstream)
        if not isinstance(parts, tuple | list):
            parts = (parts,)
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
        shape, dtype = self.output_like(node)
        probe = alias(xp.zeros(shape, dtype), None)
        with enable_grad():
            parts = self.call(self.vjp, node, self.tensors_of(node), probe)
            parts = parts if isinstance(parts, tuple | list) else (parts,)
            pairs = [
                (p, t if isinstance(t, Tensor) else Tensor(t))
                for p, t in zip(parts, tangents)
                if t is not None and isinstance(p, Tensor) and p.source is not None
            ]
            found = gradients(
                [p for p, _ in pairs],
                probe,
                [t for _, t in pairs],
                create_graph=on_tensors,
                fenced=True,
            )
        return found if on_tensors else found.value

    def output_like(self, node: Node) -> tuple[tuple[int, ...], Any]:
        named = dict(zip(node.plan.names, node.kept))
        if "y" in named:
            return named["y"].shape, named["y"].dtype
        arguments = [xp.zeros(k.shape, k.dtype) for k in node.likes]
        y = self.forward(*arguments, **node.options)
        return y.shape, y.dtype


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
