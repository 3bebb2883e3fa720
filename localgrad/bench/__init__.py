"""`localgrad bench`: the library beside PyTorch and JAX, each in its own process.

The contenders of a workload stand in one file of `workloads/`; `harness` lets them take turns,
`results` holds medians, ratios and their JSON, `table` shows them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from localgrad.bench.workload import BUILT_IN

if TYPE_CHECKING:
    from rich.console import Console

    from localgrad.bench.results import Results

__all__ = ["main"]


def main(
    workloads: Sequence[str] = (),
    against: Sequence[str] = ("torch", "jax"),
    *,
    torch: bool = False,
    rounds: int = 5,
    seconds: float = 0.5,
    save: Path | None = None,
    console: Console | None = None,
) -> Results:
    """Measure the workloads and print the table; returns what was found.

    workloads: names of built-in ones, or files `*.py` with a `WORKLOAD`; none means all built in.
    against: packages whose contenders take part; one that is not installed is shown as such.
    torch: with the workload "ledger", measure the recorder of PyTorch models instead of ours.
    rounds: turns of each contender. seconds: length of a turn. save: a JSON file for the results.
    """
    from rich.console import Console as RichConsole

    from localgrad.bench import results, table
    from localgrad.bench.harness import compare
    from localgrad.bench.machine import describe
    from localgrad.bench.workload import load

    console = console or RichConsole()
    chosen = [_resolve(name, torch) for name in workloads or BUILT_IN]
    for spec in chosen:
        load(spec)
    with console.status("measuring the machine") as status:
        found = results.Results(describe(), [])
        for spec in chosen:
            found.comparisons += compare(
                spec, against, rounds=rounds, seconds=seconds, say=status.update
            )
            if save is not None:
                results.save(found, save)
    table.show(found, console)
    return found


def _resolve(name: str, torch: bool) -> str:
    return "ledger_torch" if torch and name == "ledger" else name
