"""The ledger in a terminal: verdict, depth profile, routes, and the arithmetic spelled out."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from localgrad.ledger.model import Finding, LedgerRecord
from localgrad.ledger.paths import strongest_routes
from localgrad.ledger.worked import arithmetic
from localgrad.report.hanging import Hanging
from localgrad.report.profile import Bar, profile
from localgrad.report.routes import route_tree

if TYPE_CHECKING:
    from localgrad.ledger.explain import Explanation, Term

_COLOURS = {"error": "bold red", "warning": "yellow", "note": "cyan"}
_BRANCHES = ("blue", "magenta", "cyan", "green", "yellow")
_WIDTH = 40
_MOST_TERMS = 12
_TERM = 12  # where the words of a contribution begin, behind its share
_CHIPS = 5
_ROUTES = 3


def ledger_text(record: LedgerRecord, width: int = 100) -> str:
    """Return the whole report as plain text."""
    return _render(_ledger(record, width), width)


def print_ledger(record: LedgerRecord) -> None:
    """Print the whole report, in colour where the terminal has it."""
    from rich.console import Console

    console = Console()
    for part in _ledger(record, console.width):
        console.print(part)


def explanation_text(explanation: Explanation, width: int = 100) -> str:
    """Return how one gradient came about as plain text."""
    return _render(_explanation(explanation), width)


def show(explanation: Explanation) -> None:
    """Print an explanation; a notebook renders the object itself, so nothing is printed there."""
    if _in_notebook():
        return
    from rich.console import Console

    console = Console()
    for part in _explanation(explanation):
        console.print(part)


# -- the parts ---------------------------------------------------------------------------------


def _ledger(record: LedgerRecord, width: int) -> Iterable[Any]:
    from rich.text import Text

    loss = "" if record.loss is None else f"   loss {record.loss:.6g}"
    yield Text(f"{record.title or 'ledger'}{loss}", style="bold")
    yield Text(
        f"{len(record.nodes)} nodes, {len(record.edges)} edges, level {record.level}",
        style="dim",
    )
    if record.compare is not None:
        yield Text(record.compare.message, style="bold")
    if record.loss is None and not record.edges:
        yield Text(" no backward pass was recorded ", style="reverse yellow")
    else:
        yield verdict(record.findings)
    for finding in record.findings:
        yield from _finding(finding)
    bars = profile(record)
    if bars:
        yield Text("\ngradient norm by depth (log), split by the branches it came through")
        yield from _bars(bars, width)
    yield from _routes(record)


def _routes(record: LedgerRecord) -> Iterable[Any]:
    """The thickest routes to the parameter that is farthest from the loss."""
    from rich.text import Text

    first = next((node for node in record.parameters() if node.upstream is not None), None)
    if first is None or first.upstream is None or not 0 < first.upstream.norm < math.inf:
        return  # no part of nothing, or of NaN, came by any road
    places = [node.place for node in record.nodes]
    title = f"thickest routes from the loss to {first.place}"
    yield Text()
    yield route_tree(title, strongest_routes(record, first.id, _ROUTES), places)


def verdict(findings: list[Finding]) -> Any:
    """The strip of at most five chips: one kind of finding each, or "healthy"."""
    from rich.text import Text

    if not findings:
        return Text(" healthy: nothing found ", style="black on green")
    strip = Text()
    kinds: dict[str, list[Finding]] = {}
    for finding in findings:
        kinds.setdefault(finding.kind, []).append(finding)
    for kind, some in list(kinds.items())[:_CHIPS]:
        count = f" ×{len(some)}" if len(some) > 1 else ""
        place = some[0].where or some[0].module
        strip.append(f" {kind}{count} {place} ", style=f"reverse {_COLOURS[some[0].severity]}")
        strip.append(" ")
    if len(kinds) > _CHIPS:
        strip.append(f"and {len(kinds) - _CHIPS} more kinds")
    return strip


def _finding(finding: Finding) -> Iterable[Any]:
    from rich.text import Text

    head = Text()
    head.append(f"{finding.kind} ", style=_COLOURS[finding.severity])
    head.append(f"{finding.where or finding.module or ''}  ", style="bold")
    head.append(finding.message)
    yield Hanging(head, 4)
    numbers = ", ".join(f"{name} {_number(value)}" for name, value in finding.evidence.items())
    if numbers:
        yield Hanging(Text(f"    {numbers}", style="dim"), 4)
    yield Hanging(Text(f"    → {finding.advice}", style="italic"), 6)


def _bars(bars: list[Bar], width: int) -> Iterable[Any]:
    """A line a bar: block, bar, norm, and the branches as far as the line has room."""
    from rich.text import Text

    finite = [bar.norm for bar in bars if bar.norm > 0 and math.isfinite(bar.norm)]
    low = math.log10(min(finite)) - 0.5 if finite else 0.0
    high = math.log10(max(finite)) if finite else 1.0
    names = min(max(len(bar.label) for bar in bars), width // 4)
    joined = any(len(bar.branches) > 1 for bar in bars)
    longest = max(8, min(_WIDTH, (width - names) // 3 if joined else width - names - 16))
    for bar in bars:
        line = Text(f"  {_shortened(bar.label, names):<{names}}  ", no_wrap=True)
        if bar.norm == 0:
            line.append("0, exactly", style="dim")
        elif not math.isfinite(bar.norm):
            line.append(f"{bar.norm}", style="bold red")
        else:
            part = (math.log10(bar.norm) - low) / max(high - low, 1e-9)
            cells = max(1, round(part * longest))
            for index, (branch, count) in enumerate(_split(bar, cells)):
                sign = "▒" if branch < 0 else "█"
                line.append(sign * count, style=_BRANCHES[index % len(_BRANCHES)])
            line.append(f" {bar.norm:.3g}", style="bold")
            if len(bar.branches) > 1:
                named = ", ".join(f"{share:+.0%} {name}" for name, share in bar.branches)
                line.append(f"  {named}", style="dim")
        line.truncate(width - 1, overflow="ellipsis")
        yield line


def _shortened(name: str, length: int) -> str:
    """The end of a name, which tells it from its neighbours."""
    return name if len(name) <= length else f"…{name[1 - length :]}"


def _split(bar: Bar, cells: int) -> list[tuple[float, int]]:
    """The cells of a bar by branch, in proportion to the size of its share."""
    if not bar.branches:
        return [(1.0, cells)]
    total = sum(abs(share) for _, share in bar.branches) or 1.0
    edges = [0.0]
    for _, share in bar.branches:
        edges.append(edges[-1] + abs(share) / total * cells)
    return [
        (share, round(end) - round(start))
        for (_, share), start, end in zip(bar.branches, edges, edges[1:])
    ]


def _explanation(explanation: Explanation) -> Iterable[Any]:
    from rich.text import Text

    node = explanation.node
    stats = node.upstream
    assert stats is not None
    element = "" if explanation.index is None else str(list(explanation.index))
    head = Text(f"∂loss/∂{node.place}{element}", style="bold")
    head.append(f"   {node.where or ''}", style="dim")
    yield head
    if explanation.total is not None:
        yield Text(f"  = {explanation.total:.6g}")
    zeros = "" if stats.zeros is None else f", {stats.zeros} of {stats.size} zero"
    yield Text(f"  the whole gradient: norm {stats.norm:.4g}, rms {stats.rms:.3g}{zeros}")
    terms = explanation.terms
    if len(terms) > _MOST_TERMS:
        terms = sorted(terms, key=lambda term: -abs(term.edge.share or 0.0))[:_MOST_TERMS]
    rules: set[str] = set()
    for term in terms:
        yield from _term(term, rules)
    if len(terms) < len(explanation.terms):
        yield Text(f"  and {len(explanation.terms) - len(terms)} smaller ones", style="dim")
    if len(explanation.terms) > 1 and node.balance is not None:
        yield Text(
            f"  sum of {len(explanation.terms)} contributions; the books balance to "
            f"{node.balance:.1g}",
            style="dim",
        )
    if node.absence:
        yield Hanging(Text(f"  {node.absence}", style="yellow"), 4)
    if explanation.routes:
        yield route_tree(
            "routes from the loss, the thickest first", explanation.routes, explanation.places
        )


def _term(term: Term, rules: set[str]) -> Iterable[Any]:
    """One contribution; the rule by which it came about is told once, and kept in `rules`."""
    from rich.text import Text

    edge, consumer = term.edge, term.consumer
    share = "cancels" if edge.cancels else "–" if edge.share is None else f"{edge.share:+.1%}"
    step = "" if consumer.step is None else f", step {consumer.step}"
    line = Text(f"  {share:>8}  from {consumer.place}{step} (`{edge.name}`)", style="bold")
    line.append(
        f"  norm {_number(edge.norm)}, cosine {_number(edge.cosine)}, gain {_number(edge.gain)}"
    )
    if consumer.where:
        line.append(f"  {consumer.where}", style="dim")
    yield Hanging(line, _TERM)
    rule = "" if consumer.formula is None else consumer.formula.of(edge.name)
    if rule and rule not in rules:
        rules.add(rule)
        yield Hanging(Text(f"{'':{_TERM}}rule: {rule}", style="dim"), _TERM + len("rule: "))
    if edge.reduced_axes:
        summed = f"summed over axes {edge.reduced_axes} that were broadcast"
        yield Hanging(Text(f"{'':{_TERM}}{summed}"), _TERM + 2)
    if term.value is not None:
        yield Hanging(Text(f"{'':{_TERM}}{arithmetic(term.products, term.value)}"), _TERM + 2)


def _number(value: float | int | str | None) -> str:
    if value is None:
        return "–"
    return value if isinstance(value, str) else f"{value:.3g}"


def _render(parts: Iterable[Any], width: int) -> str:
    from rich.console import Console

    target = io.StringIO()
    # rich would show it in a notebook's cell by itself, whatever the file
    plain: dict[str, Any] = {"color_system": None, "force_terminal": False, "force_jupyter": False}
    console = Console(file=target, width=width, **plain)
    for part in parts:
        console.print(part)
    return "\n".join(line.rstrip() for line in target.getvalue().splitlines())


def _in_notebook() -> bool:
    """Whether a notebook's kernel runs us, which shows the object that is returned."""
    import sys

    shell = sys.modules.get("IPython")
    found = shell.get_ipython() if shell is not None else None
    return found is not None and type(found).__name__ == "ZMQInteractiveShell"
