"""What a slice sends back, without the zeros around it.

The contribution of ``x[key]`` to x is zeros in x's shape with the upstream at ``key``. A loop over
the time steps of a sequence sends as many of them as there are steps, so a ledger that held them
whole would need the memory of the sequence once for every step.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from localgrad.graph.node import Node
from localgrad.kernels import reference as xp
from localgrad.ledger.measure import Moments
from localgrad.ops.indexing import is_basic


@dataclass(slots=True, frozen=True)
class Slice:
    """``upstream`` at ``key`` of zeros in ``shape``. NumPy makes the array of it when asked."""

    upstream: Any
    key: Any
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        return prod(self.shape)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        whole = xp.zeros(self.shape, dtype or self.upstream.dtype)
        xp.add.at(whole, self.key, self.upstream)
        return whole

    def __getitem__(self, index: Any) -> Any:
        return xp.asarray(self)[index]

    def tolist(self) -> Any:
        return xp.asarray(self).tolist()


def sent_back(node: Node, upstream: Any, needs: Any) -> Any:
    """What ``node``, whose operation the engine adds in place, sends to its argument."""
    if node.op.name == "getitem" and upstream.__class__ is xp.ndarray:
        return Slice(upstream, node.options["key"], node.likes[0].shape)
    return node.op.pull(node, upstream, (), needs)[0]


def add_slices(moments: Moments, parts: list[Any], total: Any) -> tuple[list[int], int, float]:
    """Measure contributions, some of them slices, against their sum.

    Returns their rows, the sum's, and ‖g − Σgᵢ‖². A slice is measured where it lies: against that
    part of the sum, and as zeros elsewhere.
    """
    rest = xp.array(total)
    rows = []
    for part in parts:
        if part.__class__ is Slice and is_basic(part.key):
            row, _ = moments.add_join([part.upstream], total[part.key])
            moments.widen(row, total.size)
            rest[part.key] -= part.upstream
        else:
            whole = xp.asarray(getattr(part, "value", part))
            row, _ = moments.add_join([whole], total)
            rest -= whole
        rows.append(row)
    return rows, moments.add(total), moments.square(moments.add(rest))
