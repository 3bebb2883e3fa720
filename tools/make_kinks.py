"""Writes docs/kinks.md from the declarations: `python tools/make_kinks.py`.

A function has no derivative at a kink, yet a gradient has to be sent back. Which one is declared
with each operation, by `kink=`; this page only collects what the declarations say.
"""

from __future__ import annotations

import importlib
import pkgutil
from itertools import groupby
from pathlib import Path

import localgrad.nn
import localgrad.ops
from localgrad.local.formula import formulas
from localgrad.local.operation import Operation

PAGE = Path(__file__).resolve().parent.parent / "docs" / "kinks.md"
HEAD = """<!-- Written by tools/make_kinks.py from the declarations; do not edit by hand. -->

# Kinks

At a kink a function has no derivative, and yet something has to be sent back. What is sent is
declared with the operation, next to its local gradient, and it is what PyTorch sends; a test
compares the two at every kink on this page (`tests/test_kinks.py`).

Where an operation chooses between elements, the gradient is *routed*: an element that was not
chosen receives an exact zero, even where what travels is infinite or NaN.

In the formulas `g` is the upstream and `y` the operation's own result.

## Declared values

| operation | y | at the kink | downstream |
|---|---|---|---|
"""
FLAT = """
## Flat operations

Their local gradient is zero wherever it exists. A result that is a real number stays in the graph
and sends exact zeros back; an integer or a truth value leaves the graph, and an open ledger says
so.

| why | operations |
|---|---|
"""


def library() -> list[Operation]:
    """Every operation that the library declares, in order of family and name."""
    for package in (localgrad.ops, localgrad.nn):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    ours = [op for op in Operation.registry if op.module.startswith("localgrad.")]
    return sorted(ours, key=lambda op: (op.module, op.name))


def cell(text: str) -> str:
    return text.replace("|", "\\|")


def row(op: Operation) -> str:
    """One operation: its formula, the declared value, and what each argument receives."""
    read = formulas(op)
    y = read.pop("y")
    sent = "<br>".join(f"`{name} ← {cell(f.text)}`" for name, f in read.items())
    return f"| `{op.name}` | `{cell(y.text)}` | {cell(op.kink or '')} | {sent} |"


def page() -> str:
    """The page, whole."""
    operations = library()
    kinks = "\n".join(row(op) for op in operations if op.kink)
    flat = sorted((op for op in operations if hasattr(op, "reason")), key=lambda op: op.reason)
    lines = []
    for reason, group in groupby(flat, key=lambda op: op.reason):
        lines.append(f"| {reason} | {', '.join(f'`{op.name}`' for op in group)} |")
    return HEAD + kinks + "\n" + FLAT + "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE}")
