"""Operations with several outputs.

Every node has one output. An operation that returns a tuple makes one node for the tuple, and a
node `part` for each member; the upstream of the tuple is a tuple, None where a part was unused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from localgrad.graph.node import Node, make_node
from localgrad.local.operation import Like, Operation
from localgrad.tensor import Tensor


class Part(Operation):
    """Takes one member of a tuple; its adjoint hands the gradient to that member's place."""

    kind = "part"

    def pull(self, node: Node, upstream: Any, values: Any, needs: Any) -> Sequence[Any]:
        slot, count = node.options["slot"], node.options["count"]
        return [tuple(upstream if i == slot else None for i in range(count))]

    def push(self, node: Node, tangents: Sequence[Any], values: Any) -> Any:
        return tangents[0][node.options["slot"]]


PART = Part("part", lambda x, slot=0, count=1: x[slot], {}, arguments=("x",))


def unpack(bundle: Node, outputs: Sequence[Any]) -> tuple[Tensor, ...]:
    """A Tensor for each member of a tuple that the node `bundle` computed."""
    plan = PART.plan(1)
    count = len(outputs)
    return tuple(
        Tensor(
            value,
            make_node(
                PART,
                (bundle,),
                (),
                plan,
                (Like(value.shape, value.dtype),),
                {"slot": slot, "count": count},
            )
            if value.dtype.kind in "fc"
            else None,
        )
        for slot, value in enumerate(outputs)
    )
