"""The order of a sweep.

A node may hand its gradient on only after every consumer's contribution has arrived. Nodes are
numbered as they are made and an input is always made before its consumer, so "newest first" is
such an order: no recursion, and a graph a million nodes deep is sorted like a short one.
"""

from collections.abc import Iterable
from operator import attrgetter

from localgrad.graph.node import Freed, Node

_serial = attrgetter("serial")


def reachable(roots: Iterable[Node], fence: frozenset[Node] = frozenset()) -> list[Node]:
    """Every node from which a path leads to one of `roots`, these included.

    Nothing behind a node of `fence` is looked at: a transform of a function stops at its inputs.
    """
    found = list(dict.fromkeys(roots))
    seen = set(found)
    see, append = seen.add, found.append
    for node in found:  # which grows as we go
        if fence and node in fence:
            continue
        for source in node.inputs:
            if source is not None and source not in seen:
                see(source)
                append(source)
    return found


def newest_first(nodes: Iterable[Node]) -> list[Node]:
    """Consumers before their sources: the order of a reverse sweep."""
    return sorted(nodes, key=_serial, reverse=True)


def oldest_first(nodes: Iterable[Node]) -> list[Node]:
    """Sources before their consumers: the order of a forward sweep."""
    return sorted(nodes, key=_serial)


def leading_to(nodes: list[Node], wanted: set[Node]) -> set[Node]:
    """Those of `nodes` (newest first) on a path from one of `wanted`: all that a sweep needs.

    A node that an earlier sweep has freed no longer tells where it came from. It counts as one of
    them if it is new enough to be, so that the sweep meets it and raises, where it would otherwise
    leave out a part of the gradient.
    """
    needed = set(wanted)
    oldest = min(map(_serial, wanted), default=0)
    for node in reversed(nodes):
        if not needed.isdisjoint(node.inputs) or (
            node.kept.__class__ is Freed and node.serial > oldest
        ):
            needed.add(node)
    return needed
