"""The depth profile: the gradient norm of every block, and the branches it came through."""

from __future__ import annotations

from dataclasses import dataclass

from localgrad.ledger.model import LedgerRecord, NodeRecord
from localgrad.ledger.paths import shares_of

_MOST = 40
# Blocks say more than the parts of a few large ones, as soon as there are this many.
_ENOUGH = 8


@dataclass(slots=True, frozen=True)
class Bar:
    """One block: the norm at its first node, and (branch, share) of what met there."""

    label: str
    norm: float
    branches: tuple[tuple[str, float], ...]
    node: int


def profile(record: LedgerRecord) -> list[Bar]:
    """Return one bar per block, the nearest to the input first.

    A block is a module path cut to so many names that there are enough blocks to see a course
    (``blocks.3``, ``encoder.layers.3``); its bar is the gradient at the first of its nodes that a
    gradient reached, which is what the block hands on.
    """
    swept = [
        node
        for node in record.nodes
        if node.kind not in ("parameter", "input") and node.upstream is not None
    ]
    deepest = max((node.module.count(".") + 1 for node in swept), default=1)
    blocks = _blocks(swept, 1)
    for depth in range(2, deepest + 1):
        if len(blocks) >= _ENOUGH:
            break
        finer = _blocks(swept, depth)
        if len(finer) > _MOST:
            break
        blocks = finer
    bars = [_bar(record, label, node) for label, node in blocks.items()]
    if len(bars) <= _MOST:
        return bars
    step = len(bars) / _MOST
    return [bars[int(i * step)] for i in range(_MOST)]


def _blocks(swept: list[NodeRecord], depth: int) -> dict[str, NodeRecord]:
    """The first node of every block, by the block's name."""
    blocks: dict[str, NodeRecord] = {}
    for node in swept:
        label = ".".join(node.module.split(".")[:depth]) or node.place
        blocks.setdefault(label, node)
    return blocks


def _bar(record: LedgerRecord, label: str, node: NodeRecord) -> Bar:
    edges = record.arrived(node)
    shares = shares_of(edges) if edges else []
    branches = tuple(
        (_within(label, record.nodes[edge.consumer].place), share)
        for edge, share in zip(edges, shares)
    )
    return Bar(label, node.upstream.norm if node.upstream else 0.0, branches, node.id)


def _within(label: str, place: str) -> str:
    """The name of a branch, without what the block's own name says already."""
    return place.removeprefix(f"{label}.")
