"""Formulas are read off the declarations: held to a golden file, and to arithmetic.

After a change of a declaration, `python -m tests.golden` writes the file anew.
"""

from __future__ import annotations

import math
import re
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from localgrad.local.formula import downstream_formula
from localgrad.local.symbol import number
from tests.golden import FORMULAS, formula_lines
from tests.op_cases import OPERATIONS, Case, downstreams, identifier

ROOT = Path(__file__).resolve().parent.parent


def test_formulas_are_the_golden_ones() -> None:
    assert formula_lines() == FORMULAS.read_text(encoding="utf-8").splitlines()


def test_the_page_of_kinks_is_current() -> None:
    page = runpy.run_path(str(ROOT / "tools" / "make_kinks.py"))["page"]()
    assert page == (ROOT / "docs" / "kinks.md").read_text(encoding="utf-8")


SPELLINGS = {
    "·": "*",
    "−": "-",
    "²": "**2",
    "³": "**3",
    "^": "**",
    "≤": "<=",
    "≥": ">=",
    " = ": " == ",
    "σ": "sigmoid",
    "2π": "2*pi",
    "π": "pi",
    "ln 2": "log(2)",
    "ln 10": "log(10)",
    "√": "Root**",
}
READABLE = [
    op
    for op in OPERATIONS
    if op.kind in ("pointwise", "select") and not op.options and op.example is not None
]


class Root:
    """√x and √(…) in a formula, evaluated."""

    def __pow__(self, x: Any) -> Any:
        return np.sqrt(x)


def names() -> dict[str, Any]:
    import scipy.special

    room = {n: getattr(scipy.special, n) for n in dir(scipy.special) if not n.startswith("_")}
    room |= {n: getattr(np, n) for n in dir(np) if not n.startswith("_")}
    return room | {"sigmoid": scipy.special.expit, "Root": Root(), "pi": math.pi, "abs": np.abs}


@pytest.mark.parametrize("op", READABLE, ids=identifier)
def test_formula_means_what_the_sweep_computes(op: Any) -> None:
    """The printed text, evaluated as arithmetic, is the downstream of the reverse sweep."""
    case = Case(op)
    _, outputs, upstreams, found = downstreams(case)
    if not outputs:
        return
    known = dict(zip(op.arguments, case.values)) | {"y": outputs[0].value, "g": upstreams[0].value}
    for place, gradient in zip(case.moving, found):
        text = downstream_formula(op, place).text
        text = re.sub(r"\|([^|]*)\|", r"abs(\1)", text)
        text = re.sub(r" or ", ") | (", text)
        text = re.sub(r" and ", ") & (", text)
        text = re.sub(r"where\(([^,]*), ", r"where((\1), ", text)
        for sign, spelled in SPELLINGS.items():
            text = text.replace(sign, spelled)
        value = eval(text, names(), known)
        summed = np.broadcast_to(value, outputs[0].shape)
        if gradient.shape != summed.shape:
            summed = summed.sum(axis=0)
        np.testing.assert_allclose(gradient.value, summed, rtol=2e-3, atol=2e-3)


def test_latex_is_well_formed() -> None:
    for line in formula_lines():
        latex = line.split("\t")[2]
        assert latex.count("{") == latex.count("}"), line
        assert latex.count(r"\left") == latex.count(r"\right"), line
        assert re.search(r"(?<![\\a-zA-Z])(frac|sqrt|operatorname)\b", latex) is None, line
        assert "−" not in latex and "·" not in latex, line


def test_a_formula_with_numbers_in_it() -> None:
    tanh = next(op for op in OPERATIONS if op.name == "tanh")
    read = downstream_formula(tanh, 0, g=number(0.5), y=number(-0.25))
    assert read.text == "0.5·(1 − (−0.25)·(−0.25))"
