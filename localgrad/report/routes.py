"""Routes from the loss as a tree: what they have in common stands once, and they part at joins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from localgrad.ledger.paths import Route

_MOST = 5  # places of a stretch without a branch that are spelled out


def route_tree(title: str, routes: Sequence[Route], places: Sequence[str]) -> Any:
    """A `rich` tree of the routes' nodes, the loss at the root, with each branch's share."""
    from rich.tree import Tree

    tree = Tree(title)
    _grow(tree, [(route.share, route.nodes) for route in routes], 0, places)
    return tree


def _grow(tree: Any, routes: list[tuple[float, Sequence[int]]], at: int, places: Any) -> None:
    """Add, below `tree`, the stretches that begin at place `at` of the routes."""
    branches: dict[int, list[tuple[float, Sequence[int]]]] = {}
    for share, nodes in routes:
        if at < len(nodes):
            branches.setdefault(nodes[at], []).append((share, nodes))
    for some in branches.values():
        first = some[0][1]
        end = at + 1
        while end < len(first) and all(nodes[: end + 1] == first[: end + 1] for _, nodes in some):
            end += 1
        share = sum(share for share, _ in some)
        words = stretch([places[i] for i in first[at:end]])
        _grow(tree.add(f"{share:+.1%}  {words}"), some, end, places)


def stretch(names: Sequence[str]) -> str:
    """``a → b ×3 → c``: repeated neighbours once, and of a long way its ends."""
    folded: list[tuple[str, int]] = []
    for name in names:
        if folded and folded[-1][0] == name:
            folded[-1] = (name, folded[-1][1] + 1)
        else:
            folded.append((name, 1))
    words = [name if count == 1 else f"{name} ×{count}" for name, count in folded]
    if len(words) > _MOST:
        words[2:-2] = [f"… {len(words) - 4} more …"]
    return " → ".join(words)
