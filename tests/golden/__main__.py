"""Writes formulas.txt anew: `python -m tests.golden`. Read the difference before committing it."""

from tests.golden import FORMULAS, formula_lines

FORMULAS.write_text("\n".join(formula_lines()) + "\n", encoding="utf-8")
