"""The routes from the loss that carry most of a gradient.

At every node the shares of what arrived add up to 1, so the product of the shares along a route
is the route's own share, and the shares of all routes add up to 1. The strongest routes are found
in one pass from the loss, keeping the best few at every node.
"""

from __future__ import annotations

from dataclasses import dataclass

from localgrad.ledger.model import EdgeRecord, LedgerRecord, NodeRecord


@dataclass(slots=True, frozen=True)
class Route:
    """A way from the loss to a node: ``nodes`` and the ``edges`` between them, loss first.

    share: the product of the shares along the way, signed; those of all routes add up to 1.
    gain: the product of the gains, how much the gradient grew or shrank on the way.
    """

    nodes: tuple[int, ...]
    edges: tuple[int, ...]
    share: float
    gain: float


@dataclass(slots=True, frozen=True)
class _Partial:
    """A way from the loss as far as a node: its last edge, and the way as far as that one.

    Ways share their beginnings, so that those of a deep graph take no more room than its edges.
    """

    share: float = 1.0
    gain: float = 1.0
    edge: int | None = None
    before: _Partial | None = None

    def edges(self) -> tuple[int, ...]:
        found: list[int] = []
        part: _Partial | None = self
        while part is not None and part.edge is not None:
            found.append(part.edge)
            part = part.before
        return tuple(reversed(found))


def strongest_routes(record: LedgerRecord, target: int, k: int = 5) -> list[Route]:
    """Return the ``k`` routes with the largest share (by size), the strongest first."""
    best: dict[int, list[_Partial]] = {}
    wanted = _between(record, target)
    for node in reversed(record.nodes):
        if node.id not in wanted:
            continue
        arrived = record.arrived(node)
        if not arrived:
            best[node.id] = [_Partial()]
            continue
        routes: list[_Partial] = []
        weights = shares_of(arrived)
        for edge, weight in zip(arrived, weights, strict=True):
            gain = edge.gain if edge.gain is not None else 1.0
            routes += [
                _Partial(before.share * weight, before.gain * gain, edge.id, before)
                for before in best.get(edge.consumer, [])
            ]
        routes.sort(key=lambda route: -abs(route.share))
        best[node.id] = routes[:k]
    found = []
    for route in best.get(target, []):
        edges = route.edges()
        found.append(Route(_nodes(record, target, edges), edges, route.share, route.gain))
    return found


def shares_of(arrived: list[EdgeRecord]) -> list[float]:
    """The shares of contributions; where they cancel or are not finite, of their norms."""
    if all(edge.share is not None for edge in arrived):
        return [edge.share or 0.0 for edge in arrived]
    total = sum(edge.norm or 0.0 for edge in arrived)
    if not total or total != total or total == float("inf"):
        return [1 / len(arrived)] * len(arrived)
    return [(edge.norm or 0.0) / total for edge in arrived]


def _between(record: LedgerRecord, target: int) -> set[int]:
    """The target and every node that its gradient came through."""
    seen = {target}
    stack = [target]
    while stack:
        for edge in record.arrived(record.nodes[stack.pop()]):
            if edge.consumer not in seen:
                seen.add(edge.consumer)
                stack.append(edge.consumer)
    return seen


def _nodes(record: LedgerRecord, target: int, edges: tuple[int, ...]) -> tuple[int, ...]:
    return (*(record.edges[edge].consumer for edge in edges), target)


def place_of(node: NodeRecord) -> str:
    """A node in a list of routes: its place and its line."""
    return f"{node.place} ({node.where})" if node.where else node.place
