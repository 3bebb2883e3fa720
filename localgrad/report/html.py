"""A ledger as one HTML file that needs no network and no server.

The page carries the viewer (``web/``, built by ``tools/build_viewer.py`` into ``static/``) and the
ledger as JSON. Nothing that comes from a model is markup: the template escapes by itself, the JSON
cannot end its own ``<script>``, the viewer writes text only, and the page's policy forbids every
request.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from localgrad.errors_of_modules import no_file
from localgrad.errors_of_runs import viewer_not_built
from localgrad.graph.record import here
from localgrad.report.embed import pack

STATIC = Path(__file__).parent / "static"
TEMPLATES = Path(__file__).parent / "templates"

# What would end a script element, open one, or end a line where JavaScript sees a line end.
_UNSAFE = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def viewer_file(name: str) -> str:
    """Return a file of the built viewer; the error says how to build it."""
    path = STATIC / name
    if not path.is_file():
        raise viewer_not_built(path)
    return path.read_text(encoding="utf-8")


def safe_json(value: Any) -> str:
    """Return JSON that may stand inside a ``<script>`` element.

    >>> safe_json({"name": "</script><b>"})
    '{"name":"\\\\u003c/script\\\\u003e\\\\u003cb\\\\u003e"}'
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for mark, escape in _UNSAFE.items():
        text = text.replace(mark, escape)
    return text


def render_html(document: dict[str, Any]) -> str:
    """Return the page for a ledger's JSON object (``docs/ledger-format.md``)."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined
    )
    script = viewer_file("viewer.js").replace("</script", "<\\/script")
    return environment.get_template("ledger.html").render(
        title=document.get("title") or "gradient ledger",
        style=Markup(viewer_file("viewer.css")),
        script=Markup(script),
        ledger=Markup(safe_json(pack(document))),
    )


def write_html(document: dict[str, Any], path: str | Path) -> Path:
    """Write the page to ``path``; an interrupted write leaves the old file whole."""
    target = Path(path)
    if not target.parent.is_dir():
        raise no_file(target, here())
    text = render_html(document)
    partial = target.with_name(target.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(target)
    return target
