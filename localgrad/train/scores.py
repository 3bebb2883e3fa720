"""Scores of a batch, as plain numbers: they are read, not differentiated."""

from __future__ import annotations

from typing import Any

import numpy


def accuracy(logits: Any, labels: Any) -> float:
    """The share of examples whose largest logit, along axis 1, is at their label."""
    return float(numpy.mean(logits.value.argmax(axis=1) == labels.value))


SHARES = ("accuracy", "IoU")
"""Scores that are a share of a whole, shown in percent."""


def shown(name: str, value: float) -> str:
    """A loss or a score as a person reads it: `loss 0.0123`, `accuracy 98.1 %`."""
    return f"{name} {100 * value:.2f} %" if name.endswith(SHARES) else f"{name} {value:.4f}"
