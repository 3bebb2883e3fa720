"""Shapes that stretched each other: ``(n, 1)`` against ``(n,)`` is ``(n, n)``, without a word."""

from __future__ import annotations

from collections.abc import Iterator

from localgrad.ledger.findings.words import at, named
from localgrad.ledger.model import Finding, NodeRecord
from localgrad.ledger.view import View
from localgrad.ledger.vocabulary import ELEMENTWISE

_LOSSES = {"squared_error", "absolute_error", "l1_loss", "smooth_l1_loss", "huber_loss"}


def broadcast(view: View) -> Iterator[Finding]:
    """Element-by-element operations at which one axis met itself crosswise.

    A bias, a mask or an explicit ``x[:, None] * y[None, :]`` is meant. What is not: an argument
    with fewer axes is stretched along one axis, and its partner, of size 1 there, along the
    other, and both lengths are the same.
    """
    for node in view.nodes:
        op = view.op(node)
        if op not in ELEMENTWISE and op not in _LOSSES:
            continue
        crossed = _crossed(node)
        if crossed is None:
            continue
        first, second, result = crossed
        yield at(
            node,
            "broadcast",
            "warning",
            f"{named(node)} stretches {first} and {second} into {result}: every element meets "
            "every other, and the gradient is summed back over an axis that was not there.",
            {
                "first": str(first),
                "second": str(second),
                "result": str(result),
                "summed over": ", ".join(
                    str(tuple(edge.reduced_axes)) for edge in view.record.downstream(node)
                ),
            },
            f"Give both the same shape: y[:, None] turns {min(first, second, key=len)} into a "
            "column, x.squeeze(-1) or x[:, 0] takes the last axis away.",
        )


def _crossed(node: NodeRecord) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]] | None:
    shapes = [tuple(shape) for shape in node.inputs if shape]
    for first in shapes:
        for second in shapes:
            if len(second) >= len(first):
                continue
            extra = len(first) - len(second)
            axis = extra - 1  # where the shorter one was stretched, next to its first axis
            if first[axis] > 1 and first[axis + 1] == 1 and second[0] == first[axis]:
                return first, second, (*first[: axis + 1], *second)
    return None
