"""NaN and infinity: the node where each was born, never those it merely passed through."""

from __future__ import annotations

from collections.abc import Iterator

from localgrad.ledger.birth import forward_origin, has_nan, is_bad
from localgrad.ledger.findings.words import at, named, number
from localgrad.ledger.model import Finding, NodeRecord
from localgrad.ledger.view import View

_ADVICE = {
    "log": "log(0) is -∞: log(x.clip(tiny)), or work with log-probabilities throughout "
    "(log_softmax, logsumexp, a loss that takes logits).",
    "sqrt": "The slope of a root at 0 is infinite: sqrt(x + 1e-12).",
    "norm": "The norm has no slope at the zero vector: sqrt(sum(x * x) + 1e-12).",
    "std": "The deviation of a constant is 0 and has no slope there: sqrt(var(x) + 1e-12).",
    "divide": "A division by zero: add an epsilon to the denominator, or choose it with where() "
    "before dividing.",
    "power": "A power below 1 has an infinite slope at 0: (x + 1e-12) ** p.",
    "exp": "exp overflows beyond 88 in float32: subtract the maximum first (softmax, logsumexp).",
    "softmax": "A row whose scores are all -∞ has no softmax: leave one position unmasked, or "
    "fill with a large finite number, and drop those rows afterwards.",
}
_OTHERWISE = "Look at the values that reach this line; clamp them to where the function is smooth."
_UNTAKEN = (
    "The branch that is not taken is computed and differentiated all the same. Make its argument "
    "safe first: where(ok, f(where(ok, x, 1.0)), other)."
)


def nonfinite(view: View) -> Iterator[Finding]:
    """Births of non-finite gradients, and a non-finite loss whose gradient is finite."""
    seen: set[int] = set()
    for node in view.sweep_order:
        if node.birth == "local":
            yield _local(view, node)
        elif node.birth == "merge":
            yield _merge(view, node)
        elif node.birth == "forward" or (node.kind == "loss" and is_bad(node.value)):
            origin = forward_origin(view, node)
            if origin.id not in seen:
                seen.add(origin.id)
                yield _forward(view, origin)


def _local(view: View, node: NodeRecord) -> Finding:
    sent = [edge for edge in view.record.downstream(node) if edge.nonfinite]
    count = sum(edge.nonfinite for edge in sent)
    untaken = node.birth_detail is not None and "did not take" in node.birth_detail
    return at(
        node,
        "nonfinite",
        "error",
        f"{named(node)} receives a finite gradient and sends {count} non-finite numbers on: "
        f"{node.birth_detail}.",
        {
            "birth": "local",
            "non-finite downstream": count,
            "of": sum(edge.size for edge in sent),
            "zeros upstream": node.upstream.zeros or 0 if node.upstream else 0,
            "norm upstream": view.flow(node),
        },
        _UNTAKEN if untaken else _ADVICE.get(view.op(node), _OTHERWISE),
    )


def _merge(view: View, node: NodeRecord) -> Finding:
    norms = [edge.norm or 0.0 for edge in view.record.arrived(node)]
    return at(
        node,
        "nonfinite",
        "error",
        f"{len(norms)} finite contributions add up to a non-finite sum at {named(node)}: "
        f"the largest has norm {number(max(norms))}.",
        {"birth": "merge", "contributions": len(norms), "largest norm": max(norms)},
        f"The sum overflows {node.dtype}: scale the loss down, or compute in a wider dtype.",
    )


def _forward(view: View, node: NodeRecord) -> Finding:
    what = "NaN" if has_nan(node.value) else "infinite"
    count = node.value.nonfinite if node.value is not None else 0
    if node.kind == "parameter":
        message = f"the parameter {named(node)} holds {count} non-finite numbers already."
        advice = (
            "An earlier step broke it: lower the learning rate, clip gradients, and reload the "
            "last good checkpoint."
        )
    elif "nonfinite input" in node.flags:
        message = f"{named(node)} is given data that is already non-finite."
        advice = "Clean the data before it enters the network: check np.isfinite(x).all()."
    else:
        message = f"{named(node)} turns finite values into {count} {what} ones on the way forward."
        advice = _ADVICE.get(view.op(node), _OTHERWISE)
    return at(
        node,
        "nonfinite",
        "error",
        message,
        {
            "birth": "forward",
            "non-finite values": count,
            "of": node.value.size if node.value else 0,
        },
        advice,
    )
