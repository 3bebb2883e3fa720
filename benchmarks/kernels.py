"""Measures each kernel beside PyTorch's, in two processes that take turns; prints a table.

    python benchmarks/kernels.py                      all of them
    python benchmarks/kernels.py product "conv to"    those whose name begins with one of these
    python benchmarks/kernels.py --list               their names

Results are kept in benchmarks/results/kernels.json, where a new figure replaces the old one of the
same name, so that the whole may be measured in parts.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

from kernel_cases import CASES, WORKLOAD, Case
from rich.console import Console
from rich.table import Table

from localgrad.bench import results, table
from localgrad.bench.harness import take_turns
from localgrad.bench.machine import describe, measured_bandwidth
from localgrad.bench.process import ContenderProcess
from localgrad.bench.results import Comparison, Outcome, Results

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "kernels.json"
SPEC = str(HERE / "kernel_cases.py")
OURS, THEIRS = "localgrad", "torch"
HEADINGS = ("kernel", "localgrad", "torch", "ratio", "of peak", "of bandwidth", "of roofline", "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="beginnings of names; none means all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.02, help="length of a turn")
    parser.add_argument("--save", type=Path, default=RESULTS)
    parser.add_argument("--list", action="store_true")
    given = parser.parse_args()
    chosen = [name for name in CASES if not given.names or name.startswith(tuple(given.names))]
    if given.list or not chosen:
        print(*CASES, sep="\n")
        return
    console = Console(width=None if sys.stdout.isatty() else 150)
    with console.status("measuring the machine") as status:
        machine = {**describe(), "bandwidth": measured_bandwidth() / 1e9}
        found = Results(machine, [])
        processes = [
            (
                name,
                ContenderProcess(SPEC, name, chosen[0], with_localgrad=name == OURS, caches=None),
            )
            for name in (OURS, THEIRS)
        ]
        try:
            for _, process in processes:
                process.first_step()
                process.expect("ready")
            for name in chosen:
                status.update(name)
                case = CASES[name]
                found.comparisons.append(measure(case, processes, given.rounds, given.seconds))
        finally:
            for _, process in processes:
                process.kill()
    show(found, console)
    results.save(merged(found, given.save), given.save)


def measure(
    case: Case, processes: list[tuple[str, ContenderProcess]], rounds: int, seconds: float
) -> Comparison:
    """Both build the case, agree on its result, and take turns."""
    running = [(Outcome(WORKLOAD.name, case.name, name), process) for name, process in processes]
    for outcome, process in running:
        outcome.losses = process.turn_to(case.name)
    take_turns(running, rounds, seconds, lambda _: None)
    comparison = Comparison(
        WORKLOAD.name, case.name, WORKLOAD.about, THEIRS, {OURS: 1.1}, case.flops, None,
        [outcome for outcome, _ in running], case.moved,
    )  # fmt: skip
    results.check_losses(comparison)
    return comparison


def merged(found: Results, path: Path) -> Results:
    """With what was measured before, in the order of the cases; the best rates of the machine."""
    known = {c.case: c for c in results.read(path).comparisons} if path.exists() else {}
    known.update({c.case: c for c in found.comparisons})
    machine = dict(found.machine)
    if path.exists():
        before = results.read(path).machine
        machine.update({rate: max(machine[rate], before[rate]) for rate in ("gflops", "bandwidth")})
    return Results(machine, [known[name] for name in CASES if name in known])


def show(found: Results, console: Console) -> None:
    """The table, and the kernels that take more than 1.1 of PyTorch's time."""
    rates = f"{found.machine['gflops']:.0f} GFLOP/s, {found.machine['bandwidth']:.0f} GB/s"
    console.print(f"the machine's measured peak: {rates}")
    shown = Table(*HEADINGS, box=None, pad_edge=False)
    for comparison in found.comparisons:
        shown.add_row(*cells(comparison, found.machine))
    console.print(shown)
    for line in summary(found):
        console.print(line)


def cells(comparison: Comparison, machine: dict[str, float]) -> list[str]:
    """One kernel under `HEADINGS`."""
    ours, theirs = comparison.of(OURS), comparison.of(THEIRS)
    assert ours is not None and theirs is not None
    failed = ours.failure or theirs.failure
    if failed:
        return [comparison.case, "failed", failed, "", "", "", "", ""]
    arithmetic, traffic = limits(comparison, machine)
    return [
        comparison.case,
        table.duration(ours.time),
        table.duration(theirs.time),
        table.number(comparison.ratio(OURS)),
        f"{arithmetic / ours.time:.0%}" if arithmetic else table.NONE,
        f"{traffic / ours.time:.0%}",
        f"{max(arithmetic, traffic) / ours.time:.0%}",
        "" if ours.agrees else "DIFFER",
    ]


def limits(comparison: Comparison, machine: dict[str, float]) -> tuple[float, float]:
    """Seconds of the arithmetic at the measured peak, and of the bytes at the bandwidth."""
    return (
        comparison.flops / machine["gflops"] / 1e9,
        comparison.moved / machine["bandwidth"] / 1e9,
    )


def summary(found: Results) -> list[str]:
    """For each kind of kernel: the ratios to PyTorch, and how many miss 1.1."""
    lines = []
    kinds: dict[str, list[float]] = {}
    for comparison in found.comparisons:
        kinds.setdefault(kind(comparison.case), []).append(comparison.ratio(OURS))
    for name, ratios in kinds.items():
        known = [r for r in ratios if not math.isnan(r)]
        mean = math.exp(sum(map(math.log, known)) / len(known)) if known else math.nan
        slower = sum(r > 1.1 for r in known)
        lines.append(
            f"{name}: {len(known)} shapes, {mean:.2f} of torch as the geometric mean, "
            f"{max(known, default=math.nan):.2f} at worst, {slower} above 1.1"
        )
    return lines


def kind(name: str) -> str:
    """product, linear, conv forward, … ; all that is neither is a fused pair."""
    for prefix in ("conv", "random"):
        for member in ("forward", "to input", "to weight"):
            if name.startswith(f"{prefix} {member}"):
                return f"{prefix} {member}"
    first = name.split()[0]
    return first if first in ("product", "linear") else "fused pairs"


if __name__ == "__main__":
    main()
