"""Do the books balance? Sums that are wrong, that cancel, or that use a value which changed."""

from __future__ import annotations

import math
from collections.abc import Iterator

from localgrad.ledger.arithmetic import tolerated
from localgrad.ledger.findings.words import at, listed, named, number
from localgrad.ledger.model import Finding
from localgrad.ledger.view import View
from localgrad.ledger.vocabulary import SHIFTS


def imbalance(view: View) -> Iterator[Finding]:
    """Nodes whose recorded sum is not the sum of the contributions that arrived."""
    for node in view.nodes:
        if node.balance is None or not math.isfinite(view.flow(node)):
            continue
        limit = tolerated(node, view.thresholds.imbalance)
        if node.balance <= limit:
            continue
        # A leaf has no line of its own in the step: name that of the use nearest to the loss.
        arrived = view.record.arrived(node)
        place = node if node.kind == "op" else view.nodes[arrived[0].consumer]
        yield at(
            place,
            "imbalance",
            "error",
            f"the contributions to {named(node)} do not add up to the gradient it was given: "
            f"they differ by {number(node.balance)} of their size.",
            {
                "balance": node.balance,
                "rounding allows": limit,
                "contributions": len(node.arrived),
                "norm of the sum": view.flow(node),
            },
            "Something changed the gradient on its way: a hook, an in-place write to .grad or to "
            "an upstream buffer, or a wrong accumulation. The difference is exactly what it did.",
        )


def cancelling(view: View) -> Iterator[Finding]:
    """Joins at which the branches work against each other until almost nothing is left."""
    for node in view.nodes:
        edges = view.record.arrived(node)
        norms = sum(edge.norm or 0.0 for edge in edges)
        total = view.flow(node)
        if len(edges) < 2 or not math.isfinite(norms) or not norms:
            continue
        if view.op(node) in SHIFTS:
            continue  # what is subtracted for stable arithmetic and added back cancels by design
        if total / norms >= view.thresholds.cancelling:
            continue
        consumers = [named(view.nodes[edge.consumer]) for edge in edges]
        yield at(
            node,
            "cancelling",
            "warning",
            f"the {len(edges)} contributions to {named(node)} cancel: their norms add up to "
            f"{number(norms)}, their sum has norm {number(total)} (from {listed(consumers)}).",
            {
                "norm of the sum": total,
                "sum of the norms": norms,
                "left": total / norms,
                "contributions": len(edges),
            },
            "Two terms of the loss pull this value in opposite directions with the same strength. "
            "If they are the same quantity, one sign is wrong; if not, weight them differently.",
        )


def mutated(view: View) -> Iterator[Finding]:
    """Values that a backward needed and that were overwritten in the meantime."""
    for mutation in view.record.mutations:
        yield Finding(
            kind="mutated",
            severity="error",
            message=f"`{mutation.op}` changed, in place, a value that `{mutation.retained_by}` "
            f"(made at {mutation.retained_where or 'an unknown line'}) had kept for its gradient.",
            where=mutation.where,
            module=mutation.module,
            evidence={
                "operation": mutation.op,
                "retained by": mutation.retained_by,
                "retained at": mutation.retained_where or "",
            },
            advice="Write to a new value (x = x + step, not x += step), or make the change before "
            "the value is used.",
        )
