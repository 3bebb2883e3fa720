"""Formulas read off declarations: what an operation computes and what it sends to each argument."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from localgrad.local.axis_operator import AxisOperator
from localgrad.local.bilinear import Bilinear
from localgrad.local.composite import Composite
from localgrad.local.contract import Contract
from localgrad.local.custom import Custom
from localgrad.local.flat import Flat
from localgrad.local.linear import Linear, LinearMany
from localgrad.local.operation import Operation, parameters_of
from localgrad.local.pointwise import Pointwise
from localgrad.local.reduction import Reduction
from localgrad.local.select import Select
from localgrad.local.symbol import PRODUCT, Formula, Symbol, call, escaped, quotient, symbol

UPSTREAM = Symbol("g", "g")


def formulas(op: Operation) -> dict[str, Formula]:
    """`y` as it is computed, and per argument the downstream as a function of the upstream g.

    >>> import localgrad as lg
    >>> from localgrad.local.formula import formulas
    >>> for name, formula in formulas(lg.tanh).items():
    ...     print(name, "←", formula.text)
    y ← tanh(x)
    x ← g·(1 − y·y)
    """
    result = {"y": forward_formula(op)}
    names = op.arguments if not op.variadic else ("xᵢ",)
    for index, name in enumerate(names):
        if op.variadic or op.partials[index] is not None or not isinstance(op, Pointwise | Select):
            result[name] = downstream_formula(op, index)
    return result


def forward_formula(op: Operation) -> Formula:
    """y as a function of the arguments; the operation's name where its code is no formula."""
    names = op.arguments if not op.variadic else ("x₁", "x₂", "…")
    arguments = [Symbol(n) for n in names]
    read = None
    if isinstance(op, Pointwise | Select):
        options = {n: Symbol(n) for n in op.options}
        read = attempt(lambda: op.forward(*arguments, **options))
    return as_formula(read if read is not None else call(op.name, *arguments))


def downstream_formula(op: Operation, index: int, **names: Symbol) -> Formula:
    """What argument `index` receives for the upstream g; `names` replaces symbols by numbers."""
    reader = next((READERS[kind] for kind in type(op).__mro__ if kind in READERS), of_nothing)
    read = attempt(lambda: reader(op, index, names))
    if read is None and isinstance(op, Linear | LinearMany):
        latex = rf"\operatorname{{{escaped(op.name)}}}^{{\top}}"  # the adjoint of the map
        read = call(f"{op.name}ᵀ", names.get("g", UPSTREAM), latex=latex)
    if read is None:
        argument = "xᵢ" if op.variadic else op.arguments[index]
        latex = rf"\operatorname{{{escaped(op.name)}}}'_{{{Symbol(argument).latex}}}"
        read = call(f"{op.name}′[{argument}]", names.get("g", UPSTREAM), latex=latex)
    return as_formula(read)


def attempt(read: Callable[[], Any]) -> Symbol | None:
    """A reading on symbols; None where the code asks for what a symbol has not (a size, say)."""
    try:
        found = read()
    except Exception:  # of somebody else's rule, which may raise anything
        return None
    return found if found is None else symbol(found)


def as_formula(read: Any) -> Formula:
    return Formula(read.text, read.latex)


def named(function: Callable[..., Any], names: dict[str, Symbol]) -> list[Symbol]:
    return [names.get(p, UPSTREAM if p == "g" else Symbol(p)) for p in parameters_of(function)]


def times(upstream: Any, local: Any) -> Symbol:
    read = symbol(local)
    if upstream.text == "1":
        return read
    if read.text in ("1", "−1"):
        return upstream if read.text == "1" else -upstream
    if read.text.startswith("1/") and read.binds == PRODUCT:
        return quotient(upstream, Symbol(read.text[2:], read.latex.removeprefix(r"\frac{1}")[1:-1]))
    return upstream * read


def of_factor(op: Any, index: int, names: dict[str, Symbol]) -> Symbol:
    partial = op.partials[index]
    return times(names.get("g", UPSTREAM), partial(*named(partial, names)))


def of_rule(op: Any, index: int, names: dict[str, Symbol]) -> Any:
    rule = op.partials[index]
    return rule(*named(rule, names))


def of_reduction(op: Any, index: int, names: dict[str, Symbol]) -> Any:
    return of_rule(op, index, names) if op.routes else of_factor(op, index, names)


def of_adjoint(op: Any, index: int, names: dict[str, Symbol]) -> Any:
    return op.adjoint(*named(op.adjoint, names))


def of_axis_operator(op: Any, index: int, names: dict[str, Symbol]) -> Symbol:
    g = names.get("g", UPSTREAM)
    total: Any = times(g, op.diagonal(*named(op.diagonal, names)))
    for u, v in op.terms:
        first = symbol(u(*named(u, names)))
        total = total + times(call("sum", times(g, first)), v(*named(v, names)))
    return total


def of_flat(op: Any, index: int, names: dict[str, Symbol]) -> Symbol:
    return Symbol("0", "0")


def of_custom(op: Any, index: int, names: dict[str, Symbol]) -> Any:
    parts = op.vjp(*named(op.vjp, names))
    return parts[index] if isinstance(parts, tuple | list) else parts


def of_nothing(op: Any, index: int, names: dict[str, Symbol]) -> None:
    """Composites are explained by their derivation, step by step, not by one formula."""


READERS: dict[type, Callable[[Any, int, dict[str, Symbol]], Any]] = {
    Pointwise: of_factor,
    Select: of_rule,
    Reduction: of_reduction,
    Linear: of_adjoint,
    LinearMany: of_nothing,
    Bilinear: of_rule,
    Contract: of_nothing,
    AxisOperator: of_axis_operator,
    Composite: of_nothing,
    Flat: of_flat,
    Custom: of_custom,
}
