"""Counting units that are dead or saturated, on the device where the values lie."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from localgrad.ledger import units
from localgrad.ledger.model import Units
from localgrad.ledger.thresholds import Thresholds
from localgrad.torch.statistics import Meter


class UnitCount(NamedTuple):
    """A count still on its way from a device: ``number`` is its index in the meter."""

    form: str
    axis: int | None
    units: int
    number: int

    def read(self, meter: Meter) -> Units | None:
        """The finished count; None when every unit is well."""
        found = round(meter.numbers[self.number])
        if not found:
            return None
        if self.form == "relu":
            return Units(self.axis, self.units, dead=found)
        return Units(self.axis, self.units, saturated=found)


def count_units(
    form: str, value: Tensor, row: int, meter: Meter, limits: Thresholds
) -> UnitCount | None:
    """Count the units of ``value``, the output of an activation function of the given form."""
    if not value.numel() or value.is_complex():
        return None
    few = value.is_cpu and form != "relu"
    if few and not units.worth_counting(form, *meter.averages(row), limits):
        return None
    if form == "softmax":
        if value.ndim < 2 or value.shape[-1] < 2:
            return None
        top = value.amax(-1)
        bad = 4 * top * (1 - top) < limits.saturated_local
        return UnitCount(form, None, top.numel(), meter.number(torch.count_nonzero(bad)))
    axis = units.unit_axis(tuple(value.shape), value.ndim > 3)
    if axis is None:
        return None
    known = meter.zero_units(value, axis) if form == "relu" else None
    if known is not None:
        return UnitCount(form, axis, value.shape[axis], meter.number(known)) if known else None
    others = [i for i in range(value.ndim) if i != axis]
    if form == "relu":
        bad = value.amax(others) == 0
    else:
        level = units.level(form, value, limits.saturated_local)
        bad = level.to(torch.float32).mean(others) >= limits.saturated_batch
    number = meter.number(torch.count_nonzero(bad))
    return UnitCount(form, axis, value.shape[axis], number)
