"""A gallery of models: broken ones, each made from a real complaint, and healthy ones.

A case is a function that returns ``(model, step)``; the test calls ``step()`` with a ledger open.
The line that a finding must name bears the comment ``# <- here``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import localgrad as lg

Build = Callable[[], tuple[Any, Callable[[], Any]]]


@dataclass(frozen=True)
class Case:
    """One model, and what the ledger has to say about it."""

    build: Build
    kind: str | None
    complaint: str
    audited: bool = False

    @property
    def name(self) -> str:
        return self.build.__name__

    @property
    def where(self) -> str:
        """``file:line`` of the marked line."""
        lines, first = inspect.getsourcelines(self.build)
        marked = [first + i for i, line in enumerate(lines) if "# <- here" in line]
        assert len(marked) == 1, f"{self.name} marks {len(marked)} lines"
        file = inspect.getsourcefile(self.build)
        assert file is not None
        return f"{Path(file).name}:{marked[0]}"


BROKEN: list[Case] = []
HEALTHY: list[Case] = []


def broken(kind: str, complaint: str, audited: bool = False) -> Callable[[Build], Build]:
    """Enter a broken model into the gallery."""

    def enter(build: Build) -> Build:
        BROKEN.append(Case(build, kind, complaint, audited))
        return build

    return enter


def healthy(reason: str) -> Callable[[Build], Build]:
    """Enter a healthy model that looks a little like a broken one."""

    def enter(build: Build) -> Build:
        HEALTHY.append(Case(build, None, reason))
        return build

    return enter


def draw(*shape: int, seed: int = 0, scale: float = 1.0) -> Any:
    """Normal random numbers as a constant."""
    return lg.asarray(np.random.default_rng(seed).normal(0, scale, shape).astype("float32"))


def weight(*shape: int, seed: int = 0, scale: float | None = None) -> Any:
    """A leaf that requires a gradient; by default of He's size."""
    size = (2 / shape[0]) ** 0.5 if scale is None else scale
    return draw(*shape, seed=seed, scale=size).requires_grad_()


def parameter(*shape: int, seed: int = 0, scale: float | None = None) -> Any:
    """The same as a module's parameter."""
    return lg.nn.Parameter(weight(*shape, seed=seed, scale=scale).detach())


from tests.ledger.gallery import (  # noqa: E402  the rooms enter their cases above
    broken_flow,
    broken_numbers,
    broken_reach,
    healthy_networks,
    healthy_parts,
)

ROOMS = (broken_numbers, broken_flow, broken_reach, healthy_parts, healthy_networks)
