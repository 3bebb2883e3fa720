"""Writes docs/performance.md from the results in benchmarks/results.

    localgrad bench --save benchmarks/results/NAME.json
    localgrad bench ledger ledger_torch --save benchmarks/results/ledger.json
    python benchmarks/kernels.py           # --save benchmarks/results/kernels_NAME.json
    python benchmarks/performance_page.py
"""

from __future__ import annotations

import math
from pathlib import Path

import kernels

from localgrad.bench import results, table
from localgrad.bench.results import Comparison, Results

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "performance.md"
LEDGER = HERE / "results" / "ledger.json"

INTRODUCTION = """\
# Performance

This page is made by `python benchmarks/performance_page.py` from the results in
`benchmarks/results/`, which `localgrad bench --save` wrote. To reproduce them:

    pip install -e '.[dev]'
    localgrad bench --save benchmarks/results/mine.json
    python benchmarks/performance_page.py

Every contender runs in a process of its own. In each of five rounds or more they take turns of some
tenths of a second, one right after the other; a figure is the median over the rounds of the median
step of a turn, a ratio the median of the rounds' own ratios. A training step is all of it: zero
the gradients, forward, cross entropy, backward, optimiser; float32; all cores. All contenders
start from the same weights and see the same batches, and their first three losses must agree to
one part in a thousand: where they do not, the table says DIFFER.

*torch* is PyTorch eager, *torch fused* with the fused optimiser, *torch compile* that and
`torch.compile`, *jax jit* one `jax.jit` of the whole step with donated buffers. *of peak* is the
arithmetic of matrix products and convolutions over the step's time, as a share of what large
float32 matrix products of NumPy reach on the same machine; a convolution counts the
multiplications of its plain sums, of which Winograd's tiles need a quarter to a third, and may
exceed that peak. So may products where the processor has matrix tiles (`amx_bf16` below), which
make a float32 product of six products of bfloat16 parts, as exactly as vectors do; with
`LOCALGRAD_VECTOR_BITS=512` set, the same commands show what vectors alone reach. *step memory* is
the peak of resident memory in the rounds above what the imports held, *process memory* the whole
process's peak.
*cold start* and *warm start* are from the start of the process, imports included, to the end of
the first step, with empty and with filled caches of compiled code.
"""


def main() -> None:
    """One section for each file of results of training steps, and for each of kernels."""
    sections = [INTRODUCTION]
    by_kernel = sorted((HERE / "results").glob("kernels*.json"))
    for path in sorted((HERE / "results").glob("*.json")):
        if path not in (*by_kernel, LEDGER) and results.is_saved(path):
            sections.append(section(results.read(path)))
    if LEDGER.exists():
        sections.append(ledger_section(results.read(LEDGER)))
    sections += [kernel_section(results.read(path)) for path in by_kernel]
    PAGE.write_text("\n".join(sections), encoding="utf-8")


def section(found: Results) -> str:
    """The machine, the two tables and the verdicts of one run."""
    machine = found.machine
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    lines = [
        f"## {machine['processor']}, {machine['cores']} cores",
        "",
        f"{machine['system']}, {' '.join(machine['features'])}; Python {machine['python']}; "
        f"{packages}; matrix products at {machine['gflops']:.0f} GFLOP/s; {machine['when']}.",
        "",
    ]
    for headings, cells in ((table.TIMES, table.times), (table.COSTS, table.costs)):
        lines += ["| " + " | ".join(headings) + " |", "|---" * len(headings) + "|"]
        for comparison in found.comparisons:
            for outcome in comparison.outcomes:
                row = cells(comparison, outcome, machine["gflops"])
                row += [""] * (len(headings) - len(row))
                lines.append("| " + " | ".join(row) + " |")
        lines.append("")
    lines += [f"- {line}" for line in table.failures(found) + table.verdicts(found)]
    if any(c.flops for c in found.comparisons):
        lines += ["", "### Against the roofline", "", *roofline(found)]
    return "\n".join([*lines, ""])


def roofline(found: Results) -> list[str]:
    """What each training step would cost if only its arithmetic counted."""
    peak = found.machine["gflops"] * 1e9
    lines = [
        "| workload | arithmetic | at the measured peak | localgrad | torch |",
        "|---|---|---|---|---|",
    ]
    for comparison in found.comparisons:
        if comparison.flops:
            cells = [
                comparison.workload,
                f"{comparison.flops / 1e9:.3g} GFLOP",
                table.duration(comparison.flops / peak),
                _time(comparison, "localgrad"),
                _time(comparison, "torch"),
            ]
            lines.append("| " + " | ".join(cells) + " |")
    return lines


LEDGER_TEXT = """\
## What the ledger costs

A training step that is recorded, over the same step that is not, on {processor}, {cores} cores,
{when}; made by `localgrad bench ledger ledger_torch`. A step outside of a ledger costs nothing.
*torch* is a PyTorch model, recorded by `localgrad.torch`; *read*: the records are built, too.
"""


def ledger_section(found: Results) -> str:
    """What each level of recording adds to a step of each network."""
    lines = [LEDGER_TEXT.format(**found.machine)]
    rows = []
    for comparison in found.comparisons:
        cells = {}
        for outcome in comparison.outcomes:
            package, _, level = outcome.contender.partition(" ")
            ratio = comparison.ratio(outcome.contender)
            is_plain = outcome.contender == comparison.reference
            cells[level] = table.duration(outcome.time) + ("" if is_plain else f", ×{ratio:.2f}")
        rows.append((f"{package} {comparison.case}", cells))
    levels = list(dict.fromkeys(level for _, cells in rows for level in cells))
    heads = [level if level == "plain" else f"`{level}`" for level in levels]
    lines += [f"| network | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    for network, cells in rows:
        found_there = [cells.get(level, "") for level in levels]
        lines.append(f"| {' | '.join([network, *found_there])} |")
    return "\n".join([*lines, "", *(f"- {line}" for line in table.verdicts(found)), ""])


KERNELS = """\
## Kernel by kernel: {processor}

Each kernel beside PyTorch's operator on {processor}, {cores} cores, {when}; made by
`python benchmarks/kernels.py`, two processes that take turns, medians of five rounds.

*of peak* is the arithmetic over the time, as a share of the measured {gflops:.0f} GFLOP/s of large
matrix products; *of bandwidth* what must be read and written at the least, every argument and
result once in each direction, as a share of the {bandwidth:.0f} GB/s that large copies reach;
*of roofline* the larger of the two, that is, the least possible time over the kernel's. Small
arrays stay in the caches, where more than the memory's bandwidth is possible.

The images of *conv* lie in memory as each package's own layers leave them, those of the fifty
*random* shapes channels first for both, so that there a conversion is in localgrad's time.
"""


def kernel_section(found: Results) -> str:
    """The kinds of kernels, then every kernel with its costs."""
    lines = [KERNELS.format(**found.machine)]
    lines += [f"- {line}" for line in kernels.summary(found)]
    lines += ["", "<details><summary>every kernel</summary>", ""]
    lines += ["| " + " | ".join(kernels.HEADINGS) + " |", "|---" * len(kernels.HEADINGS) + "|"]
    for comparison in found.comparisons:
        lines.append("| " + " | ".join(kernels.cells(comparison, found.machine)) + " |")
    return "\n".join([*lines, "", "</details>", ""])


def _time(comparison: Comparison, contender: str) -> str:
    outcome = comparison.of(contender)
    if outcome is None or math.isnan(outcome.time):
        return table.NONE
    return table.duration(outcome.time)


if __name__ == "__main__":
    main()
