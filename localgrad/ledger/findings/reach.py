"""Parameters that no gradient reached: cut off at a line, or simply not used."""

from __future__ import annotations

from collections.abc import Iterator

from localgrad.ledger.absence import NOT_IN_GRAPH, cut_words
from localgrad.ledger.findings.words import listed, named
from localgrad.ledger.model import EdgeRecord, Finding, NodeRecord
from localgrad.ledger.view import View

_CURES = {
    "detach": "Remove .detach() (or .numpy(), .item()) from the way to the loss; detach only what "
    "is printed or logged.",
    "no_grad": "Move this line out of `with no_grad():`, which is for evaluation only.",
    "integer": "An index or a count has no gradient: use the probabilities themselves (softmax), "
    "or a straight-through estimate: soft + (hard - soft).detach().",
    "flat": "The operation is constant almost everywhere: use a smooth stand-in, or a "
    "straight-through estimate: soft + (hard - soft).detach().",
}


def starved(view: View) -> dict[str, NodeRecord]:
    """Parameters without a gradient, by name; of a swept flat operation, those with zeros."""
    return {
        name: node
        for node in view.nodes
        if node.kind == "parameter" and (node.upstream is None or not node.upstream.norm)
        for name in node.names or [node.label]
    }


def cut(view: View) -> Iterator[Finding]:
    """Lines at which parameters were cut off from the loss.

    A detached value, a target under no_grad or a logged number is no fault; it is one when a
    parameter behind it is left without any gradient.
    """
    without = starved(view)
    told: set[tuple[str | None, str]] = set()
    for item in view.record.cuts:
        lost = [
            name
            for name in item.parameters
            if name in without and (item.reason == "flat" or without[name].upstream is None)
        ]
        if not lost or (item.where, item.reason) in told:
            continue
        told.add((item.where, item.reason))
        yield Finding(
            kind="cut",
            severity="error",
            message=f"no gradient passes this line (the value is {cut_words(item)}): "
            f"{listed(lost)} {'gets' if len(lost) == 1 else 'get'} none.",
            where=item.where,
            node=item.source,
            module=item.module,
            evidence={"reason": item.reason, "op": item.op, "parameters cut off": len(lost)},
            advice=_CURES.get(item.reason, _CURES["detach"]),
        )


def cut_skip(view: View) -> Iterator[Finding]:
    """Skip connections that were detached: y = branch(x) + x.detach().

    Every parameter still gets a gradient, by the branches alone. A straight-through estimate is
    not this: there the value that was detached is a difference, of which nothing else is computed.
    """
    for item in view.record.cuts:
        edges = [view.edges[identity] for identity in item.unchanged]
        skips = [edge for edge in edges if item.reason == "detach" and _bypassed(view, edge)]
        if not skips:
            continue
        source = view.nodes[skips[0].source]
        often = f" ({len(skips)} times)" if len(skips) > 1 else ""
        yield Finding(
            kind="cut",
            severity="warning",
            message=f"a skip connection is detached{often}: {named(source)} gets its gradient by "
            "the branch alone, although its value is added to the branch's.",
            where=item.where,
            node=source.id,
            module=item.module,
            evidence={"reason": item.reason, "op": item.op, "additions": len(skips)},
            advice="Remove .detach(): y = branch(x) + x.",
        )


def _bypassed(view: View, edge: EdgeRecord) -> bool:
    """Whether what the value is added to was computed from the same value, with its gradient."""
    consumer = view.nodes[edge.consumer]
    if view.op(consumer) != "add":
        return False
    stack = [part.source for part in view.record.downstream(consumer)]
    if edge.source in stack:
        return False  # x + x.detach() has no branch
    seen = set(stack)
    while stack:
        for part in view.record.downstream(view.nodes[stack.pop()]):
            if part.source == edge.source:
                return True
            if part.source > edge.source and part.source not in seen:  # ids are in forward order
                seen.add(part.source)
                stack.append(part.source)
    return False


def unused(view: View) -> Iterator[Finding]:
    """Parameters that the loss does not depend on, grouped by the module that owns them."""
    behind_cut = {name for item in view.record.cuts for name in item.parameters}
    groups: dict[str, list[NodeRecord]] = {}
    for node in view.nodes:
        names = node.names or [node.label]
        if node.kind != "parameter" or node.upstream is not None:
            continue
        if node.absence != NOT_IN_GRAPH:  # no sweep came as far as it might have
            continue
        if not behind_cut.isdisjoint(names):
            continue
        owner = names[0].rpartition(".")[0]
        groups.setdefault(owner, []).append(node)
    for owner, nodes in groups.items():
        first = nodes[0]
        names = [(node.names or [node.label])[0] for node in nodes]
        yield Finding(
            kind="unused",
            severity="warning",
            message=f"the loss does not depend on {listed(names)}: "
            f"{'its gradient is' if len(names) == 1 else 'their gradients are'} None.",
            where=first.where,
            node=first.id,
            module=owner or first.module,
            evidence={"parameters": len(names), "elements": _elements(nodes)},
            advice=f"Call the module that owns {named(first)} in forward and let its result reach "
            "the loss, or remove it; an optimiser skips a parameter whose gradient is None.",
        )


def _elements(nodes: list[NodeRecord]) -> int:
    total = 0
    for node in nodes:
        count = 1
        for size in node.shape:
            count *= size
        total += count
    return total
