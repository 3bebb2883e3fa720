"""What the nodes of a ledger computed, measured when somebody asks.

A ledger holds these arrays anyway, because `through` and `audit` compute with them; so a training
step need not read them once more. A value that is about to be written into is measured first, which
`graph/mutation.py` tells.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from math import isfinite
from typing import Any

from localgrad.graph import mutation
from localgrad.graph.node import Node
from localgrad.kernels import reference as xp
from localgrad.ledger import units
from localgrad.ledger.measure import Moments, is_rearranged, shares_memory
from localgrad.ledger.model import Units
from localgrad.ledger.thresholds import Thresholds
from localgrad.local.operation import likes_of

ndarray = xp.ndarray


@dataclass(slots=True)
class Made:
    """A node as it was made. `inputs` and `kept` outlive the sweep, which frees the node's own."""

    inputs: tuple[Node | None, ...]
    kept: Any
    arguments: Any  # as they were given: arrays, Tensors and scalars
    value: Any  # until it is measured; from then on at level "values"
    is_measured: bool = False
    row: int = -1  # of the value's moments; -1 where there are none
    likes: Any = None
    shape: tuple[int, ...] = ()
    dtype: Any = None


class Values:
    """The nodes that a ledger heard of, and what is known of their values."""

    def __init__(self, moments: Moments, level: str, thresholds: Thresholds) -> None:
        self.moments = moments
        self.level = level
        self.thresholds = thresholds
        self.made: dict[Node, Made] = {}
        self.units: dict[Node, Units] = {}
        self.bad_inputs: set[Node] = set()
        self._in_memory: dict[int, list[Node]] = {}  # whose values lie in memory of this owner
        self._placed = 0  # how many nodes were entered there
        mutation.listeners.add(self)

    def measure_all(self) -> None:
        """Measure what was not measured before."""
        for node in self.made:
            self.measure(node)

    def about_to_change(self, arrays: Any) -> None:
        """Something will write into these arrays: measure first what lies in their memory."""
        for node, made in islice(self.made.items(), self._placed, None):
            if made.value.__class__ is ndarray:
                self._in_memory.setdefault(id(mutation.owner_of(made.value)), []).append(node)
        self._placed = len(self.made)
        for array in arrays:
            for node in self._in_memory.pop(id(mutation.owner_of(array)), ()):
                self.measure(node)

    def measure(self, node: Node) -> None:
        """Measure one node's value, if it was not measured before."""
        made = self.made[node]
        if made.is_measured:
            return
        y, made.is_measured = made.value, True
        if self.level != "values":
            made.value = None
        is_composite = node.op.kind == "composite" and made.arguments is not None
        made.likes = likes_of(made.arguments) if is_composite else node.likes
        if y is None or y.__class__ is tuple:
            return
        made.shape, made.dtype = y.shape, y.dtype
        known = self._row_of_view(node, made, y)
        if known is not None:
            made.row = known
            return
        made.row = self.moments.add(y)
        form = units.form_of(node.op.name)
        if form is not None:
            self._count_units(node, made, form, y)
        if not isfinite(self.moments.square(made.row)):
            self._look_for_bad_inputs(node, made)

    def _row_of_view(self, node: Node, made: Made, y: Any) -> int | None:
        """The argument's moments, where a value only lies there differently; None: measure it."""
        if node.op.kind != "linear" or len(made.inputs) != 1:
            return None
        source = self.made.get(made.inputs[0]) if made.inputs[0] is not None else None
        argument = getattr(made.arguments[0], "value", made.arguments[0])
        if source is not None and source.row >= 0 and is_rearranged(y, argument):
            return source.row
        # A slice shows nothing that its source does not.
        return -1 if self.level == "norms" and shares_memory(y, argument) else None

    def _count_units(self, node: Node, made: Made, form: str, y: Any) -> None:
        moments, limits, size = self.moments, self.thresholds, max(y.size, 1)
        if y.dtype.char in "fd" and units.worth_counting(
            form,
            moments.square(made.row) / size,
            moments.total(made.row) / size,
            moments.zeros(made.row) / size,
            limits,
        ):
            source = made.inputs[0]
            after = source is not None and "conv" in source.op.name
            found = units.tally(form, y, after or "conv" in node.op.name, limits)
            if found is not None and (found.dead or found.saturated):
                self.units[node] = found

    def _look_for_bad_inputs(self, node: Node, made: Made) -> None:
        for source, value in zip(made.inputs, made.arguments):
            array = getattr(value, "value", value)
            is_data = source is None and array.__class__ is ndarray and array.dtype.kind == "f"
            if is_data and not bool(xp.all(xp.isfinite(array))):
                self.bad_inputs.add(node)
