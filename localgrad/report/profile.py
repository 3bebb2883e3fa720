"""The depth profile: the gradient norm of every block, and the branches it came through."""

from __future__ import annotations

from dataclasses import dataclass

from localgrad.ledger.model import LedgerRecord, NodeRecord
from localgrad.ledger.paths import shares_of

_MOST = 40


@dataclass(slots=True, frozen=True)
class Bar:
    """One block: the norm at its first node, and (branch, share) of what met there."""

    label: str
    norm: float
    branches: tuple[tuple[str, float], ...]
    node: int


def profile(record: LedgerRecord, depth: int = 2) -> list[Bar]:
    """Return one bar per block, the nearest to the input first.

    A block is a module path cut to `depth` names (``blocks.3``); its bar is the gradient at the
    first of its nodes that a gradient reached, which is what the block hands on.
    """
    blocks: dict[str, NodeRecord] = {}
    for node in record.nodes:
        if node.kind == "parameter" or node.kind == "input" or node.upstream is None:
            continue
        label = ".".join(node.module.split(".")[:depth]) or node.place
        blocks.setdefault(label, node)
    bars = [_bar(record, label, node) for label, node in blocks.items()]
    if len(bars) <= _MOST:
        return bars
    step = len(bars) / _MOST
    return [bars[int(i * step)] for i in range(_MOST)]


def _bar(record: LedgerRecord, label: str, node: NodeRecord) -> Bar:
    edges = record.arrived(node)
    shares = shares_of(edges) if edges else []
    branches = tuple(
        (record.nodes[edge.consumer].place, share) for edge, share in zip(edges, shares)
    )
    return Bar(label, node.upstream.norm if node.upstream else 0.0, branches, node.id)
