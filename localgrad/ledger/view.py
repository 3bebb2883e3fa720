"""A ledger seen as a graph: who is a layer, which route is the main one, what lies behind."""

from __future__ import annotations

import math
from functools import cached_property

from localgrad.ledger.model import EdgeRecord, LedgerRecord, NodeRecord
from localgrad.ledger.thresholds import Thresholds
from localgrad.ledger.vocabulary import canonical


class View:
    """What findings ask of a ledger, each answer computed once."""

    def __init__(self, record: LedgerRecord, thresholds: Thresholds | None = None) -> None:
        self.record = record
        self.nodes = record.nodes
        self.edges = record.edges
        self.thresholds = thresholds or Thresholds()

    @cached_property
    def sweep_order(self) -> list[NodeRecord]:
        """Consumers before their sources (ids are in forward order)."""
        return self.nodes[::-1]

    def op(self, node: NodeRecord) -> str:
        """The plain name of what ``node`` does."""
        return canonical(node.op)

    def flow(self, node: NodeRecord) -> float:
        """The norm of the gradient at ``node``; 0 where none arrived."""
        return node.upstream.norm if node.upstream is not None else 0.0

    def is_layer(self, node: NodeRecord) -> bool:
        """Whether ``node`` hands a gradient to a parameter."""
        return bool(self.parameters_of(node))

    def main_edge(self, node: NodeRecord) -> EdgeRecord | None:
        """The strongest contribution that arrived at ``node``."""
        return max(self.record.arrived(node), key=lambda edge: edge.norm or 0.0, default=None)

    def main_route(self, node: NodeRecord) -> list[EdgeRecord]:
        """The strongest edges from ``node`` towards the loss, the nearest first."""
        route = []
        edge = self.main_edge(node)
        while edge is not None:
            route.append(edge)
            edge = self.main_edge(self.nodes[edge.consumer])
        return route

    def change(self, edge: EdgeRecord) -> float | None:
        """log(norm sent along ``edge`` / norm that had arrived at its consumer)."""
        arrived = self.flow(self.nodes[edge.consumer])
        ratio = (edge.norm or 0.0) / arrived if arrived else 0.0
        return math.log(ratio) if ratio > 0 and math.isfinite(ratio) else None

    def scales_by_parameter(self, edge: EdgeRecord) -> bool:
        """Whether the consumer multiplies, element by element, with a parameter (a learned gate).

        A branch that begins with a small learned scale passes little back on purpose.
        """
        consumer = self.nodes[edge.consumer]
        return self.op(consumer) == "multiply" and self.is_layer(consumer)

    def parameters_of(self, node: NodeRecord) -> set[int]:
        """The parameters that ``node`` uses itself."""
        sources = (edge.source for edge in self.record.downstream(node))
        return {source for source in sources if self.nodes[source].kind == "parameter"}
