"""Counting units that are dead or saturated, from the values of one layer.

The moments of the whole array tell at once when there can be none, so the count by unit is made
only where it matters.
"""

from __future__ import annotations

from typing import Any

from localgrad.kernels import reference as xp
from localgrad.ledger.model import Units
from localgrad.ledger.thresholds import Thresholds
from localgrad.ledger.vocabulary import canonical

_FORMS = ("relu", "sigmoid", "tanh", "softmax")


def form_of(op: str) -> str | None:
    """Which unit-wise activation an operation's output is, if it is one; fused ones end in it.

    >>> form_of("relu"), form_of("linear_relu"), form_of("TanhBackward0"), form_of("leaky_relu")
    ('relu', 'relu', 'tanh', None)
    """
    name = canonical(op).replace("relu6", "relu")
    if name in _FORMS:
        return name
    last = name.rpartition("_")[2]
    plain = name not in ("leaky_relu", "log_softmax", "log_sigmoid") and last in _FORMS
    return last if plain else None


def unit_axis(shape: tuple[int, ...], after_convolution: bool) -> int | None:
    """The axis along which units lie: channels after a convolution, features otherwise."""
    if len(shape) < 2:
        return None
    return 1 if after_convolution or len(shape) > 3 else len(shape) - 1


def tally(form: str, value: Any, after_convolution: bool, limits: Thresholds) -> Units | None:
    """Count the units of ``value``, the output of an activation of the given form."""
    if form == "softmax":
        return _rows(value, limits)
    axis = unit_axis(value.shape, after_convolution)
    if axis is None or not value.size:
        return None
    others = tuple(i for i in range(value.ndim) if i != axis)
    count = value.shape[axis]
    if form == "relu":
        # One example often shows at once that most channels are alive.
        if value.ndim > 2 and _alive(value[:1], others) > (1 - limits.dead_units) * count:
            return None
        return Units(axis, count, dead=count - _alive(value, others))
    part = xp.mean(level(form, value, limits.saturated_local), axis=others)
    return Units(axis, count, saturated=int(xp.count_nonzero(part >= limits.saturated_batch)))


def _alive(value: Any, others: tuple[int, ...]) -> int:
    """How many units are not zero for at least one example."""
    return int(xp.count_nonzero(xp.any(value, axis=others)))


def level(form: str, value: Any, limit: float) -> Any:
    """Where the local gradient is below ``limit`` times its largest: y(1-y)·4 or 1-y²."""
    local = 1 - value * value if form == "tanh" else 4 * value * (1 - value)
    return local < limit


def worth_counting(
    form: str, mean_square: float, mean: float, zeros: float, limits: Thresholds
) -> bool:
    """Whether the moments allow enough dead or saturated units to speak of.

    With a part p of the elements saturated, the mean square of tanh is at least p(1 - limit), and
    that of a sigmoid about its middle at least p(1 - limit)/4.
    """
    if form == "relu":
        return zeros >= limits.dead_units
    if form == "softmax":
        return True
    least = limits.saturated_units * limits.saturated_batch * (1 - limits.saturated_local)
    if form == "tanh":
        return mean_square >= least
    return mean_square - mean + 0.25 >= least / 4


def _rows(value: Any, limits: Thresholds) -> Units | None:
    """Softmax: a row whose largest weight leaves nothing for the others."""
    if value.ndim < 2 or value.shape[-1] < 2:
        return None
    top = xp.max(value, axis=-1)
    saturated = int(xp.count_nonzero(4 * top * (1 - top) < limits.saturated_local))
    return Units(None, top.size, saturated=saturated)
