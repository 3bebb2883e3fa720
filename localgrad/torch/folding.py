"""Nodes that only bring a parameter into shape: they fold into the operation that uses it.

``nn.Linear`` transposes its weight, mixed precision casts it; PyTorch makes a node of each. To a
reader the weight is the linear layer's own.
"""

from __future__ import annotations

from localgrad.torch.joins import Target
from localgrad.torch.names import is_cast, is_permutation
from localgrad.torch.sweep import Sweep


def folded(sweep: Sweep) -> dict[int, Target]:
    """Return, for each node that folds, the consumer it folds into, and which argument it was."""
    entries, uses = sweep.graph.entries, sweep.graph.uses
    consumers: dict[Target, Target] = {
        target: (index, argument)
        for index, entry in enumerate(entries)
        for argument, target in enumerate(entry.targets)
        if target is not None
    }
    found: dict[int, Target] = {}

    def folds(index: int) -> bool:
        """Whether this node does nothing but reshape or cast a parameter for one consumer."""
        entry = entries[index]
        if len(entry.targets) != 1 or entry.targets[0] is None or uses.get((index, 0)) != 1:
            return False
        if not (is_permutation(entry.op) or is_cast(entry.op)):
            return False
        below = entry.targets[0][0]
        return entries[below].variable is not None or folds(below)

    for index in range(len(entries)):
        if entries[index].variable is None and folds(index):
            found[index] = consumers[index, 0]
    for index, (consumer, argument) in list(found.items()):
        while consumer in found:  # a cast, then a transposition
            consumer, argument = found[consumer]
        found[index] = consumer, argument
    return found
