"""The third reading of a partial: on symbols, where it prints as a formula.

A Symbol carries its text and its LaTeX and grows as operators and functions are applied to it.
Run on symbols that stand for names, `lambda y: 1 - y * y` reads "1 − y·y"; on symbols that stand
for numbers it spells the arithmetic out: "1 − 0.62·0.62".
"""

from __future__ import annotations

import numbers
from typing import Any, NamedTuple

SUM, PRODUCT, PREFIX, POWER, ATOM = 1, 2, 3, 4, 5  # how tightly an expression binds

INFIX = {
    "add": ("+", "+", SUM),
    "subtract": ("−", "-", SUM),
    "multiply": ("·", r"\,", PRODUCT),
    "matmul": ("@", r"\,", PRODUCT),
    "less": ("<", "<", 0),
    "less_equal": ("≤", r"\le", 0),
    "greater": (">", ">", 0),
    "greater_equal": ("≥", r"\ge", 0),
    "equal": ("=", "=", 0),
    "not_equal": ("≠", r"\ne", 0),
    "logical_and": ("and", r"\land", 0),
    "logical_or": ("or", r"\lor", 0),
    "bitwise_and": ("and", r"\land", 0),
    "bitwise_or": ("or", r"\lor", 0),
}
LATEX_FUNCTIONS = {
    "exp": r"\exp",
    "log": r"\ln",
    "sin": r"\sin",
    "cos": r"\cos",
    "tan": r"\tan",
    "sinh": r"\sinh",
    "cosh": r"\cosh",
    "tanh": r"\tanh",
    "maximum": r"\max",
    "minimum": r"\min",
}


class Formula(NamedTuple):
    """A formula for people: plain text, and LaTeX."""

    text: str
    latex: str


INDICES = {"₁": "_1", "₂": "_2", "ᵢ": "_i", "…": r"\dots"}


def name_in_latex(name: str) -> str:
    """A letter as it stands; a longer name upright, which would read as a product of letters."""
    for index, latex in INDICES.items():
        if index in name:
            return name.replace(index, latex)
    return rf"\mathrm{{{escaped(name)}}}" if len(name) > 1 and name.isidentifier() else name


def escaped(name: str) -> str:
    return name.replace("_", r"\_")


class Symbol:
    """An expression: how it reads, and how tightly its outermost operation binds."""

    __slots__ = ("binds", "latex", "text")
    __array_priority__ = 2000
    __iter__ = None  # indexing never ends, so Python must not iterate by it

    def __init__(self, text: str, latex: str | None = None, binds: int = ATOM) -> None:
        self.text = text
        self.latex = name_in_latex(text) if latex is None else latex
        self.binds = binds

    def __repr__(self) -> str:
        return self.text

    # -- operators -----------------------------------------------------------------------------

    def __add__(self, other: Any) -> Symbol:
        return infix("add", self, other)

    def __radd__(self, other: Any) -> Symbol:
        return infix("add", other, self)

    def __sub__(self, other: Any) -> Symbol:
        return infix("subtract", self, other)

    def __rsub__(self, other: Any) -> Symbol:
        return infix("subtract", other, self)

    def __mul__(self, other: Any) -> Symbol:
        return infix("multiply", self, other)

    def __rmul__(self, other: Any) -> Symbol:
        return infix("multiply", other, self)

    def __matmul__(self, other: Any) -> Symbol:
        return infix("matmul", self, other)

    def __rmatmul__(self, other: Any) -> Symbol:
        return infix("matmul", other, self)

    def __truediv__(self, other: Any) -> Symbol:
        return quotient(self, other)

    def __rtruediv__(self, other: Any) -> Symbol:
        return quotient(other, self)

    def __pow__(self, other: Any) -> Symbol:
        return power(self, other)

    def __rpow__(self, other: Any) -> Symbol:
        return power(other, self)

    def __neg__(self) -> Symbol:
        if self.text.startswith("−") and self.binds >= PRODUCT:
            return Symbol(self.text[1:], self.latex[1:], self.binds)
        inner = wrap(self, PRODUCT)
        return Symbol(f"−{inner.text}", f"-{inner.latex}", PRODUCT)

    def __pos__(self) -> Symbol:
        return self

    def __abs__(self) -> Symbol:
        return Symbol(f"|{self.text}|", rf"\left|{self.latex}\right|")

    def __invert__(self) -> Symbol:
        inner = wrap(self, PREFIX)
        return Symbol(f"not {inner.text}", rf"\lnot {inner.latex}", 0)

    def __lt__(self, other: Any) -> Symbol:
        return infix("less", self, other)

    def __le__(self, other: Any) -> Symbol:
        return infix("less_equal", self, other)

    def __gt__(self, other: Any) -> Symbol:
        return infix("greater", self, other)

    def __ge__(self, other: Any) -> Symbol:
        return infix("greater_equal", self, other)

    def __eq__(self, other: Any) -> Symbol:  # type: ignore[override]
        return infix("equal", self, other)

    def __ne__(self, other: Any) -> Symbol:  # type: ignore[override]
        return infix("not_equal", self, other)

    def __and__(self, other: Any) -> Symbol:
        return infix("logical_and", self, other)

    def __or__(self, other: Any) -> Symbol:
        return infix("logical_or", self, other)

    __hash__ = object.__hash__

    # -- what arrays have ----------------------------------------------------------------------

    @property
    def mT(self) -> Symbol:
        inner = wrap(self, POWER)
        return Symbol(f"{inner.text}ᵀ", f"{inner.latex}^T", POWER)

    T = mT

    @property
    def shape(self) -> Symbol:
        return Symbol(f"shape({self.text})", rf"\mathrm{{shape}}({self.latex})")

    @property
    def dtype(self) -> Symbol:
        return Symbol(f"dtype({self.text})", rf"\mathrm{{dtype}}({self.latex})")

    def astype(self, dtype: Any, **_: Any) -> Symbol:
        return self

    def sigmoid(self) -> Symbol:
        return Symbol(f"σ({self.text})", rf"\sigma\left({self.latex}\right)")

    def conj(self) -> Symbol:
        return call("conj", self)

    def reshape(self, shape: Any) -> Symbol:
        return function("reshape", self, shape)

    def transpose(self, axes: Any) -> Symbol:
        return function("transpose", self, axes)

    def __getitem__(self, key: Any) -> Symbol:
        return Symbol(f"{self.text}[{key!r}]", rf"{self.latex}[{key!r}]")

    def __bool__(self) -> bool:
        raise TypeError("a symbol is neither true nor false: write the branch with xp.where")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **_: Any) -> Symbol:
        return function(ufunc.__name__.lstrip("_"), *inputs)

    def __array_function__(self, called: Any, types: Any, args: Any, kwargs: Any) -> Symbol:
        return function(called.__name__, *args)


def number(value: float) -> Symbol:
    """A symbol that reads as this number, in brackets where it is negative."""
    text = f"{value:.4g}".replace("-", "−")
    return Symbol(text, f"{value:.4g}", SUM if value < 0 else ATOM)


def symbol(value: Any) -> Symbol:
    """Whatever stands in a formula: a symbol, or a constant."""
    if isinstance(value, Symbol):
        return value
    if isinstance(value, bool | str) or value is None:
        return Symbol(str(value))
    if isinstance(value, numbers.Real) or (hasattr(value, "item") and value.size == 1):
        as_float = float(value.item() if hasattr(value, "item") else value)
        known = NAMED.get(round(as_float, 12))
        return known if known is not None else number(as_float)
    return Symbol(repr(value))


NAMED = {
    3.14159265359: Symbol("π", r"\pi"),
    0.69314718056: Symbol("ln 2", r"\ln 2"),
    2.302585092994: Symbol("ln 10", r"\ln 10"),
    1.128379167096: Symbol("2/√π", r"2/\sqrt{\pi}", PRODUCT),
    0.398942280401: Symbol("1/√(2π)", r"1/\sqrt{2\pi}", PRODUCT),
}
"""Constants that people know by name."""


def wrap(value: Any, binds: int) -> Symbol:
    """In brackets if it binds less tightly than `binds`."""
    inner = symbol(value)
    if inner.binds >= binds:
        return inner
    return Symbol(f"({inner.text})", rf"\left({inner.latex}\right)")


def infix(name: str, a: Any, b: Any) -> Symbol:
    if name == "add" and symbol(b).text.startswith("−"):
        positive = symbol(b)
        name, b = "subtract", Symbol(positive.text[1:], positive.latex[1:], positive.binds)
    if name == "multiply" and symbol(b).text.startswith("−") and symbol(b).binds >= PRODUCT:
        negated = symbol(b)
        return -infix(name, a, Symbol(negated.text[1:], negated.latex[1:], negated.binds))
    text, latex, binds = INFIX[name]
    left = wrap(a, binds)
    right = wrap(b, binds + (name in ("subtract", "matmul")))
    tight = "" if name == "multiply" else " "
    return Symbol(
        f"{left.text}{tight}{text}{tight}{right.text}",
        f"{left.latex} {latex} {right.latex}",
        binds,
    )


def quotient(a: Any, b: Any) -> Symbol:
    numerator = symbol(a)
    if numerator.text.startswith("−") and numerator.binds >= PRODUCT:
        return -quotient(-numerator, b)  # the sign goes before the fraction, in LaTeX too
    above, below = wrap(a, PRODUCT), wrap(b, POWER)
    return Symbol(
        f"{above.text}/{below.text}",
        rf"\frac{{{symbol(a).latex}}}{{{symbol(b).latex}}}",
        PRODUCT,
    )


SUPERSCRIPTS = str.maketrans("0123456789−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def power(a: Any, b: Any) -> Symbol:
    base, exponent = wrap(a, ATOM), symbol(b)
    digits = exponent.text.lstrip("−").isdigit()
    raised = (
        exponent.text.translate(SUPERSCRIPTS) if digits else f"^{wrap(exponent, ATOM).text}"
    )
    return Symbol(f"{base.text}{raised}", f"{{{base.latex}}}^{{{exponent.latex}}}", POWER)


def function(name: str, *arguments: Any) -> Symbol:
    """What a NumPy function of this name reads as."""
    if name in INFIX:
        return infix(name, *arguments)
    if name in ("divide", "true_divide"):
        return quotient(*arguments)
    if name == "power":
        return power(*arguments)
    if name == "square":
        return power(arguments[0], 2)
    if name == "negative":
        return -arguments[0]
    if name in ("absolute", "abs"):
        return abs(arguments[0])
    if name == "sqrt":
        inner = symbol(arguments[0])
        return Symbol(f"√{wrap(inner, ATOM).text}", rf"\sqrt{{{inner.latex}}}", POWER)
    if name == "where":
        return either(*arguments)
    return call(name, *arguments)


def either(condition: Any, one: Any, other: Any) -> Symbol:
    """where(condition, one, other); in LaTeX the two cases one above the other."""
    read = call("where", condition, one, other)
    test, first, second = (symbol(part).latex for part in (condition, one, other))
    cases = rf"{first} & \text{{if }} {test} \\ {second} & \text{{otherwise}}"
    return Symbol(read.text, rf"\begin{{cases}} {cases} \end{{cases}}")


def call(name: str, *arguments: Any, latex: str | None = None) -> Symbol:
    """The function of this name; `latex` is the name's, where it is not the name itself."""
    parts = [symbol(a) for a in arguments if not isinstance(a, dict)]
    if latex is None:
        latex = LATEX_FUNCTIONS.get(name, rf"\operatorname{{{escaped(name)}}}")
    return Symbol(
        f"{name}({', '.join(p.text for p in parts)})",
        rf"{latex}\left({', '.join(p.latex for p in parts)}\right)",
    )
