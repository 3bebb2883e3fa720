"""Why a gradient is absent, or exactly zero: one sentence per node."""

from __future__ import annotations

from localgrad.ledger.model import Cut, EdgeRecord, LedgerRecord, NodeRecord
from localgrad.ledger.view import View
from localgrad.ledger.vocabulary import FLAT, PRODUCTS, RECTIFIERS, SQUASHERS

_CUT_WORDS = {
    "detach": "detached",
    "no_grad": "computed under no_grad",
    "integer": "turned into integers",
    "flat": "passed through a flat operation",
}


NOT_IN_GRAPH = "not in the graph of this loss"
FAILED_BEFORE = "the sweep failed before it came here"


def explain_absences(record: LedgerRecord, otherwise: str = NOT_IN_GRAPH) -> None:
    """Write ``absence`` on every node that received no gradient, or an exact zero.

    otherwise: why a node that nothing cut off received none.
    """
    view = View(record)
    cuts: dict[str, Cut] = {}
    for cut in record.cuts:
        for name in cut.parameters:
            cuts.setdefault(name, cut)
    for node in view.sweep_order:
        node.absence = None
        if node.kind == "loss":
            continue
        if node.upstream is None:
            node.absence = _missing(node, cuts, record.cuts) or otherwise
        elif node.upstream.norm == 0 and node.upstream.size:
            node.absence = _zero(view, node)


def cut_words(cut: Cut) -> str:
    """Return the cut as a clause: ``detached at train.py:12``."""
    op = f" `{cut.op}`" if cut.op and cut.reason in ("flat", "integer") else ""
    return f"{_CUT_WORDS.get(cut.reason, cut.reason)}{op} at {cut.where or 'an unknown line'}"


def _missing(node: NodeRecord, by_name: dict[str, Cut], cuts: list[Cut]) -> str | None:
    for name in node.names or [node.label]:
        if name in by_name:
            return cut_words(by_name[name])
    own = [cut for cut in cuts if cut.source == node.id]
    if own:
        return cut_words(own[0])
    return None


def _zero(view: View, node: NodeRecord) -> str:
    """Follow the zero towards the loss, to the node that made it."""
    arrived = view.record.arrived(node)
    nonzero = [edge for edge in arrived if edge.norm]
    if nonzero:
        return f"{len(nonzero)} contributions cancel exactly"
    edge = next(iter(arrived), None)
    if edge is None:
        return "the sweep began with zero"
    consumer = view.nodes[edge.consumer]
    if consumer.upstream is None or consumer.upstream.norm:
        return _zeroed_by(view, consumer, edge)
    return consumer.absence or "the sweep began with zero"  # it was looked at before its sources


def _zeroed_by(view: View, consumer: NodeRecord, edge: EdgeRecord) -> str:
    op = view.op(consumer)
    spot = f"`{consumer.label or consumer.op}`" + (
        f" at {consumer.where}" if consumer.where else ""
    )
    if "flat" in consumer.flags or op in FLAT:
        return f"flat operation: the local gradient of {spot} is zero everywhere"
    if op in RECTIFIERS:
        return f"dead units: no element of {spot} was positive"
    if op in SQUASHERS:
        return f"saturated: the local gradient of {spot} rounds to zero"
    if op in ("where", "clip", "maximum", "minimum", "max", "min", "getitem", "take", "index"):
        return f"masked: {spot} took none of these elements"
    if op in PRODUCTS or op in ("multiply", "divide"):
        partners = [
            view.nodes[other.source]
            for other in view.record.downstream(consumer)
            if other.id != edge.id
        ]
        zero = [item for item in partners if item.value is not None and not item.value.norm]
        if zero:
            return f"{spot} multiplies by `{zero[0].label or zero[0].op}`, which is zero"
        return f"{spot} multiplies by zero"
    return f"the local gradient of {spot} is zero here"
