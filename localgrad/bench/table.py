"""The results as tables in the terminal."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from localgrad.bench.results import Comparison, Outcome, Results
from localgrad.report.hanging import Hanging

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

Cells = Callable[[Comparison, Outcome, float], list[str]]

NONE = "–"


TIMES = ("workload", "contender", "step", "each", "spread", "ratio", "to best", "of peak", "losses")
COSTS = ("workload", "contender", "step memory", "process memory", "cold start", "warm start")
_INDENT = "  "


def show(results: Results, console: Console) -> None:
    """Print every contender of every workload, then what was wanted and what was reached."""
    from rich.text import Text

    machine = results.machine
    console.print(
        f"{machine['processor']}, {machine['cores']} cores, "
        f"matrix products at {machine['gflops']:.0f} GFLOP/s"
    )
    for headings, cells in ((TIMES, times), (COSTS, costs)):
        console.print()
        console.print(_table(results, headings, cells))
    console.print()
    for line in [*failures(results), *verdicts(results)]:
        console.print(Hanging(Text(line), len(_INDENT)))


def _table(results: Results, headings: Sequence[str], cells: Cells) -> Table:
    """A line a workload and, under it, one a contender, in the columns that anybody fills.

    Workloads have no column of their own, so that 80 cells are enough.
    """
    from rich.table import Table

    rows = [
        cells(comparison, outcome, results.machine["gflops"])
        for comparison in results.comparisons
        for outcome in comparison.outcomes
    ]
    kept = [
        column
        for column in range(1, len(headings))
        if any(row[column:] and row[column] != NONE for row in rows)
    ]
    names = [headings[column].replace(" ", "\n") for column in kept]
    table = Table(*names, box=None, header_style="bold", pad_edge=False)
    workload = ""
    for row in rows:
        if row[0] != workload:
            workload = row[0]
            table.add_row(workload)
        ours = row[1].startswith("localgrad")
        row[1] = _INDENT + row[1]
        filled = (row[column] for column in kept if column < len(row))
        table.add_row(*filled, style="bold green" if ours else "")
    return table


def times(comparison: Comparison, outcome: Outcome, gflops: float) -> list[str]:
    """The cells of one contender under `TIMES`."""
    cells = [_name(comparison), outcome.contender]
    if outcome.failure:
        return [*cells, "failed"]
    share = comparison.flops / outcome.time / 1e9 / gflops if comparison.flops else math.nan
    return [
        *cells,
        duration(outcome.time),
        NONE if comparison.units is None else duration(outcome.time / comparison.units),
        span(min(outcome.rounds), max(outcome.rounds)),
        number(comparison.ratio(outcome.contender)),
        number(comparison.ratio_to_best(outcome.contender)),
        NONE if math.isnan(share) else f"{share:.0%}",
        {True: "agree", False: "DIFFER", None: NONE}[outcome.agrees],
    ]


def costs(comparison: Comparison, outcome: Outcome, gflops: float) -> list[str]:
    """The cells of one contender under `COSTS`."""
    return [
        _name(comparison),
        outcome.contender,
        megabytes(outcome.step_memory),
        megabytes(outcome.total_memory),
        NONE if outcome.cold is None else f"{outcome.cold:.1f} s",
        NONE if outcome.warm is None else f"{outcome.warm:.1f} s",
    ]


def failures(results: Results) -> list[str]:
    """One line for each contender that did not finish, with its last words."""
    return [
        f"{_name(comparison)}: {outcome.contender} failed: {outcome.failure}"
        for comparison in results.comparisons
        for outcome in comparison.outcomes
        if outcome.failure
    ]


def verdicts(results: Results) -> list[str]:
    """One line for each target: reached or missed, by how much."""
    lines = []
    for comparison in results.comparisons:
        for contender, target in comparison.targets.items():
            ratio = comparison.ratio(contender)
            if not math.isnan(ratio):
                word = "reached" if ratio <= target else "missed"
                lines.append(
                    f"{_name(comparison)}: {contender} takes {ratio:.2f} of "
                    f"{comparison.reference}, target {target:.2f} {word}"
                )
    mean = results.geometric_mean()
    if not math.isnan(mean):
        lines.append(f"training steps: {mean:.2f} of torch as the geometric mean")
    return lines


def duration(seconds: float) -> str:
    """Three significant digits in ns, µs, ms or s."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def span(low: float, high: float) -> str:
    """``1.74 … 2 ms``: the unit once where both have the same."""
    first, last = duration(low), duration(high)
    figure, unit = first.split()
    return f"{figure if last.endswith(f' {unit}') else first} … {last}"


def number(ratio: float) -> str:
    """Two decimals, or a dash for NaN."""
    return NONE if math.isnan(ratio) else f"{ratio:.2f}"


def megabytes(size: int | None) -> str:
    """Bytes as MiB, or a dash for None."""
    return NONE if size is None else f"{size / 2**20:.0f} MiB"


def _name(comparison: Comparison) -> str:
    return f"{comparison.workload} {comparison.case}".strip()
