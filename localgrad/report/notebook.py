"""Tensors, ledgers and explanations in a notebook, as HTML whose every word is escaped."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from localgrad.ledger.model import EdgeRecord, LedgerRecord, NodeRecord, Stats
from localgrad.report.text import explanation_text, ledger_text

if TYPE_CHECKING:
    from localgrad.ledger.explain import Explanation

_PRE = "font-family:monospace;white-space:pre;line-height:1.25;overflow-x:auto"
_CELL = "padding:1px 8px;text-align:left"
_VALUE, _GRADIENT = "#1a7f37", "#c0392b"  # values green over gradients red


def ledger_html(record: LedgerRecord) -> str:
    """The text report, and how to open the interactive one."""
    hint = (
        "<p>Interactive: <code>ledger.widget()</code> here, "
        "<code>ledger.to_html('ledger.html')</code> as a page.</p>"
    )
    return _pre(ledger_text(record, width=120)) + hint


def explanation_html(explanation: Explanation) -> str:
    """The arithmetic of one gradient."""
    return _pre(explanation_text(explanation, width=120))


def node_html(node: NodeRecord) -> str:
    """A node: its value over its gradient."""
    rows = [
        ("operation", node.op),
        ("module", node.module or "–"),
        ("line", node.where or "–"),
        ("shape", f"{tuple(node.shape)} {node.dtype}"),
        ("rule", node.formula.text if node.formula else "–"),
    ]
    if node.absence:
        rows.append(("no gradient", node.absence))
    colours = [("value", _VALUE, node.value), ("gradient", _GRADIENT, node.upstream)]
    return _table(rows) + "".join(_line(*item) for item in colours)


def edge_html(edge: EdgeRecord) -> str:
    """An edge: the six numbers of a contribution."""
    names = ("norm", "rms", "share", "cosine", "gain", "zeros", "nonfinite", "reduced_axes")
    return _table([(name, _short(getattr(edge, name))) for name in names])


def tensor_html(tensor: Any) -> str:
    """A tensor: shape, dtype, its node's line, value over gradient."""
    rows = [("shape", f"{tuple(tensor.shape)} {tensor.dtype}")]
    if tensor.node is not None:
        rows.append(
            ("made by", f"{tensor.node.op.name} at {tensor.node.where or 'an unknown line'}")
        )
    text = _table(rows) + _numbers(repr(tensor.value), _VALUE)
    if tensor.grad is not None:
        text += _numbers(repr(tensor.grad.value), _GRADIENT)
    return text


def _pre(text: str) -> str:
    return f'<div style="{_PRE}">{escape(text)}</div>'


def _numbers(text: str, colour: str) -> str:
    return f'<div style="{_PRE};color:{colour}">{escape(text)}</div>'


def _line(name: str, colour: str, stats: Stats | None) -> str:
    text = (
        "–" if stats is None else f"norm {stats.norm:.4g}, rms {stats.rms:.3g}, size {stats.size}"
    )
    return f'<div style="color:{colour}">{escape(name)}: {escape(text)}</div>'


def _table(rows: list[tuple[str, str]]) -> str:
    cells = "".join(
        f'<tr><th style="{_CELL}">{escape(name)}</th><td style="{_CELL}">{escape(text)}</td></tr>'
        for name, text in rows
    )
    return f"<table>{cells}</table>"


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return "–" if value is None else str(value or "none" if isinstance(value, list) else value)
