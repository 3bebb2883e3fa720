"""Where a non-finite gradient was born.

*forward*: the value was non-finite on the way up already. *local*: finite upstream, non-finite
downstream, the local gradient did it. *merge*: finite contributions, non-finite sum. *propagated*:
it came from a consumer and was passed on. Only the first three are births; the last is a victim.
"""

from __future__ import annotations

import math

from localgrad.ledger.model import LedgerRecord, NodeRecord, Stats
from localgrad.ledger.view import View
from localgrad.ledger.vocabulary import SELECTS

_LOOK_UP = 12  # how many consumers above a node a `where` is looked for
_OVER_ROWS = {"softmax", "log_softmax", "scaled_dot_product_attention"}


def is_bad(stats: Stats | None) -> bool:
    """Whether the statistics tell of a NaN or an infinity."""
    return stats is not None and stats.nonfinite > 0


def has_nan(stats: Stats | None) -> bool:
    """Whether at least one element is NaN (the norm of infinities alone is infinite)."""
    return stats is not None and math.isnan(stats.norm)


def classify(record: LedgerRecord) -> None:
    """Write ``birth`` and ``birth_detail`` on every node that a non-finite gradient touched."""
    view = View(record)
    for node in view.sweep_order:
        node.birth, node.birth_detail = _birth(view, node)


def _birth(view: View, node: NodeRecord) -> tuple[str | None, str | None]:
    record = view.record
    arrived, sent = record.arrived(node), record.downstream(node)
    if is_bad(node.upstream):
        if arrived and not any(edge.nonfinite for edge in arrived):
            return "merge", f"{len(arrived)} finite contributions add up to a non-finite sum"
        return "propagated", None
    if not any(edge.nonfinite for edge in sent):
        return None, None
    untaken = _untaken_by(view, node)
    bad_forward = is_bad(node.value) or any(is_bad(view.nodes[e.source].value) for e in sent)
    if untaken is not None and view.op(node) not in _OVER_ROWS:
        return "local", (
            f"0·∞: `{untaken.label or untaken.op}` at {untaken.where or 'an unknown line'} did not "
            "take these elements and sends them 0, but the local gradient there is infinite"
        )
    if bad_forward or "nonfinite input" in node.flags:
        origin = forward_origin(view, node)
        return "forward", f"already non-finite on the way up, first at {_spot(origin)}"
    if node.upstream is not None and (node.upstream.zeros or 0) == node.upstream.size:
        return "local", "0·∞: the upstream is zero and the local gradient infinite"
    return "local", "finite upstream, non-finite local gradient"


def forward_origin(view: View, node: NodeRecord) -> NodeRecord:
    """The first node, on the way up to ``node``, whose value is as bad as this one's.

    A NaN is traced to the first NaN, or to the first infinity that it was made from. An infinity
    that a mask put there on purpose is no origin as long as another is to be found.
    """
    bad = [item for item in _behind(view, node) if is_bad(item.value)]
    nans = [item for item in bad if has_nan(item.value)]
    if nans:
        first = min(nans, key=_id)
        bad = [item for item in _behind(view, first) if is_bad(item.value)]
        meant = [item for item in bad if view.op(item) == "where" or _is_given(item)]
        return min((item for item in bad if item not in meant), key=_id, default=first)
    unmeant = [item for item in bad if view.op(item) != "where"]
    return min(unmeant or bad, key=_id, default=node)


def _id(node: NodeRecord) -> int:
    return node.id


def _is_given(node: NodeRecord) -> bool:
    """Whether the infinities of ``node`` came in as data, as those of an additive mask do."""
    return "nonfinite input" in node.flags and not has_nan(node.value)


def _behind(view: View, node: NodeRecord) -> list[NodeRecord]:
    """``node`` and everything it was computed from, as far as gradients go."""
    seen = {node.id}
    stack = [node.id]
    while stack:
        for edge in view.record.downstream(view.nodes[stack.pop()]):
            source = edge.source
            if source not in seen:
                seen.add(source)
                stack.append(source)
    return [view.nodes[identity] for identity in seen]


def _untaken_by(view: View, node: NodeRecord) -> NodeRecord | None:
    """The select above ``node`` that sent exact zeros down to it, if there is one."""
    if node.upstream is None or not node.upstream.zeros:
        return None
    level = [node.id]
    for _ in range(_LOOK_UP):
        consumers = [edge.consumer for n in level for edge in view.record.arrived(view.nodes[n])]
        for identity in consumers:
            consumer = view.nodes[identity]
            zeros = consumer.upstream.zeros if consumer.upstream is not None else 0
            fewer = (zeros or 0) * node.upstream.size < node.upstream.zeros * max(
                consumer.upstream.size if consumer.upstream is not None else 1, 1
            )
            if view.op(consumer) in SELECTS and fewer:
                return consumer
        level = consumers
    return None


def _spot(node: NodeRecord) -> str:
    return f"`{node.label or node.op}`" + (f" ({node.where})" if node.where else "")
