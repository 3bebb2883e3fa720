"""Units that do not learn: dead behind a rectifier, or saturated in a squashing function."""

from __future__ import annotations

from collections.abc import Iterator

from localgrad.ledger.findings.words import at, named
from localgrad.ledger.model import Finding, NodeRecord, Units
from localgrad.ledger.view import View


def dead(view: View) -> Iterator[Finding]:
    """Layers of which most units are zero for every example of the batch."""
    limits = view.thresholds
    for node in view.nodes:
        units = node.units
        if units is None or not units.count or not _seen_enough(view, node):
            continue
        part = units.dead / units.count
        if part < limits.dead_units:
            continue
        yield at(
            node,
            "dead",
            "error" if part >= limits.dead_units_error else "warning",
            f"{units.dead} of {units.count} units of {named(node)} are zero for the entire batch"
            f"{_since(units.since)}: they pass no gradient back.",
            _evidence(units, "dead", units.dead),
            "A large step or a negative bias pushed them below zero: lower the learning rate, "
            "start biases at 0, or use leaky_relu or gelu, which pass something back below zero.",
        )


def saturated(view: View) -> Iterator[Finding]:
    """Layers of which most units sit where the squashing function is level."""
    limits = view.thresholds
    for node in view.nodes:
        units = node.units
        if units is None or not units.count or not _seen_enough(view, node):
            continue
        part = units.saturated / units.count
        if part < limits.saturated_units or _is_fitted_output(view, node):
            continue
        yield at(
            node,
            "saturated",
            "warning",
            f"{units.saturated} of {units.count} units of {named(node)} are saturated"
            f"{_since(units.since)}: their local gradient is below {limits.saturated_local:g} of "
            "its largest value for nearly every example.",
            _evidence(units, "saturated", units.saturated),
            "Their arguments are too large: initialise smaller, standardise the inputs, divide "
            "scores by √d before a softmax, or put a normalisation before this line.",
        )


def _seen_enough(view: View, node: NodeRecord) -> bool:
    size = 1
    for length in node.shape:
        size *= length
    assert node.units is not None
    return size >= view.thresholds.fewest_examples * node.units.count


def _is_fitted_output(view: View, node: NodeRecord) -> bool:
    """Whether this is an output that is right: sure of itself, and the loss agrees.

    With no layer between it and the loss, what the loss sends back through a right answer is
    small; wrong answers that are sure of themselves have something to correct.
    """
    edges = view.main_route(node)
    if any(view.is_layer(view.nodes[edge.consumer]) for edge in edges):
        return False
    loss = view.record.loss
    return loss is not None and abs(loss) < 0.1


def _since(step: int | None) -> str:
    return "" if step is None else f" since step {step}"


def _evidence(units: Units, name: str, count: int) -> dict[str, float | int | str]:
    found: dict[str, float | int | str] = {
        name: count,
        "units": units.count,
        "share": count / units.count,
    }
    if units.since is not None:
        found["since step"] = units.since
    return found
