"""What one operation costs: 500 sines and 500 products with a scalar on 32 elements.

Forward and backward; the arithmetic is next to nothing, so this is the price of the graph.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from localgrad.bench.workload import Running, Workload

PAIRS, ELEMENTS = 500, 32


def chain(sin: Callable[[Any], Any], x: Any) -> Callable[[], Any]:
    """A step: `PAIRS` times y ← sin(y) · 1.001, then the gradient of the sum."""

    def step() -> Any:
        x.grad = None
        y = x
        for _ in range(PAIRS):
            y = sin(y) * 1.001
        total = y.sum()
        total.backward()
        return total

    return step


def start() -> Any:
    """The first value of the chain."""
    return np.linspace(-1, 1.5, ELEMENTS, dtype=np.float32)


def with_localgrad(case: str) -> Running:
    """`lg.sin` and `*` on a Tensor."""
    import localgrad as lg

    return Running(chain(lg.sin, lg.asarray(start(), requires_grad=True)))


def with_torch(case: str) -> Running:
    """The same in PyTorch."""
    import torch

    return Running(chain(torch.sin, torch.from_numpy(start()).requires_grad_()))


WORKLOAD = Workload(
    "overhead",
    "500 sin and 500 scalar products on 32 elements, forward and backward",
    {"localgrad": with_localgrad, "torch": with_torch},
    targets={"localgrad": 0.5},
    units=lambda case: 2 * PAIRS,
)
