"""How one gradient came about, as data: the contributions, the sum, and the arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from localgrad import errors_of_ledgers as errors
from localgrad.ledger.model import EdgeRecord, NodeRecord
from localgrad.ledger.paths import Route, strongest_routes

if TYPE_CHECKING:
    from localgrad.ledger.base import BaseLedger

_ROUTES = 3


@dataclass(slots=True)
class Term:
    """One contribution: who sent it, and for one element the products that make it up.

    products: (upstream, local) pairs; their products add up to ``value``.
    """

    edge: EdgeRecord
    consumer: NodeRecord
    value: float | None = None
    products: list[tuple[float, float]] = field(default_factory=list)


@dataclass(slots=True, repr=False)
class Explanation:
    """The account of one gradient. Printing it shows the arithmetic; a notebook renders it."""

    node: NodeRecord
    terms: list[Term]
    routes: list[Route]
    places: list[str]  # of every node of the ledger, for the routes
    index: tuple[int, ...] | None = None

    @property
    def total(self) -> float | None:
        """The element's gradient: the sum of the contributions' values."""
        values = [term.value for term in self.terms]
        if self.index is None or any(value is None for value in values):
            return None
        return sum(value or 0.0 for value in values)

    def __repr__(self) -> str:
        element = "" if self.index is None else str(list(self.index))
        count = f"{len(self.terms)} contribution{'s' if len(self.terms) != 1 else ''}"
        return f"<Explanation of {self.node.place}{element}: {count}>"

    def __str__(self) -> str:
        from localgrad.report.text import explanation_text

        return explanation_text(self)

    def _repr_html_(self) -> str:
        from localgrad.report.notebook import explanation_html

        return explanation_html(self)


def explain(
    ledger: BaseLedger, node: NodeRecord, index: tuple[int, ...] | int | None = None
) -> Explanation:
    """Return the account of the gradient at ``node``, or of one element of it."""
    record = ledger.record
    if node.upstream is None:
        raise errors.no_gradient(node.place, node.absence)
    position = None if index is None else _checked(index, node.shape)
    terms = [Term(edge, record.nodes[edge.consumer]) for edge in record.arrived(node)]
    if position is not None:
        for term in terms:
            term.products = ledger.element_terms(term.edge, position)
            if term.products:
                term.value = sum(upstream * local for upstream, local in term.products)
            else:
                term.value = _kept_value(term.edge, position)
    return Explanation(
        node=node,
        terms=terms,
        # no part of nothing, or of NaN, came by any road
        routes=strongest_routes(record, node.id, _ROUTES)
        if 0 < node.upstream.norm < math.inf
        else [],
        places=[item.place for item in record.nodes],
        index=position,
    )


def _checked(index: tuple[int, ...] | int, shape: list[int]) -> tuple[int, ...]:
    position = (index,) if isinstance(index, int) else tuple(index)
    if len(position) != len(shape) or not all(-n <= i < n for i, n in zip(position, shape)):
        raise errors.bad_index(index, shape)
    return tuple(i % n for i, n in zip(position, shape))


def _kept_value(edge: EdgeRecord, index: tuple[int, ...]) -> float | None:
    value = edge.contribution
    if value is None:
        return None
    for i in index:
        value = value[i]
    return float(value)
