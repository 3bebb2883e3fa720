"""One element of one gradient, followed back to the loss along its largest products.

An element of a gradient is a sum of products `upstream × local`, over all consumers and all
elements of their values. The upstream of the largest product is again an element of a gradient,
one step nearer to the loss; and so on until the loss itself, whose upstream is 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from localgrad.ledger.model import EdgeRecord, NodeRecord

if TYPE_CHECKING:
    from localgrad.ledger.ledger import Ledger


@dataclass(slots=True)
class Step:
    """One element of the gradient at `node`, and the largest of the products it is the sum of."""

    node: NodeRecord
    index: tuple[int, ...]
    value: float  # the sum of all products, over all consumers
    products: int
    consumers: int
    edge: EdgeRecord  # of the largest product
    consumer: NodeRecord
    position: tuple[int, ...]  # the element of the consumer's value that it came through
    upstream: float
    local: float


def trace(ledger: Ledger, node: NodeRecord, index: tuple[int, ...]) -> list[Step]:
    """The steps from an element of the gradient at `node` to the loss, the loss last."""
    record = ledger.record
    steps: list[Step] = []
    while True:
        found = [
            (edge, *product)
            for edge in record.arrived(node)
            for product in ledger.element_products(edge, index)
        ]
        if not found:
            return steps
        edge, position, upstream, local = max(found, key=lambda item: abs(item[2] * item[3]))
        consumer = record.nodes[edge.consumer]
        steps.append(
            Step(
                node=node,
                index=index,
                value=sum(g * t for _, _, g, t in found),
                products=len(found),
                consumers=len({item[0].consumer for item in found}),
                edge=edge,
                consumer=consumer,
                position=position,
                upstream=upstream,
                local=local,
            )
        )
        node, index = consumer, position
