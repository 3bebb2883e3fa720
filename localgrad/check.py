"""The public gradient checker: derivatives of a function against finite differences, by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from localgrad import calculus, errors, random, tree
from localgrad.graph.node import Node
from localgrad.graph.record import here, state
from localgrad.kernels import reference as xp
from localgrad.local.audit import UNCHECKED, Point, examine, locate
from localgrad.local.formula import downstream_formula
from localgrad.local.operation import as_raw
from localgrad.tensor import Tensor

STEP = 1e-4
TOLERANCE = 1e-6
AUDIT_TOLERANCE = 1e-5  # of one operation on its own, along a random direction
ELEMENTS = 200  # per argument; of larger ones, so many spread evenly


class Row(NamedTuple):
    """The worst element of one argument, at one order."""

    order: int
    mode: str
    argument: int
    element: tuple[int, ...]
    computed: float
    measured: float
    error: float  # relative to the largest derivative of the argument


class GradientReport(NamedTuple):
    """What was compared, and how well it agreed."""

    rows: tuple[Row, ...]

    def __str__(self) -> str:
        lines = ["order  mode     argument  worst element        computed      measured     error"]
        for r in self.rows:
            lines.append(
                f"{r.order:<6} {r.mode:<8} {r.argument:<9} {r.element!s:<18} "
                f"{r.computed:>12.6g}  {r.measured:>12.6g}  {r.error:.1e}"
            )
        return "\n".join(lines)


class _Listener:
    """Notes every operation that a function carries out, with its arguments."""

    def __init__(self) -> None:
        self.calls: list[tuple[Node, list[Any]]] = []

    def made(self, node: Node, y: Any, arguments: Any) -> None:
        raw = [a.value if isinstance(a, Tensor) else a for a in arguments]
        self.calls.append((node, raw))

    def constant(self, *_: Any) -> None:
        """Values outside the graph have no gradient to check."""

    cut = constant


def check_gradients(f: Callable[..., Any], *args: Any, order: int = 2) -> GradientReport:
    """Compare reverse mode, forward mode and second order of f with finite differences, at args.

    f returns a tensor or a structure of them; float arguments are checked in float64. Returns a
    report; a disagreement raises `GradientMismatch`, which names the operation whose declaration
    is wrong (found by checking every one on its own), its argument, the element and the formula.
    Random draws are replayed, so that f may contain dropout.

    >>> import localgrad as lg
    >>> report = lg.check_gradients(lambda x: lg.sin(x) * x, lg.asarray([0.3, 1.2]))
    >>> max(row.error for row in report.rows) < 1e-6
    True
    """
    if order not in (1, 2):
        raise errors.unknown_choice("order", order, ["1", "2"], here())
    leaves, structure = tree.flatten(args)
    values = [as_raw(leaf) for leaf in leaves]
    values = [v.astype(xp.float64) if v.dtype.kind == "f" else v for v in values]
    moving = [i for i, v in enumerate(values) if v.dtype.kind == "f" and v.size]
    if not moving:
        raise errors.nothing_to_check(here())
    draws = random.get_rng_state()

    def run(*arguments: Any) -> Any:
        with random.replayed(draws):
            return f(*arguments)

    def flat(parts: Sequence[Any]) -> list[Tensor]:
        full: list[Any] = list(values)
        for place, part in zip(moving, parts):
            full[place] = part
        inputs = [p if isinstance(p, Tensor) else Tensor(p) for p in full]
        outputs = tree.flatten(run(*tree.unflatten(structure, inputs)))[0]
        return [o for o in outputs if isinstance(o, Tensor) and o.dtype.kind == "f"]

    variables = [values[i] for i in moving]
    weights = [
        xp.cos(xp.arange(o.size, dtype=xp.float64) * 1.3 + 0.4).reshape(o.shape)
        for o in flat(variables)
    ]

    def scalar(*parts: Any) -> Any:
        return sum(((o * w).sum() for o, w in zip(flat(parts), weights)), Tensor(xp.zeros(())))

    everything = tuple(range(len(moving)))
    rows = compare(scalar, variables, moving, 1)
    rows += compare_forward(scalar, variables, moving)
    if order == 2 and not mismatches(rows):
        directions = [xp.sin(xp.arange(v.size) * 0.9 + 0.2).reshape(v.shape) for v in variables]

        def along(*parts: Any) -> Any:
            found = calculus.grad(scalar, everything)(*parts)
            return sum((g * d).sum() for g, d in zip(found, directions))

        rows += compare(along, variables, moving, 2)
    worst = mismatches(rows)
    if worst:
        blame(worst, scalar, variables)
    return GradientReport(tuple(rows))


def mismatches(rows: Sequence[Row]) -> list[Row]:
    return [r for r in rows if not r.error <= TOLERANCE]


def compare(scalar: Any, variables: Sequence[Any], moving: Sequence[int], order: int) -> list[Row]:
    """Reverse mode of a scalar function against central differences, element by element."""
    computed = calculus.grad(scalar, tuple(range(len(variables))))(*variables)
    rows = []
    for place, (value, gradient) in enumerate(zip(variables, computed)):
        elements = list(xp.ndindex(*value.shape))
        elements = elements[:: max(1, -(-len(elements) // ELEMENTS))]
        measured = [slope(scalar, variables, place, e) for e in elements]
        declared = [float(gradient.value[e]) for e in elements]
        rows.append(worst_row(order, "reverse", moving[place], elements, declared, measured))
    return rows


def compare_forward(scalar: Any, variables: Sequence[Any], moving: Sequence[int]) -> list[Row]:
    """Forward mode along one direction per argument against the reverse-mode gradient."""
    computed = calculus.grad(scalar, tuple(range(len(variables))))(*variables)
    rows = []
    for place, value in enumerate(variables):
        direction = xp.cos(xp.arange(value.size) * 0.7 + 1.1).reshape(value.shape)
        moves = [direction if i == place else xp.zeros(v.shape) for i, v in enumerate(variables)]
        pushed = calculus.jvp(scalar, variables, moves)[1].item()
        pulled = float((computed[place].value * direction).sum())
        rows.append(worst_row(1, "forward", moving[place], [()], [pushed], [pulled]))
    return rows


def slope(scalar: Any, variables: Sequence[Any], place: int, element: tuple[int, ...]) -> float:
    """The central difference of order four along one element."""

    def at(step: float) -> float:
        moved = [v.copy() if i == place else v for i, v in enumerate(variables)]
        moved[place][element] += step
        return float(scalar(*moved).item())

    h = STEP * max(1.0, abs(float(variables[place][element])))
    return (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)


def worst_row(
    order: int,
    mode: str,
    argument: int,
    elements: Sequence[tuple[int, ...]],
    computed: Sequence[float],
    measured: Sequence[float],
) -> Row:
    scale = max(1.0, *(abs(m) for m in measured))
    gaps = [abs(c - m) / scale for c, m in zip(computed, measured)]
    # A NaN is the worst that can happen, and compares as smaller than nothing.
    i = max(range(len(gaps)), key=lambda k: float("inf") if gaps[k] != gaps[k] else gaps[k])
    return Row(order, mode, argument, elements[i], computed[i], measured[i], gaps[i])


def blame(rows: Sequence[Row], scalar: Any, variables: Sequence[Any]) -> None:
    """Raise, naming the first operation whose own declaration disagrees with its forward."""
    listener = _Listener()
    outer, state.observer = state.observer, listener
    try:
        scalar(*[calculus.variable(v) for v in variables])
    finally:
        state.observer = outer
    generator = xp.random.default_rng(0)
    for node, arguments in listener.calls:
        moving = [i for i, source in enumerate(node.inputs) if source is not None]
        point = Point(node.op, arguments, node.options, moving)
        if node.op.kind in UNCHECKED:
            continue
        for trial in examine(point, generator, AUDIT_TOLERANCE):
            if not trial.worst() <= AUDIT_TOLERANCE:
                found = locate(point, trial, generator)
                formula = downstream_formula(node.op, trial.arguments[0]).text
                raise errors.wrong_gradient(found, node, formula)
    raise errors.wrong_derivative(max(rows, key=lambda r: r.error))
