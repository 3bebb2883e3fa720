"""Per-example gradients: the same rules, without the sum over the batch.

Along a batch the examples do not meet: what a node sends to a parameter is a sum over examples,
and by linearity the rule applied to one example's slice gives that example's term. One ordinary
sweep brings the upstreams, then each node next to a parameter is asked once per example. Whether
the examples really do not meet (batch normalisation mixes them) is tested at the end against a
sweep with random weights; if they do, every example gets a sweep of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from localgrad import errors
from localgrad.graph.node import Node, make_node
from localgrad.graph.order import newest_first, reachable
from localgrad.graph.recompute import retained_values
from localgrad.graph.record import here
from localgrad.graph.reverse import sweep
from localgrad.kernels import reference as xp
from localgrad.local.operation import Like
from localgrad.tensor import Tensor


def per_example_gradients(losses: Tensor, parameters: Sequence[Tensor]) -> list[Tensor]:
    """∂lossᵢ/∂parameter for every example i: a list of (batch, *parameter.shape).

    `losses` has one number per example. Summed over the batch, the results are the ordinary
    gradients. The graph is kept, so `losses.sum().backward()` still works afterwards.

    >>> import localgrad as lg
    >>> w = lg.asarray([1.0, 2.0], requires_grad=True)
    >>> x = lg.asarray([[1.0, 0.0], [3.0, 1.0]])
    >>> lg.per_example_gradients(x @ w, [w])[0].tolist()
    [[1.0, 0.0], [3.0, 1.0]]
    """
    if losses.ndim != 1:
        raise errors.not_one_loss_each(losses.shape, here())
    if losses.source is None:
        raise errors.no_graph(here())
    for index, parameter in enumerate(parameters):
        if parameter.source is None:
            raise errors.unused_input(index, here())
    wanted = [p.source for p in parameters]
    terms = _by_slices(losses, wanted)
    if terms is None or not _agrees(losses, wanted, terms):
        terms = _by_sweeps(losses, wanted)
    return [
        Tensor(terms.get(p.source, xp.zeros((losses.size, *p.shape), p.dtype)))
        for p in parameters
    ]


def _sweep(losses: Tensor, weights: Any, wanted: Iterable[Any]) -> dict[Node, Any]:
    assert losses.source is not None
    return sweep({losses.source: weights}, retain_graph=True, wanted=set(wanted))


def _by_sweeps(losses: Tensor, wanted: Sequence[Any]) -> dict[Any, Any]:
    """A sweep for each example: exact whatever the network does, and slow."""
    rows = [_sweep(losses, unit, wanted) for unit in xp.eye(losses.size, dtype=losses.dtype)]
    return {
        node: xp.stack([row[node] for row in rows])
        for node in wanted
        if all(node in row for row in rows)
    }


def _agrees(losses: Tensor, wanted: Sequence[Any], terms: dict[Any, Any]) -> bool:
    """Σ rᵢ·termᵢ against one sweep from the weighted losses, for weights that nothing knows."""
    weights = xp.cos(1.7 * xp.arange(losses.size) ** 2 + 0.3).astype(losses.dtype)
    expected = _sweep(losses, weights, wanted)
    tolerance = 1e3 * xp.finfo(losses.dtype).eps
    for node, whole in expected.items():
        if node not in terms:
            return False
        mine = xp.tensordot(weights, terms[node], axes=1)
        scale = xp.tensordot(abs(weights), abs(terms[node]), axes=1).max(initial=0)
        if not abs(mine - whole).max(initial=0) <= tolerance * (scale + abs(whole).max(initial=0)):
            return False
    return True


def _by_slices(losses: Tensor, wanted: Sequence[Any]) -> dict[Any, Any] | None:
    """Each node beside a parameter asked once per example; None where a rule cannot be sliced."""
    count = losses.size
    nodes = newest_first(reachable([losses.source]))  # type: ignore[list-item]
    shared = _without_batch(nodes, set(wanted))
    batched = {n for n in nodes if n not in shared}
    upstreams = _sweep(losses, xp.ones(count, losses.dtype), batched)
    terms: dict[Node, Any] = {}
    for node in nodes:
        needs = tuple(s if s in shared else None for s in node.inputs)
        if not any(needs):
            continue
        if node in shared:
            if node not in terms:
                continue
            rows = [_pull(node, terms[node][i], retained_values(node), needs) for i in range(count)]
        elif node in upstreams:
            try:
                rows = [_pull_slice(node, upstreams[node], i, count, needs) for i in range(count)]
            except (ValueError, IndexError, TypeError, AttributeError):
                return None
        else:
            continue
        for index, source in enumerate(needs):
            if source is not None and all(row[index] is not None for row in rows):
                part = xp.stack([row[index] for row in rows])
                terms[source] = part if source not in terms else terms[source] + part
    return terms


def _without_batch(nodes: Sequence[Node], wanted: set[Any]) -> set[Node]:
    """The wanted nodes, and those that are computed from them alone by rearranging."""
    shared = {n for n in nodes if n in wanted}
    for node in reversed(nodes):
        rearranges = node.op.kind == "linear" and len(node.inputs) == 1
        if rearranges and node.inputs[0] in shared:
            shared.add(node)
    return shared


def _pull(node: Node, upstream: Any, values: Any, needs: Any) -> Sequence[Any]:
    return node.op.pull(node, upstream, values, needs)


def _pull_slice(node: Node, upstream: Any, i: int, count: int, needs: Any) -> Sequence[Any]:
    """The rule of `node` on example i alone: every batched value cut down to that example."""

    def cut(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(cut(v) for v in value)
        if hasattr(value, "shape") and value.ndim and value.shape[0] == count:
            return value[i : i + 1]
        return value

    if upstream.shape[0] != count:
        raise ValueError("no batch to take an example of")
    places = node.plan.positions
    values = tuple(
        value if place < len(needs) and needs[place] is not None else cut(value)
        for place, value in zip(places, retained_values(node))
    )
    likes = node.likes and tuple(
        like
        if like is None or need is not None or not like.shape or like.shape[0] != count
        else Like((1, *like.shape[1:]), like.dtype)
        for like, need in zip(node.likes, needs)
    )
    options = {name: cut(value) for name, value in node.options.items()}
    single = make_node(node.op, node.inputs, values, node.plan, likes, options)
    return node.op.pull(single, upstream[i : i + 1], values, needs)
