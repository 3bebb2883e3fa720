"""One operation's declared gradient, checked on its own at the values it really had.

Two questions, asked in float64 for one argument at a time: does `pull` agree with the forward
(⟨g, finite difference along t⟩ = ⟨pull(g), t⟩), and does it agree with `push` (⟨g, push(t)⟩)?
A wrong rule is found by name, in a network of any size. At a kink every value between the two
one-sided derivatives is accepted: there the declaration decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from localgrad.graph.record import enable_grad, state
from localgrad.kernels import reference as xp
from localgrad.local.composite import alias
from localgrad.local.operation import Operation
from localgrad.tensor import Tensor

STEP = 1e-5
TOLERANCE = 1e-5
ELEMENTS = 256


class Disagreement(NamedTuple):
    """What a declared gradient says, and what the forward says."""

    op: str
    argument: str
    element: tuple[int, ...] | None  # None where the argument is too large to go through
    declared: float
    measured: float
    against: str  # "finite difference" or "forward mode"


def audit(
    op: Operation, values: Sequence[Any], options: dict[str, Any], seed: int = 0
) -> Disagreement | None:
    """The worst argument of `op` at these raw argument values; None where all is well."""
    rng = xp.random.default_rng(seed)
    doubled = [as_double(v) for v in values]
    for index, value in enumerate(doubled):
        if not hasattr(value, "dtype") or value.dtype.kind != "f" or value.size == 0:
            continue
        if op.partials and not op.variadic and op.partials[index] is None and has_partials(op):
            continue
        found = audit_argument(op, doubled, options, index, rng)
        if found is not None:
            return found
    return None


def has_partials(op: Operation) -> bool:
    return any(p is not None for p in op.partials)


def as_double(value: Any) -> Any:
    if hasattr(value, "dtype") and value.dtype.kind == "f":
        return xp.asarray(value, xp.float64)
    return value


def audit_argument(
    op: Operation, values: Sequence[Any], options: dict[str, Any], index: int, rng: Any
) -> Disagreement | None:
    variable = alias(values[index], None)
    arguments = [variable if i == index else v for i, v in enumerate(values)]
    observer, state.observer = state.observer, None
    try:
        with enable_grad():
            outputs = op(*arguments, **options)
    finally:
        state.observer = observer
    parts = outputs if isinstance(outputs, tuple) else (outputs,)
    if all(p.source is None for p in parts) or any(p.dtype.kind != "f" for p in parts):
        return None
    if not all(xp.isfinite(p.value).all() for p in parts):
        return None  # where the value itself is not finite, no slope can be measured
    node = node_of(parts[0])
    needs = node.inputs
    upstream: Any = tuple(rng.standard_normal(p.shape) for p in parts)
    given = upstream if isinstance(outputs, tuple) else upstream[0]
    downstream = op.pull(node, given, node.kept, needs)[index]
    if downstream is None:
        downstream = xp.zeros(values[index].shape)
    downstream = downstream.value if isinstance(downstream, Tensor) else downstream
    argument = op.arguments[index] if not op.variadic else f"x{index}"

    tangent = rng.standard_normal(values[index].shape)
    declared = float((downstream * tangent).sum())
    low, high, scale = slopes(op, values, options, index, tangent, upstream)
    scale = max(scale, float((abs(downstream) * abs(tangent)).sum()), 1e-12)
    slack = TOLERANCE * scale
    if not low - slack <= declared <= high + slack:
        gap, element, said, measured = worst_element(
            op, values, options, index, downstream, upstream
        )
        if gap > TOLERANCE * max(abs(said), abs(measured)):
            return Disagreement(op.name, argument, element, said, measured, "finite difference")
        if low == high:  # smooth, and wrong somewhere among the elements that were not tried
            return Disagreement(
                op.name, argument, None, declared, (low + high) / 2, "finite difference"
            )
    tangents = [tangent if i == index else None for i in range(len(values))]
    pushed = op.push(node, tangents, node.kept)
    pushed = pushed if isinstance(pushed, tuple) else (pushed,)
    forward = sum(
        float((g * (p.value if isinstance(p, Tensor) else p)).sum())
        for g, p in zip(upstream, pushed)
    )
    if abs(forward - declared) > TOLERANCE * scale:
        return Disagreement(op.name, argument, None, declared, forward, "forward mode")
    return None


def node_of(part: Tensor) -> Any:
    """The node of the operation itself, behind the part of a tuple."""
    node = part.source
    assert node is not None
    return node.inputs[0] if node.op.kind == "part" else node


def slopes(
    op: Operation,
    values: Sequence[Any],
    options: dict[str, Any],
    index: int,
    tangent: Any,
    upstream: Sequence[Any],
) -> tuple[float, float, float]:
    """The slopes of ⟨upstream, y⟩ along `tangent` to the left and right, and their size."""

    def along(step: float) -> float:
        moved = [v + step * tangent if i == index else v for i, v in enumerate(values)]
        y = op.run(*moved, **options)
        y = y if isinstance(y, tuple) else (y,)
        return sum(float((g * part).sum()) for g, part in zip(upstream, y))

    size = max(1.0, float(abs(values[index]).max(initial=0)))
    h = STEP * size / max(1.0, float(abs(tangent).max(initial=0)))
    left2, left, centre, right, right2 = (along(k * h) for k in (-2, -1, 0, 1, 2))
    smooth = (8 * (right - left) - (right2 - left2)) / (12 * h)
    after, before = (4 * right - right2 - 3 * centre) / (2 * h), (
        3 * centre - 4 * left + left2
    ) / (2 * h)
    scale = max(abs(smooth), abs(centre), abs(after), abs(before))
    if abs(after - before) <= 100 * TOLERANCE * scale:
        return smooth, smooth, scale
    return min(before, after, smooth), max(before, after, smooth), scale


def worst_element(
    op: Operation,
    values: Sequence[Any],
    options: dict[str, Any],
    index: int,
    downstream: Any,
    upstream: Sequence[Any],
) -> tuple[float, tuple[int, ...], float, float]:
    """Where declared and measured are furthest apart: the gap, the element, and both.

    Each element has a slope of its own to the left and to the right, so a kink in one of them
    excuses no other. Of large arguments, elements spread evenly are tried.
    """
    shape = values[index].shape
    worst: tuple[float, tuple[int, ...], float, float] = (-1.0, (), 0.0, 0.0)
    elements = list(xp.ndindex(*shape))
    for element in elements[:: max(1, -(-len(elements) // ELEMENTS))]:
        unit = xp.zeros(shape)
        unit[element] = 1.0
        low, high, _ = slopes(op, values, options, index, unit, upstream)
        declared = float(downstream[element])
        gap = max(low - declared, declared - high, 0.0)
        if gap > worst[0]:
            worst = (gap, element, declared, (low + high) / 2)
    return worst
