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

_MOST_TILINGS = 64
_tilings: dict[tuple[tuple[int, ...], str], bool] = {}  # layouts that were looked at before


@dataclass(slots=True)
class Slice:
    """``upstream`` at ``key`` of zeros in ``shape``. NumPy makes the array of it when asked."""

    upstream: Any
    key: Any
    shape: tuple[int, ...]
    row: int = -1  # of the upstream's moments, where they are known

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


def sent_back(node: Node, upstream: Any, needs: Any, row: int) -> Any:
    """What ``node``, whose operation the engine adds in place, sends to its argument.

    row: of the upstream's moments.
    """
    if node.op.name == "getitem" and upstream.__class__ is xp.ndarray:
        return Slice(upstream, node.options["key"], node.likes[0].shape, row)
    return node.op.pull(node, upstream, (), needs)[0]


def add_slices(moments: Moments, parts: list[Any], total: Any) -> tuple[list[int], int, float]:
    """Measure contributions, some of them slices, against their sum.

    Returns their rows, the sum's, and ‖g − Σgᵢ‖². A slice is measured where it lies: against that
    part of the sum, and as zeros elsewhere.
    """
    plain = [part.__class__ is Slice and is_basic(part.key) for part in parts]
    if all(plain) and _is_tiled(total.shape, [part.key for part in parts]):
        return _add_tiles(moments, parts, total)
    rest = xp.array(total)
    rows = []
    for part, is_plain in zip(parts, plain):
        if is_plain:
            row, _ = moments.add_join([part.upstream], total[part.key])
            moments.widen(row, total.size)
            rest[part.key] -= part.upstream
        else:
            whole = xp.asarray(getattr(part, "value", part))
            row, _ = moments.add_join([whole], total)
            rest -= whole
        rows.append(row)
    return rows, moments.add(total), moments.square(moments.add(rest))


def _add_tiles(moments: Moments, parts: list[Slice], total: Any) -> tuple[list[int], int, float]:
    """The same for slices that cover the sum, each element once.

    Where the sum holds just what was sent, the moments of both are the upstream's, known before.
    """
    places, sent = [total[part.key] for part in parts], [part.upstream for part in parts]
    first = moments.add_tiles(places, sent, [part.row for part in parts], total.size)
    if first is not None:
        whole = first + len(parts)
        return list(range(first, whole)), whole, 0.0
    joined = [moments.add_join([array], place) for array, place in zip(sent, places)]
    rows = [row for row, _ in joined]
    whole = moments.add_up([row + 1 for row in rows])  # a sum's row follows those of its parts
    for row in rows:
        moments.widen(row, total.size)
    return rows, whole, sum([difference for _, difference in joined])


def _is_tiled(shape: tuple[int, ...], keys: list[Any]) -> bool:
    """Whether every element is in one of the slices, and in one only."""
    name = shape, repr(keys)
    known = _tilings.get(name)
    if known is None:
        count = xp.zeros(shape, xp.int32)
        for key in keys:
            count[key] += 1
        if len(_tilings) >= _MOST_TILINGS:
            _tilings.clear()
        known = _tilings[name] = bool((count == 1).all())
    return known
