"""A ledger's JSON, packed for the viewer: the same facts in far fewer characters.

Statistics become columns, words that repeat become a table with one index a row, numbers keep five
significant digits, histograms become heights, and recorded steps are thinned to a budget.
``web/src/model/ledger.ts`` unpacks it; nothing else reads this form.
"""

from __future__ import annotations

import math
from typing import Any

DIGITS = 5
STEP_DIGITS = 3
# Numbers (not characters) that recorded steps may take; a slider needs no more.
STEP_BUDGET = 48_000

_STATS = ("value", "upstream")
_STATS_FIELDS = (
    "size",
    "norm",
    "mean",
    "minimum",
    "maximum",
    "zeros",
    "nonfinite",
    "histogram",
    "low",
    "high",
)
# Kept in the ledger's own JSON; the viewer draws none of them, or finds them from the others (rms
# from norm and size, the edges of a node from the edges).
_UNSEEN_NODE = {"inputs", "arrived", "downstream"}
_UNSEEN_EDGE = {"contribution", "slot", "rms"}
_SEEN_MODULE = ("path", "class", "group")
_WORDS_NODE = {
    "op",
    "kind",
    "module",
    "module_class",
    "where",
    "file",
    "function",
    "dtype",
    "formula",
    "shape",
    "flags",
    "absence",
    "local",
}
_WORDS_EDGE = {"name", "reduced_axes"}


def pack(document: dict[str, Any]) -> dict[str, Any]:
    """Return what the viewer reads, from the object ``LedgerRecord`` is written as."""
    packed: dict[str, Any] = {
        name: _rounded(document[name], DIGITS)
        for name in ("framework", "level", "title", "created", "loss", "cuts", "mutations")
        if name in document
    }
    packed["findings"] = _rounded(document.get("findings", []), DIGITS)
    packed["modules"] = [
        {name: module.get(name) for name in _SEEN_MODULE} for module in document.get("modules", [])
    ]
    packed["sources"] = document.get("sources", {})
    packed["nodes"] = _pack_nodes(document["nodes"])
    packed["edges"] = _pack_edges(document["edges"])
    steps = document.get("steps") or []
    packed["steps"] = _thinned(steps)
    packed["steps_recorded"] = len(steps)
    compare = document.get("compare")
    if compare:
        packed["compare"] = pack(compare) | {
            name: compare.get(name) for name in ("alignment", "first_divergence", "message")
        }
    return packed


def _pack_nodes(columns: dict[str, list[Any]]) -> dict[str, Any]:
    packed: dict[str, Any] = {"count": len(columns["id"])}
    for name, column in columns.items():
        if name in _UNSEEN_NODE:
            continue
        if name in _STATS:
            packed[name] = _stats_columns(column)
        else:
            packed[name] = _column(column, name in _WORDS_NODE)
    # Only a tied parameter has more names than its label.
    plain = [[label] for label in columns.get("label", [])]
    names = [None if row in ([], own) else row for row, own in zip(columns.get("names", []), plain)]
    return packed | {"names": _column(names, False)}


def _pack_edges(columns: dict[str, list[Any]]) -> dict[str, Any]:
    packed: dict[str, Any] = {"count": len(columns["id"])}
    for name, column in columns.items():
        if name not in _UNSEEN_EDGE:
            packed[name] = _column(column, name in _WORDS_EDGE)
    return packed


def _stats_columns(column: list[dict[str, Any] | None]) -> dict[str, Any]:
    fields = {
        field: [None if row is None else row.get(field) for row in column]
        for field in _STATS_FIELDS
    }
    fields["histogram"] = [_heights(counts) for counts in fields["histogram"]]
    return {field: _column(values, False) for field, values in fields.items()}


def _heights(counts: list[int] | None) -> list[int] | None:
    """Roots of the counts, 0 to 99: the tails stay visible beside the peak."""
    if not counts:
        return None
    most = max(*counts, 1)
    return [math.ceil(99 * math.sqrt(count / most)) for count in counts]


def _column(column: list[Any], words: bool) -> Any:
    """A column as it stands; its one entry; or, of words, their table and an index a row."""
    rounded = [_rounded(item, DIGITS) for item in column]
    if all(item is None for item in rounded):
        return []
    if all(item == rounded[0] for item in rounded):
        return {"table": rounded[:1]}
    if not words:
        return rounded
    table: list[Any] = []
    places: dict[str, int] = {}
    index = []
    for item in rounded:
        key = repr(item)
        if key not in places:
            places[key] = len(table)
            table.append(item)
        index.append(places[key])
    return {"table": table, "index": index}


def _thinned(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Evenly chosen steps within the budget, the first and the last among them."""
    if not steps:
        return []
    numbers = sum(len(steps[0].get(name) or []) for name in _STEP_COLUMNS)
    most = max(2, min(len(steps), STEP_BUDGET // max(1, numbers)))
    chosen = {round(place * (len(steps) - 1) / (most - 1)) for place in range(most)}
    return [
        {"step": step["step"], "loss": _rounded(step.get("loss"), DIGITS)}
        | {name: _rounded(step.get(name) or [], STEP_DIGITS) for name in _STEP_COLUMNS}
        for place, step in enumerate(steps)
        if place in chosen
    ]


_STEP_COLUMNS = ("upstream_norm", "edge_norm", "edge_share")


def _rounded(value: Any, digits: int) -> Any:
    if isinstance(value, float):
        if not math.isfinite(value):
            return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
        short = float(f"{value:.{digits}g}")
        return int(short) if short.is_integer() and abs(short) < 1e15 else short
    if isinstance(value, dict):
        return {name: _rounded(item, digits) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(item, digits) for item in value]
    return value
