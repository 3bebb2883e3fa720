"""Small helpers that findings share: making one from a node, numbers and counts in words."""

from __future__ import annotations

from collections.abc import Iterable

from localgrad.ledger.model import Finding, NodeRecord


def at(
    node: NodeRecord,
    kind: str,
    severity: str,
    message: str,
    evidence: dict[str, float | int | str],
    advice: str,
) -> Finding:
    """Return a finding that points at ``node``."""
    return Finding(
        kind=kind,
        severity=severity,
        message=message,
        where=node.where,
        node=node.id,
        module=node.module,
        evidence=evidence,
        advice=advice,
    )


def number(value: float | None) -> str:
    """Return ``value`` with three digits.

    >>> number(0.000012345), number(1234.5), number(None)
    ('1.23e-05', '1.23e+03', '–')
    """
    return "–" if value is None else f"{value:.3g}"


def listed(names: Iterable[str], most: int = 4) -> str:
    """Return names in a row, the rest counted.

    >>> listed(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    every = list(names)
    shown = ", ".join(every[:most])
    return shown if len(every) <= most else f"{shown} and {len(every) - most} more"


def named(node: NodeRecord) -> str:
    """Return how a message calls ``node``."""
    inside = f" in {node.module}" if node.module and node.kind == "op" else ""
    return f"`{node.label or node.op}`{inside}"
