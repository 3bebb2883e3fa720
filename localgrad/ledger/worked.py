"""Every local rule with its numbers: one element of each argument's gradient, worked out.

An element of what a node sends back is a sum of products `upstream × local`. Its local gradients
are the forward sweep of that element's unit vector through the one node (`push`), so one sweep
over the recorded graph, and one push an argument, spell out the arithmetic of all nodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from localgrad.graph.node import Node
from localgrad.graph.recompute import retained_values
from localgrad.graph.record import state
from localgrad.kernels import reference as xp
from localgrad.ledger.model import NodeRecord
from localgrad.ledger.replay import Listener, Replay

Product = tuple[tuple[int, ...], float, float]  # element of the value, upstream, local

_MOST_OUTPUTS = 4_000_000  # a tangent with more elements is not spelled out
_MOST_PRODUCTS = 4
_MOST_IN_A_LINE = 2


def products(
    node: Node, argument: int, like: Any, index: tuple[int, ...], upstream: Any
) -> list[Product]:
    """The products that add up to one element of what `node` sends to an argument.

    For every element j of the node's value where ∂yⱼ/∂xᵢ is not zero: j, its upstream, ∂yⱼ/∂xᵢ.
    """
    if not isinstance(upstream, xp.ndarray) or upstream.size > _MOST_OUTPUTS:
        return []
    unit = xp.zeros(like.shape, like.dtype)
    unit[index] = 1
    local = _pushed(node, argument, unit)
    if local.shape == unit.shape and xp.isnan(local).any():
        # 0 · ∞, at elements that this one has nothing to do with
        apart = xp.isnan(_pushed(node, argument, xp.zeros_like(unit)))
        apart[index] = False
        local = xp.where(apart, 0, local)
    return [
        (place, float(upstream[place]), float(local[place]))
        for place in map(tuple, xp.argwhere(local).tolist())
    ]


def _pushed(node: Node, argument: int, tangent: Any) -> Any:
    tangents = [tangent if i == argument else None for i in range(len(node.inputs))]
    local = node.op.push(node, tangents, retained_values(node))
    return getattr(local, "value", local)


def arithmetic(
    pairs: Sequence[tuple[float, float]], value: float, most: int = _MOST_PRODUCTS
) -> str:
    """``upstream × local + … = value``, the largest products first."""
    ordered = sorted(pairs, key=lambda pair: -abs(pair[0] * pair[1]))
    shown = " + ".join(f"{_signed(g)}×{_signed(t)}" for g, t in ordered[:most])
    rest = ordered[most:]
    if rest:
        shown += f" + {len(rest)} more ({sum(g * t for g, t in rest):.3g})"
    return f"{shown} = {value:.6g}" if shown else f"= {value:.6g}"


def _signed(value: float) -> str:
    return f"({value:.4g})" if value < 0 else f"{value:.4g}"


def work_out(replay: Replay, records: dict[Node, NodeRecord]) -> None:
    """Write ``local`` on the records of one sweep; `records` are by the engine's own nodes."""
    with xp.errstate(all="ignore"):  # the sweep itself has warned already
        replay.listen(_Worker(replay.original, records))


class _Worker(Listener):
    """Hears each node's upstream and what it sends, and works one element of each out."""

    def __init__(self, original: dict[Node, Node], records: dict[Node, NodeRecord]) -> None:
        self.original = original
        self.records = records

    def sent(self, node: Node, upstream: Any, downstreams: Any, needs: Any) -> None:
        record = self.records.get(self.original[node]) if node in self.original else None
        if record is None:
            return  # a node inside of a rule
        if node.op.into is not None:
            downstreams = node.op.pull(node, upstream, (), needs)  # the engine adds it in place
        observer, state.observer = state.observer, None
        try:
            lines = [
                self._line(node, argument, array, upstream)
                for argument, (source, array) in enumerate(zip(needs, downstreams))
                if source is not None and isinstance(array, xp.ndarray) and array.size
            ]
        except Exception:  # forward mode of a black box is its author's code, run on Tensors
            return
        finally:
            state.observer = observer
        record.local = "\n".join(line for line in lines if line) or None

    def _line(self, node: Node, argument: int, array: Any, upstream: Any) -> str | None:
        """The largest element, or the first that is not finite."""
        bad = xp.argwhere(~xp.isfinite(array))
        flat = xp.argmax(xp.abs(array))
        index = tuple(
            bad[0].tolist() if len(bad) else map(int, xp.unravel_index(flat, array.shape))
        )
        pairs = [(g, t) for _, g, t in products(node, argument, array, index, upstream)]
        if not pairs:
            return None
        name = f"x{argument}" if node.op.variadic else node.op.arguments[argument]
        place = f"[{', '.join(map(str, index))}]" if index else ""
        return f"{name}{place}: {arithmetic(pairs, float(array[index]), _MOST_IN_A_LINE)}"
