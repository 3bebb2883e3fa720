"""The interactive viewer in a notebook: Jupyter, VS Code, Colab, marimo."""

from __future__ import annotations

from typing import Any

from localgrad.errors_of_runs import widget_without_anywidget
from localgrad.report.embed import pack
from localgrad.report.html import safe_json, viewer_file

try:
    import anywidget
    import traitlets
except ImportError:
    raise widget_without_anywidget() from None


class LedgerWidget(anywidget.AnyWidget):
    """The report of one ledger, as a cell's output.

    The script and the style sheet are those of the HTML report; the ledger travels as text and is
    read by the same code.
    """

    _esm = viewer_file("viewer.js")
    _css = viewer_file("viewer.css")
    document = traitlets.Unicode().tag(sync=True)
    height = traitlets.Int(720).tag(sync=True)


def ledger_widget(document: dict[str, Any], height: int = 720) -> LedgerWidget:
    """Return the widget for a ledger's JSON object (``docs/ledger-format.md``)."""
    return LedgerWidget(document=safe_json(pack(document)), height=height)
