"""Whether the sweep is linear: chains of 10³ to 10⁶ nodes, one number each.

Building the chain is not timed; the sweep is, with the freeing of what it passes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from localgrad.bench.workload import Running, Workload

LENGTHS = {"10³": 10**3, "10⁴": 10**4, "10⁵": 10**5, "10⁶": 10**6}


def sweeps(ones: Callable[[], Any], length: int) -> Running:
    """`before` builds y ← y · 1.0 so many times; `step` sweeps and drops the chain."""
    x = ones()
    built: list[Any] = []

    def build() -> None:
        x.grad = None
        y = x
        for _ in range(length):
            y = y * 1.0
        built.append(y)

    def sweep() -> Any:
        built[-1].backward()
        built.clear()
        return x.grad

    return Running(sweep, before=build)


def with_localgrad(case: str) -> Running:
    """A chain of Tensors."""
    import localgrad as lg

    return sweeps(lambda: lg.asarray(1.0, requires_grad=True), LENGTHS[case])


def with_torch(case: str) -> Running:
    """The same in PyTorch."""
    import torch

    return sweeps(lambda: torch.tensor(1.0, requires_grad=True), LENGTHS[case])


WORKLOAD = Workload(
    "chains",
    "the sweep of a chain of scalar products, time per node",
    {"localgrad": with_localgrad, "torch": with_torch},
    cases=tuple(LENGTHS),
    units=LENGTHS.__getitem__,
)
