"""Scores of a batch, as plain numbers: they are read, not differentiated."""

from __future__ import annotations

from typing import Any

import numpy


def accuracy(logits: Any, labels: Any) -> float:
    """The share of examples whose largest logit, along axis 1, is at their label."""
    return float(numpy.mean(logits.value.argmax(axis=1) == labels.value))


def overlap(found: Any, wanted: Any) -> float:
    """Intersection over union of what is not background (0), right only where the classes agree."""
    right = numpy.count_nonzero((found == wanted) & (wanted > 0))
    either = int(numpy.count_nonzero((found > 0) | (wanted > 0)))
    return int(right) / max(either, 1)


def box_overlap(found: Any, wanted: Any) -> float:
    """The mean intersection over union of boxes (n, 4): top, left, bottom, right."""
    corner = numpy.maximum(found[:, :2], wanted[:, :2])
    opposite = numpy.minimum(found[:, 2:], wanted[:, 2:])
    common = numpy.prod(numpy.clip(opposite - corner, 0, None), axis=1)
    areas = [numpy.prod(numpy.clip(b[:, 2:] - b[:, :2], 0, None), axis=1) for b in (found, wanted)]
    return float(numpy.mean(common / (areas[0] + areas[1] - common)))


SHARES = ("accuracy", "IoU")
"""Scores that are a share of a whole, shown in percent."""


def amount(name: str, value: float) -> str:
    """The value of a loss or a score as a person reads it: `0.0123`, `98.10 %`."""
    return f"{100 * value:.2f} %" if name.endswith(SHARES) else f"{value:.4f}"


def shown(name: str, value: float) -> str:
    """A loss or a score with its name: `loss 0.0123`, `accuracy 98.10 %`."""
    return f"{name} {amount(name, value)}"
