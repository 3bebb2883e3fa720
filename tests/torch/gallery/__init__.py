"""The gallery of broken and healthy models, in PyTorch: the same complaints, the same lines.

A case is a function that returns ``(model, step)``; the test calls ``step()`` with a ledger open.
The line that a finding must name bears the comment ``# <- here``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from localgrad.torch import Ledger
from tests.ledger.gallery import Build, Case

BROKEN: list[Case] = []
HEALTHY: list[Case] = []


def broken(kind: str, complaint: str, audited: bool = False) -> Any:
    """Enter a broken model into the gallery."""

    def enter(build: Build) -> Build:
        BROKEN.append(Case(build, kind, complaint, audited))
        return build

    return enter


def healthy(reason: str) -> Any:
    """Enter a healthy model that looks a little like a broken one."""

    def enter(build: Build) -> Build:
        HEALTHY.append(Case(build, None, reason))
        return build

    return enter


def record(case: Case) -> Ledger:
    """The ledger of a case's step, from the same random numbers each time.

    PyTorch refuses some sweeps; the ledger has what was heard until then.
    """
    torch.manual_seed(0)
    model, step = case.build()
    ledger = Ledger(model, level="edges" if case.audited else "norms")
    try:
        with ledger:
            step()
    except RuntimeError:
        assert case.kind in ("mutated", "cut")
    if case.audited:
        ledger.audit()
    return ledger


def draw(*shape: int, seed: int = 0, scale: float = 1.0) -> torch.Tensor:
    """Normal random numbers."""
    numbers = np.random.default_rng(seed).normal(0, scale, shape).astype("float32")
    return torch.from_numpy(numbers)


def weight(*shape: int, seed: int = 0, scale: float | None = None) -> torch.Tensor:
    """A leaf that requires a gradient; by default of He's size."""
    size = (2 / shape[0]) ** 0.5 if scale is None else scale
    return draw(*shape, seed=seed, scale=size).requires_grad_()


def parameter(*shape: int, seed: int = 0, scale: float | None = None) -> torch.nn.Parameter:
    """The same as a module's parameter."""
    return torch.nn.Parameter(weight(*shape, seed=seed, scale=scale).detach())


from tests.torch.gallery import (  # noqa: E402  the rooms enter their cases above
    broken_flow,
    broken_numbers,
    broken_reach,
    healthy_networks,
    healthy_parts,
)

ROOMS = (broken_numbers, broken_flow, broken_reach, healthy_parts, healthy_networks)
