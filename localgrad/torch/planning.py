"""Which nodes of a sweep need a hook, and what it is to do.

A hook is Python that runs when a large operation has just swept the caches, where it costs several
times what it does in a loop of its own: the fewer the better. Where a value has one consumer, the
contribution is the sum. So a node that has a hook measures, beside what arrived there, what it
sends to such nodes, and these need none for that; nor do the nodes on the way that only rearrange
what they are given.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import NamedTuple

from localgrad.torch.joins import Target
from localgrad.torch.walk import Entry, Graph

#: What is done with a contribution when it is sent: it flows into a leaf; it is held until its sum
#: is known; it is measured, being the sum; it may be the sender's own sum, which is known.
INTO_LEAF, HELD, IS_SUM, MAY_BE_KNOWN = range(4)

Plan = list[tuple[int, Target, int]]  # argument, target, and what is done


class Hook(NamedTuple):
    """A node that needs a hook. is_told: what arrives there was measured when it was sent."""

    node: int
    plan: Plan
    is_told: bool


@dataclass
class Planner:
    """The choice for the nodes of one walk.

    held, slices: the targets where several contributions meet.
    filled: the leaves whose numbers are read elsewhere.
    spares: whether any node may go without a hook.
    quiet: nodes without a hook, each with the target that has the same numbers.
    silent: all nodes without a hook.
    """

    graph: Graph
    held: Collection[Target]
    slices: Collection[Target]
    filled: Collection[int]
    spares: bool
    quiet: dict[int, Target] = field(default_factory=dict)
    silent: set[int] = field(default_factory=set)

    def hooks(self, nodes: list[int], roots: list[Target]) -> list[Hook]:
        """The hooks that are needed; of ``nodes`` the one consumer of a value comes before it."""
        entries, silent, found = self.graph.entries, self.silent, []
        told: set[int] = set()
        for index in nodes:
            entry = entries[index]
            may_be_quiet = self.spares and entry.kind.rearranges and (index, 0) not in roots
            if may_be_quiet and self._is_quiet((index, 0), entry):
                continue
            plan = self._plan(entry)
            is_told = index in told
            if is_told and all(action >= IS_SUM for _, _, action in plan):
                silent.add(index)
                continue
            told.update([target[0] for _, target, action in plan if action == IS_SUM])
            found.append(Hook(index, plan, is_told))
        return found

    def past_quiet(self, target: Target) -> Target:
        """The target that has the same numbers, behind nodes that only rearrange."""
        entries = self.graph.entries
        while (entry := entries[target[0]]).kind.rearranges and self._is_quiet(target, entry):
            target = self.quiet[target[0]]
        return target

    def _is_quiet(self, target: Target, entry: Entry) -> bool:
        """Whether a node that only rearranges needs no hook: its argument is measured anyway."""
        index = target[0]
        if index in self.quiet:
            return True
        (below,) = entry.targets
        if below is None:
            return False
        held, slices = self.held, self.slices
        if target in held or below in held or target in slices or below in slices:
            return False
        if self.graph.entries[below[0]].variable is not None and below[0] not in self.filled:
            return False
        self.quiet[index] = below
        self.silent.add(index)
        return True

    def _plan(self, entry: Entry) -> Plan:
        """The arguments of a node whose contributions need anything done when they are sent."""
        entries, filled, plan = self.graph.entries, self.filled, []
        argument = -1
        for target in entry.targets:
            argument += 1
            if target is None or target[0] in filled:
                continue
            if target in self.held:
                action = HELD
            elif entries[target[0]].variable is not None:
                action = INTO_LEAF
            else:
                if self.spares:
                    target = self.past_quiet(target)
                    if target[0] in filled:
                        continue
                if self.spares and not self._meets_others(target):
                    action = IS_SUM
                elif entry.kind.passes_through:
                    action = MAY_BE_KNOWN
                else:
                    continue
            plan.append((argument, target, action))
        return plan

    def _meets_others(self, target: Target) -> bool:
        """Whether the node is given more than this one contribution."""
        return target in self.slices or target[0] in self.graph.several
