"""The trace of one element of a gradient in the terminal, from the loss down."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from localgrad.report.hanging import Hanging

if TYPE_CHECKING:
    from localgrad.ledger.trace import Step


def trace_lines(steps: list[Step]) -> Iterable[Any]:
    """For every step: the sum that arrived, the rule, and `upstream × local = downstream`."""
    from rich.text import Text

    if steps:
        yield Text("∂loss/∂loss = 1", style="bold")
    for step in reversed(steps):
        formula = step.consumer.formula
        rule = "" if formula is None else formula.of(step.edge.name)
        line = Text(f"  {step.consumer.op}", style="cyan")
        line.append(f" (`{step.edge.name}`)  {step.consumer.where or ''}  {rule}", style="dim")
        yield Hanging(line, 6)
        line = Text(f"  {step.upstream:.4g} × {step.local:.4g} = ")
        line.append(f"{step.upstream * step.local:.4g}", style="green")
        if step.products > 1:
            line.append(f"   the largest of {step.products:,} products")
            if step.consumers > 1:
                line.append(f" from {step.consumers} consumers")
        yield Hanging(line, 6)
        element = str(list(step.index)) if step.index else ""
        yield Text(f"∂loss/∂{step.node.place}{element} = {step.value:.6g}", style="bold")
