"""The engine's observer: it hears of every node and every contribution, and measures them.

This runs inside the training step, so it measures only what will be gone afterwards, and remembers
the rest; `build.py` makes records of it when somebody asks. While a ledger is open the engine adds
no contribution into another, so the contributions of a join can be read when their sum is known.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from localgrad.graph.mutation import Mutation as Change
from localgrad.graph.mutation import mutation_since
from localgrad.graph.node import Node
from localgrad.graph.record import clock, state
from localgrad.kernels import reference as xp
from localgrad.ledger.cuts import CutWatch
from localgrad.ledger.inside import place
from localgrad.ledger.measure import Moments, is_rearranged
from localgrad.ledger.slices import Slice, add_slices, sent_back
from localgrad.ledger.thresholds import Thresholds
from localgrad.ledger.values import Made, Values

ndarray = xp.ndarray


@dataclass(slots=True)
class Contribution:
    """What a consumer sent to one of its arguments. One that is alone is all that arrived there,
    and the record of the arrival too: a training step makes a hundred of them."""

    consumer: Node
    argument: int
    array: Any  # until its sum has arrived; from then on where the level keeps it
    row: int  # of its moments; -1 where they are not known yet
    shape: tuple[int, ...] = field(init=False)  # of all that arrived, where it is that
    dtype: Any = field(init=False)
    difference: ClassVar[float] = 0.0

    @property
    def slot(self) -> int:
        """Which of several outputs it is to."""
        return self.consumer.options["slot"] if self.consumer.op.kind == "part" else 0

    @property
    def contributions(self) -> list[Contribution]:
        return [self]


@dataclass(slots=True)
class Arrival:
    """What arrived at a node: the sum, and the contributions it is the sum of."""

    row: int  # of the sum's moments
    contributions: list[Contribution]
    difference: float  # ‖g − Σgᵢ‖²
    array: Any  # the sum, at level "values"
    shape: tuple[int, ...]
    dtype: Any


def _copy(array: Any) -> Any:
    return xp.array(getattr(array, "value", array))


class Recorder:
    """What one ledger heard. The engine calls the methods; see `graph/reverse.py`."""

    def __init__(self, level: str, thresholds: Thresholds) -> None:
        self.level = level
        self.thresholds = thresholds
        self.keeps_joins = level != "norms"
        self.keeps_all = level == "values"
        self.moments = Moments()
        self.values = Values(self.moments, level, thresholds)
        self.sweeps: list[dict[Node, Arrival | Contribution]] = []
        self.roots: list[dict[Node, Any]] = []  # where each sweep began, and with what
        self.labels: dict[Node, str] = {}  # what a derivation calls its values
        self.cuts = CutWatch()
        self.mutations: list[tuple[Node, Change]] = []
        self._pending: dict[Node, Contribution | list[Contribution]] = {}
        self._page: dict[Node, Arrival | Contribution] = {}
        self._began_at = 0
        self.has_failed = False  # a sweep ended in an error
        self._row = -1  # of the moments of what has arrived at the latest node
        self._is_shared = False  # whether a value's `.grad` is retained in this sweep
        self._depth = 0
        self._deaf = 0  # sweeps that are not recorded themselves, or inside another one

    # -- the way up ----------------------------------------------------------------------------

    def made(self, node: Node, y: Any, values: Any) -> None:
        """An operation was carried out and recorded."""
        if self._deaf:
            return
        if state.inside:
            name = place(node)
            if name is not None:
                self.labels[node] = name
        self.values.made[node] = Made(node.inputs, node.kept, values, y)
        if self.cuts.living:
            self.cuts.used(node, values)
        if not node.op.makes_buffers:  # a black box may write into its own buffer again
            self.values.measure(node)

    def constant(self, op: Any, y: Any, values: Any, sources: Any) -> None:
        """An operation was carried out without a node."""
        if not self._deaf:
            self.cuts.constant(op, y, values, sources)

    def cut(self, source: Node, value: Any, reason: str, op: str = "") -> None:
        """A value leaves the graph."""
        if self._deaf:
            return
        self.cuts.cut(source, value, reason, op)
        if op == "numpy" and source in self.values.made:  # NumPy may write into it
            self.values.measure(source)

    # -- the way down --------------------------------------------------------------------------

    def began(self, recorded: bool) -> None:
        """A sweep begins; one inside another (a checkpoint's, say) is that node's own affair."""
        self._depth += 1
        if self._depth == 1:
            self._page, self._pending, self._is_shared = {}, {}, False
            self.sweeps.append(self._page)
            self._began_at = next(clock)
            self.roots.append({})
        if not recorded or self._depth > 1:
            self._deaf += 1

    def ended(self, failed: bool) -> None:
        """The innermost sweep ended, or failed."""
        if self._deaf:
            self._deaf -= 1
        self._depth -= 1
        self.has_failed |= failed
        if not self._depth:
            self._pending = {}

    def arrived(self, node: Node, upstream: Any) -> None:
        """All contributions to `node` have arrived and this is their sum."""
        if self._depth > 1:
            return
        found = self._pending.pop(node, None)
        if node.watch is not None and node.inputs:
            self._is_shared = True
        if found.__class__ is Contribution and (
            found.array is upstream or found.array.__class__ is Slice
        ):
            if found.row < 0:
                found.row = self.moments.add(upstream)
            self._row = found.row
            # The engine may hand this very buffer to `.grad`, where optimisers write into it.
            found.array = _copy(upstream) if self.keeps_all else None
            found.shape, found.dtype = upstream.shape, upstream.dtype
            self._page[node] = found
            return
        parts = [found] if isinstance(found, Contribution) else found or []
        if upstream.__class__ is tuple:
            arrival = self._page[node] = self._arrived_in_slots(upstream, parts)
            self._row = arrival.row
            return
        if parts:
            row, difference = self._join(parts, upstream)
        else:
            row, difference = self.moments.add(upstream), 0.0
            self.roots[-1][node] = _copy(upstream)
        self._row = row
        self._page[node] = Arrival(
            row,
            parts,
            difference,
            _copy(upstream) if self.keeps_all else None,
            upstream.shape,
            upstream.dtype,
        )

    def sent(self, node: Node, upstream: Any, downstreams: Any, needs: Any) -> None:
        """`node` hands a contribution to each input that needs one."""
        if self._depth > 1:
            return
        if node not in self.values.made:  # made before the ledger was opened
            self.values.made[node] = Made(node.inputs, node.kept, None, None)
        pending, op = self._pending, node.op
        if not op.makes_buffers:
            # A black box may hand out one buffer again and again: keep what it said, when it did.
            downstreams = [None if d is None else xp.array(d) for d in downstreams]
        own, add = self._row, self.moments.add
        if op.into is not None and needs[0] is not None:
            downstreams = (sent_back(node, upstream, needs, own),)
        for argument, (source, array) in enumerate(zip(needs, downstreams)):
            if source is None or array is None:
                continue
            waiting = pending.get(source)
            if array is upstream or is_rearranged(array, upstream):
                row = own  # what is handed through, or lies there differently, is not read again
            elif waiting is None and array.__class__ is ndarray and op.makes_buffers:
                row = add(array)  # it may be the only one, and is still in the cache
            else:
                row = -1
            part = Contribution(node, argument, array, row)
            if array.__class__ is tuple:  # from a `part`, whose place in it is the only one
                part.array = array[part.slot]
            if waiting is None:
                pending[source] = part
            elif isinstance(waiting, Contribution):
                pending[source] = [waiting, part]
            else:
                waiting.append(part)

    def closed(self) -> None:
        """The ledger is closed. What went wrong is measured while the data are still there."""
        if self.has_failed or not self.sweeps or not self.moments.are_finite():
            self.values.measure_all()

    def mutated(self, node: Node, change: Change) -> None:
        """A value that `node` had retained was changed in place."""
        self.mutations.append((node, change))

    def changed_since(self, array: Any) -> bool:
        """Whether an optimiser (say) has written into `array` since the last sweep began."""
        return mutation_since(array, self._began_at) is not None

    # -- details -------------------------------------------------------------------------------

    def _join(self, parts: list[Contribution], total: Any) -> tuple[int, float]:
        """Measure contributions against their sum: its row, and ‖g − Σgᵢ‖²."""
        moments = self.moments
        arrays = [part.array for part in parts]
        if Slice in [array.__class__ for array in arrays]:
            rows, row, difference = add_slices(moments, arrays, total)
        else:
            first, difference = moments.add_join(arrays, total)
            row = first + len(parts)
            rows = list(range(first, row))
        for part, own in zip(parts, rows):
            part.row = own
            if not self.keeps_joins:
                part.array = None
            elif self._is_shared:
                part.array = _copy(part.array)
            elif part.array.__class__ is not Slice:
                part.array = xp.asarray(getattr(part.array, "value", part.array))
        return row, difference

    def _arrived_in_slots(self, upstream: tuple[Any, ...], parts: list[Contribution]) -> Arrival:
        """An operation with several outputs: each contribution is to one of them."""
        rows, squares = [], 0.0
        for slot, total in enumerate(upstream):
            if total is None:
                continue
            own = [part for part in parts if part.slot == slot]
            row, difference = self._join(own, total)
            rows.append(row)
            squares += difference
        dtype = next(g.dtype for g in upstream if g is not None)
        return Arrival(self.moments.add_up(rows), parts, squares, None, (), dtype)
