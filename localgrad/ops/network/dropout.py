"""Dropout: a stochastic select. The draw is made once, before the operation, and kept with it."""

from __future__ import annotations

from typing import Any

from localgrad import random
from localgrad.kernels import reference as xp
from localgrad.local.select import select

dropout = select(
    "dropout",
    lambda x, kept, scale: xp.where(kept, x * x.dtype.type(scale), x.dtype.type(0)),
    x=lambda g, kept, scale: xp.where(kept, g * scale, 0),
    doc="x · scale where `kept`, zero elsewhere. `kept` broadcasts against x.",
    example=lambda rng: (
        (rng.standard_normal((3, 4)),), {"kept": rng.random((3, 4)) < 0.5, "scale": 2.0}
    ),
)


def drop(x: Any, p: float, shape: tuple[int, ...]) -> Any:
    """Draw what to keep, in `shape`, and drop the rest with probability p."""
    if p == 1:
        return x * 0
    return dropout(x, kept=random.bernoulli(shape, 1 - p), scale=1 / (1 - p))
