"""What is measured: a workload, and the contenders that run it.

A workload is a Python file with one `WORKLOAD`. Its contenders do the same work from the same
initial weights on the same data, each in a process of its own, so a workload file imports no
framework until a contender is built.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from localgrad.errors import no_workload_file, unknown_workload

BUILT_IN = (
    "overhead", "chains", "mlp_tiny", "mlp_mid", "cnn", "resnet", "lstm", "gpt",
    "ledger", "ledger_torch",
)  # fmt: skip
"""The workloads of this package, in the order in which they are run and shown."""


@dataclass(frozen=True)
class Running:
    """A contender that is ready to run: `step` is timed, `before` (if any) is not.

    `step` returns the loss, or anything that `float()` takes, or None.
    """

    step: Callable[[], Any]
    before: Callable[[], Any] | None = None


@dataclass(frozen=True)
class Workload:
    """A piece of work and who can do it.

    contenders: name -> function of a case that builds it. The first word of the name is the
        package it needs: "localgrad", "torch compile", "jax jit".
    reference: the contender that the others are compared with.
    subject: the contender whose ratio must stay within `target`.
    cases: the sizes or models to run, each on its own.
    flops: the arithmetic of one step in matrix products and convolutions, for the share of peak.
    units: how many operations a step of a case is, for a time per operation.
    targets: contender -> the largest ratio to the reference that is good enough.
    inside: localgrad takes part in every contender (a recorder inside PyTorch, say).
    """

    name: str
    about: str
    contenders: Mapping[str, Callable[[str], Running]]
    reference: str = "torch"
    targets: Mapping[str, float] = field(default_factory=dict)
    cases: tuple[str, ...] = ("",)
    flops: float = 0.0
    units: Callable[[str], int] | None = None
    inside: bool = False

    def chosen(self, against: tuple[str, ...]) -> list[str]:
        """Names of the contenders to run: localgrad's own and those of the given packages.

        The reference is always among them, since a ratio needs it.
        """
        families = {"localgrad", *against}
        return [n for n in self.contenders if family(n) in families or n == self.reference]


def family(contender: str) -> str:
    """The package that a contender needs: the first word of its name."""
    return contender.split()[0]


def load(spec: str) -> Workload:
    """The workload of a built-in name, or of a file `*.py` that defines `WORKLOAD`.

    Raises LocalgradError for a name that is neither, with the nearest names there are.
    """
    if spec.endswith(".py"):
        module = _from_file(Path(spec))
    elif spec in BUILT_IN:
        module = importlib.import_module(f"localgrad.bench.workloads.{spec}")
    else:
        raise unknown_workload(spec, BUILT_IN)
    workload = getattr(module, "WORKLOAD", None)
    if not isinstance(workload, Workload):
        raise no_workload_file(Path(spec))
    return workload


def _from_file(path: Path) -> ModuleType:
    found = importlib.util.spec_from_file_location(f"workload_{path.stem}", path)
    if found is None or found.loader is None or not path.exists():
        raise no_workload_file(path)
    module = importlib.util.module_from_spec(found)
    sys.modules[found.name] = module
    found.loader.exec_module(module)
    return module
