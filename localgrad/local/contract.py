"""Contractions: products summed over shared indices, declared by an index specification.

Each operand's adjoint is the same contraction with the output's indices in its place, so the
derivatives of every einsum follow by permuting letters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from localgrad.graph.node import Node, make_node
from localgrad.kernels import reference as xp
from localgrad.kernels.contraction import contract_arrays
from localgrad.local.operation import Operation, Plan


class Contract(Operation):
    """y = Σ over the indices that `inputs` share and `output` does not name.

    `specification` is "ij,jk->ik": no letter twice in an operand, and every letter of an operand
    also in another operand or in the output. `ops.linalg.einsum` brings any form into this one.
    """

    kind = "contraction"

    def make_plan(self, mask: int) -> Plan:
        raise AssertionError("a contraction plans by its number of operands")

    def record(
        self, y: Any, values: Sequence[Any], sources: Any, mask: int, options: dict[str, Any]
    ) -> Any:
        key = (mask << 8) | len(values)
        if key not in self.plans:
            # An operand is kept where another one, which its gradient multiplies, needs gradients.
            positions = tuple(i for i in range(len(values)) if mask & ~(1 << i))
            names = tuple(f"x{i}" for i in positions)
            self.plans[key] = Plan(names, positions, (None,) * len(values))
        from localgrad.graph.record import state
        from localgrad.local.operation import likes_of
        from localgrad.tensor import Tensor

        plan = self.plans[key]
        kept = plan.keep(tuple(values))
        node = make_node(self, tuple(sources), kept, plan, likes_of(values), options)
        if state.observer is not None:
            state.observer.made(node, y, values)
        return Tensor(y, node)

    def tensors_of(self, node: Node) -> tuple[Any, ...]:
        from localgrad.tensor import Tensor

        return tuple(
            Tensor(v, node.inputs[p]) for p, v in zip(node.plan.positions, node.kept)
        )

    def pull(self, node: Node, upstream: Any, values: Any, needs: Any) -> Sequence[Any]:
        operands = dict(zip(node.plan.positions, values))
        letters, output = split(node.options["specification"])
        result: list[Any] = []
        for index, need in enumerate(needs):
            if need is None:
                result.append(None)
                continue
            others = [i for i in range(len(letters)) if i != index]
            adjoint = ",".join([output, *(letters[i] for i in others)]) + "->" + letters[index]
            downstream = self.run(
                upstream, *[xp.conjugated(operands[i]) for i in others], specification=adjoint
            )
            result.append(xp.fit(downstream, *node.likes[index]))
        return result

    def push(self, node: Node, tangents: Sequence[Any], values: Any) -> Any:
        operands = dict(zip(node.plan.positions, values))
        total = None
        for index, tangent in enumerate(tangents):
            if tangent is None:
                continue
            factors = [tangent if i == index else operands[i] for i in range(len(tangents))]
            part = self.run(*factors, specification=node.options["specification"])
            total = part if total is None else total + part
        return total


def split(specification: str) -> tuple[list[str], str]:
    """ "ij,jk->ik" as (["ij", "jk"], "ik")."""
    left, output = specification.split("->")
    return left.split(","), output


def contract(name: str, **words: Any) -> Contract:
    """Declare the contraction operation; the specification comes with each call."""
    return Contract(name, contract_arrays, {}, variadic=True, **words)
