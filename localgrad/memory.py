"""Recompute instead of keep: memory for time."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from localgrad import random, tree
from localgrad.graph.node import Node
from localgrad.graph.order import reachable
from localgrad.graph.recompute import Dropped
from localgrad.graph.record import clock, state
from localgrad.tensor import Tensor


def checkpoint(f: Callable[..., Any]) -> Callable[..., Any]:
    """f, whose intermediate values are not kept for backward but computed again in the sweep.

    Gradients are the same, to every order and also for parameters that f uses without taking
    them as arguments. Random draws are replayed. What f changes outside itself (running
    statistics, a counter) it changes twice.

    Chen et al., "Training Deep Nets with Sublinear Memory Cost" (2016).

    >>> import localgrad as lg
    >>> x = lg.asarray([1.0, 2.0], requires_grad=True)
    >>> lg.checkpoint(lambda x: lg.exp(lg.sin(x)))(x).sum().backward()
    """

    @functools.wraps(f)
    def checkpointed(*arguments: Any, **options: Any) -> Any:
        if not state.enabled:
            return f(*arguments, **options)
        draws = random.get_rng_state()
        scope = state.scope

        def made_since(serial: int, outputs: Any) -> set[Node]:
            roots = [
                leaf.source
                for leaf in tree.flatten(outputs)[0]
                if isinstance(leaf, Tensor) and leaf.source is not None
            ]
            return {node for node in reachable(roots) if node.serial > serial and any(node.inputs)}

        def rerun() -> set[Node]:
            outer, state.scope = state.scope, scope
            try:
                with random.replayed(draws):
                    start = next(clock)
                    return made_since(start, f(*arguments, **options))
            finally:
                state.scope = outer

        start = next(clock)
        outputs = f(*arguments, **options)
        nodes = made_since(start, outputs)
        if nodes:
            Dropped(nodes, rerun)
        return outputs

    return checkpointed
