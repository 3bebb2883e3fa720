"""Two runs side by side: which node is which, and the first edge where they part."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import replace
from typing import Any

from localgrad import errors_of_ledgers as errors
from localgrad.kernels import reference as xp
from localgrad.ledger import arithmetic
from localgrad.ledger.model import Alignment, Comparison, EdgeRecord, LedgerRecord, NodeRecord
from localgrad.ledger.paths import place_of
from localgrad.ledger.vocabulary import alike

_REARRANGING = {"reshape", "permute", "getitem", "expand"}
def compare(a: LedgerRecord, b: LedgerRecord, tolerance: float = 1e-3) -> LedgerRecord:
    """Return ``a`` with ``compare`` set: ``b``, the alignment, and the first divergent edge.

    Edges are gone through in the order of the sweep, so what is found first is nearest to the
    loss: everything before it agrees. Raises where the two have no node in common.
    """
    alignment = align(a, b)
    if not alignment.nodes:
        raise errors.mixed_formats(f"{a.title} and {b.title}")
    differences = [
        difference(a.edges[i], b.edges[j], max(_rounding(a, a.edges[i]), _rounding(b, b.edges[j])))
        for i, j in alignment.edges
    ]
    first = next(
        (
            i
            for (i, _), gap in zip(alignment.edges, differences)
            if gap is not None and not gap <= tolerance
        ),
        None,
    )
    a.compare = Comparison(b, alignment, first, "", differences)
    a.compare.message = _message(a, a.compare)
    return a


def align(a: LedgerRecord, b: LedgerRecord) -> Alignment:
    """Match nodes by parameter name, or by module, operation and order; edges by their ends.

    Where modules have other paths in the two runs, what is left is matched by operation and shape;
    where two libraries carry a module out by other operations, by the module and the shape. One may
    need several nodes for what the other does in one: an edge into such a chain is the edge to the
    node at its end.
    """
    pairs: dict[int, int] = {}
    taken: set[int] = set()
    for key in (_exactly, _by_shape, _by_module):
        order = -1 if key is _by_module else 1  # what a module returns is its last operation
        there = _keyed((node for node in b.nodes[::order] if node.id not in taken), key)
        here = _keyed((node for node in a.nodes[::order] if node.id not in pairs), key)
        for name, node in here.items():
            if name in there:
                pairs[node] = there[name]
                taken.add(there[name])
    ours, theirs = _edges_between(a, set(pairs)), _edges_between(b, taken)
    ends = {_ends(edge): identity for identity, edge in theirs.items()}
    only = _only_edges(theirs)  # a library may order the arguments of an operation otherwise
    single = _only_edges(ours)
    edges = []
    for identity, edge in ours.items():
        source, consumer = pairs[edge.source], pairs[edge.consumer]
        other = ends.get((source, consumer, edge.argument, edge.slot))
        if other is None and (edge.source, edge.consumer) in single:
            other = only.get((source, consumer))
        if other is not None:
            edges.append((identity, other))
    return Alignment(sorted(pairs.items()), edges)


def difference(a: EdgeRecord, b: EdgeRecord, rounding: float = 0.0) -> float | None:
    """Relative difference of two contributions, of their norms where they were not kept.

    A difference no larger than ``rounding`` is none.
    """
    if a.contribution is not None and b.contribution is not None and a.size == b.size:
        here, there = (xp.ravel(xp.asarray(e.contribution)) for e in (a, b))
        gap = _norm(here - there)
        scale = max(_norm(here), _norm(there))
    else:
        if a.norm is None or b.norm is None:
            return None
        if a.norm == b.norm or (math.isnan(a.norm) and math.isnan(b.norm)):
            return 0.0
        gap, scale = abs(a.norm - b.norm), max(abs(a.norm), abs(b.norm))
    if not scale or gap <= rounding:
        return 0.0
    ratio = gap / scale
    return math.inf if math.isnan(ratio) else ratio


def _rounding(record: LedgerRecord, edge: EdgeRecord) -> float:
    """What rounding may leave of a contribution that adds up elements to exactly zero.

    A bias of attention's keys or before batch norm has no gradient: √n of the upstream norm
    bounds the sum of n of its elements, and the rounding of that is what arrives there.
    """
    consumer = record.nodes[edge.consumer]
    upstream = consumer.upstream
    if upstream is None or not 0 < edge.size < upstream.size or not math.isfinite(upstream.norm):
        return 0.0
    bound = math.sqrt(upstream.size / edge.size) * upstream.norm
    return arithmetic.remainder(bound, consumer.dtype)


def _exactly(node: NodeRecord) -> Hashable:
    if node.kind == "parameter":
        return ("parameter", (node.names or [node.label])[0], node.sweep)
    op = alike(node.op)
    shape = tuple(node.shape) if op in _REARRANGING else ()  # some libraries rearrange more
    return (node.kind, node.module, op, node.sweep, shape)


def _by_shape(node: NodeRecord) -> Hashable:
    return (node.kind, alike(node.op), tuple(node.shape))


def _by_module(node: NodeRecord) -> Hashable:
    rearranges = alike(node.op) in _REARRANGING
    if not node.module and not rearranges:
        return None  # too little to go by
    return (rearranges, node.module, tuple(node.shape))


def _keyed(nodes: Iterable[NodeRecord], key: Any) -> dict[Hashable, int]:
    """Node ids by key and by how many of that key came before."""
    seen: Counter[Hashable] = Counter()
    found: dict[Hashable, int] = {}
    for node in nodes:
        name = key(node)
        if name is None:
            continue
        found[name, seen[name]] = node.id
        seen[name] += 1
    return found


def _edges_between(record: LedgerRecord, matched: set[int]) -> dict[int, EdgeRecord]:
    """By id, the edges between matched nodes; what lies between on the way is passed over."""
    found = {}
    for edge in record.edges:
        source = _shown_by(record, edge.source, matched)
        if edge.cut or source not in matched:
            continue
        last = edge
        while last.consumer not in matched:
            arrived = record.arrived(record.nodes[last.consumer])
            if len(arrived) != 1:
                break
            last = arrived[0]
        else:
            found[edge.id] = replace(
                edge, source=source, consumer=last.consumer, argument=last.argument
            )
    return found


def _shown_by(record: LedgerRecord, identity: int, matched: set[int]) -> int:
    """The node itself; of a value that several read in another shape, the node that made it."""
    node = record.nodes[identity]
    several = len(record.arrived(node)) > 1
    while node.id not in matched and several and alike(node.op) == "reshape":
        sent = record.downstream(node)
        if len(sent) != 1:
            break
        node = record.nodes[sent[0].source]
    return node.id


def _ends(edge: EdgeRecord) -> tuple[int, int, int, int]:
    return edge.source, edge.consumer, edge.argument, edge.slot


def _only_edges(edges: dict[int, EdgeRecord]) -> dict[tuple[int, int], int]:
    """By the nodes at its ends, every edge that is the only one between them."""
    often = Counter((edge.source, edge.consumer) for edge in edges.values())
    return {
        (edge.source, edge.consumer): identity
        for identity, edge in edges.items()
        if often[edge.source, edge.consumer] == 1
    }


def _norm(x: Any) -> float:
    return float(xp.linalg.vector_norm(x.astype(xp.complex128 if x.dtype.kind == "c" else "d")))


def _message(record: LedgerRecord, comparison: Comparison) -> str:
    matched = len(comparison.alignment.nodes)
    alone = len(record.nodes) + len(comparison.other.nodes) - 2 * matched
    tail = f" {alone} nodes are in one run only." if alone else ""
    if comparison.first_divergence is None:
        return f"no edge differs; {matched} nodes match.{tail}"
    edge = record.edges[comparison.first_divergence]
    position = [here for here, _ in comparison.alignment.edges].index(edge.id)
    nearer = "1 edge nearer to the loss agrees" if position == 1 else (
        f"{position} edges nearer to the loss agree"
    )
    other = comparison.other.edges[comparison.alignment.edges[position][1]]
    source, consumer = record.nodes[edge.source], record.nodes[edge.consumer]
    return (
        f"the runs part at {place_of(consumer)} → {place_of(source)} (`{edge.name}`): norm "
        f"{edge.norm:.4g} here, {other.norm:.4g} there; {nearer}.{tail}"
    )
