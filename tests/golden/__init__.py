"""What the operations' formulas read as, as text and as LaTeX.

Those of networks are composites: what explains them is their derivation, not one formula.
"""

from __future__ import annotations

from pathlib import Path

from localgrad.local.formula import formulas
from tests.op_cases import OPERATIONS, identifier

FORMULAS = Path(__file__).parent / "formulas.txt"


def formula_lines() -> list[str]:
    """One line for each formula: operation, name ← text, LaTeX."""
    lines = []
    for op in sorted((o for o in OPERATIONS if ".network." not in o.module), key=identifier):
        for name, formula in formulas(op).items():
            lines.append(f"{identifier(op)}\t{name} ← {formula.text}\t{formula.latex}")
    return lines
