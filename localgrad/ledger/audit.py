"""Is every local gradient right? Each node is checked on its own, at the values it really had.

For random g and t, with J the node's Jacobian: ⟨Jᵀ·g, t⟩ (backward) must equal ⟨g, J·t⟩ (forward
mode) and ⟨g, (f(x + ht) - f(x - ht)) / 2h⟩ (the node's own forward), in double precision; and the
backward in the model's dtype must agree with the one in double precision.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from localgrad.graph.forward import push_tangents
from localgrad.graph.node import Node
from localgrad.graph.record import enable_grad, no_grad, state
from localgrad.kernels import reference as xp
from localgrad.ledger.build import Build
from localgrad.ledger.model import Finding, NodeRecord
from localgrad.ledger.recorder import Made, Recorder
from localgrad.tensor import Tensor, gradients

_STEPS = (1e-5, 3e-7, 1e-8)  # of the finite difference, relative to the argument
_SAME_DTYPE = 30.0  # how much coarser than the tolerance the backward in float32 may be
_SKIPPED_KINDS = ("leaf", "part", "flat")


@dataclass(slots=True, frozen=True)
class AuditRow:
    """One argument of one node: the relative errors of its backward."""

    node: int
    op: str
    argument: str
    difference: float  # against a finite difference of the forward
    modes: float | None  # against forward mode, where the operation has one
    precision: float  # against the same backward in double precision

    def worst(self) -> float:
        return max(self.difference, self.modes or 0.0, self.precision / _SAME_DTYPE)


@dataclass(slots=True)
class Audit:
    """What was checked, what was not and why, and what is wrong."""

    rows: list[AuditRow] = field(default_factory=list)
    skipped: dict[int, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether no local gradient disagrees with its forward."""
        return not self.findings

    def __str__(self) -> str:
        checked = len({row.node for row in self.rows})
        head = f"{checked} nodes checked, {len(self.skipped)} skipped: "
        wrong = [f"  {item.where or '?'}: {item.message}" for item in self.findings]
        return "\n".join([head + (f"{len(wrong)} wrong" if wrong else "all agree"), *wrong])


class _Point:
    """One node's operation, to be run again near the values it had."""

    def __init__(self, node: Node, made: Made) -> None:
        self.node = node
        self.given = [_raw(value) for value in made.arguments]
        self.moving = [i for i, source in enumerate(made.inputs) if source is not None]

    def wide(self) -> list[Any]:
        """The arguments in double precision."""
        return [v.astype(xp.float64) if _is_float(v) else v for v in self.given]

    def run(self, arguments: list[Any]) -> list[Any]:
        """The outputs as arrays; of a fused operation, those of its derivation.

        The fused forward may be given numbers that were computed from its arguments beforehand,
        which do not move with them.
        """
        function = getattr(self.node.op, "derivation", self.node.op)
        given = [Tensor(v) if isinstance(v, xp.ndarray) else v for v in arguments]
        with no_grad():
            y = function(*given, **self.node.options)
        return [part.value for part in (y if isinstance(y, tuple) else (y,))]

    def linearise(self, arguments: list[Any]) -> _Graph:
        """The operation recorded once, with those arguments that move as fresh leaves."""
        leaves = [
            Tensor(v).requires_grad_() if i in self.moving else v for i, v in enumerate(arguments)
        ]
        with enable_grad():
            y = self.node.op(*leaves, **self.node.options)
        return _Graph(
            leaves, [leaves[i] for i in self.moving], list(y) if isinstance(y, tuple) else [y]
        )


@dataclass(slots=True)
class _Graph:
    """One operation at one point: its arguments, those of them that move, and its outputs."""

    arguments: list[Any]
    moving: list[Tensor]
    outputs: list[Tensor]

    def backward(self, upstreams: list[Any]) -> list[Any]:
        """Jᵀ·g for every argument that moves, as arrays (None where there is none)."""
        pairs = [
            (o, Tensor(g.astype(o.dtype)))
            for o, g in zip(self.outputs, upstreams)
            if o.source is not None
        ]
        found = gradients(
            [o for o, _ in pairs],
            self.moving,
            [g for _, g in pairs],
            retain_graph=True,
            allow_unused=True,
        )
        return [None if part is None else part.value for part in found]

    def forward(self, position: int, tangent: Any) -> list[Any] | None:
        """J·t for one argument, or None where the operation has no forward mode."""
        roots = [o.source for o in self.outputs if o.source is not None]
        try:
            with no_grad():
                known = push_tangents(roots, {self.arguments[position].source: tangent})
        except Exception:
            return None
        return [
            xp.zeros(o.shape) if o.source is None else known.get(o.source, xp.zeros(o.shape))
            for o in self.outputs
        ]


def audit(recorder: Recorder, build: Build, seed: int, tolerance: float) -> Audit:
    """Check every node that a sweep passed and whose arguments were recorded."""
    result = Audit()
    random = xp.random.default_rng(seed)
    before, state.observer = state.observer, None
    try:
        for identity, (node, _) in enumerate(build.keys):
            record = build.record.nodes[identity]
            if node.op.kind in _SKIPPED_KINDS or record.upstream is None:
                continue
            made = recorder.made_nodes.get(node)
            if made is None or made.arguments is None:
                result.skipped[identity] = "made before the ledger was opened"
                continue
            _check_node(result, record, _Point(node, made), random, tolerance)
    finally:
        state.observer = before
    return result


def _check_node(
    result: Audit, record: NodeRecord, point: _Point, random: Any, tolerance: float
) -> None:
    if not all(bool(xp.all(xp.isfinite(v))) for v in point.given if _is_float(v)):
        result.skipped[record.id] = "its arguments are not finite"
        return
    op = point.node.op
    with xp.errstate(all="ignore"):
        try:
            precisions = _precisions(point, random)
            rows = [
                AuditRow(
                    record.id,
                    op.name,
                    f"x{position}" if op.variadic else op.arguments[position],
                    *_errors(point, position, random, tolerance),
                    precision,
                )
                for position, precision in zip(point.moving, precisions)
            ]
        except Exception as cause:
            result.skipped[record.id] = f"it cannot be run again: {cause}"
            return
    result.rows += rows
    wrong = [row for row in rows if not row.worst() <= tolerance]
    if wrong:
        result.findings.append(_finding(record, wrong, tolerance))


def _errors(
    point: _Point, position: int, random: Any, tolerance: float
) -> tuple[float, float | None]:
    """(finite difference, forward mode) of one argument: the best of a few attempts.

    A kink at the very values (a zero under relu, a tie under max) makes the difference quotient
    wrong and not the gradient; a point close by has none.
    """
    arguments = point.wide()
    best: tuple[float, float | None] | None = None
    for attempt in range(3):
        if attempt:
            arguments = [
                v + 1e-3 * (_rms(v) or 1.0) * random.standard_normal(v.shape)
                if i in point.moving
                else v
                for i, v in enumerate(arguments)
            ]
        graph = point.linearise(arguments)
        for step in _STEPS:
            found = _attempt(point, graph, arguments, position, step, random)
            if best is None or found[0] < best[0] or math.isnan(best[0]):
                best = found
            if max(best[0], best[1] or 0.0) <= tolerance:
                break
        assert best is not None
        if best[0] <= tolerance:
            break
    assert best is not None
    return best


def _attempt(
    point: _Point,
    graph: _Graph,
    arguments: list[Any],
    position: int,
    step: float,
    random: Any,
) -> tuple[float, float | None]:
    x = arguments[position]
    tangent = random.choice((-1.0, 1.0), x.shape)
    size = step * max(_rms(x), 1e-3)
    ends = []
    for sign in (1.0, -1.0):
        moved = list(arguments)
        moved[position] = x + sign * size * tangent
        ends.append(point.run(moved))
    quotient = [(up - down) / (2 * size) for up, down in zip(*ends)]
    worst, modes = 0.0, None
    pushed = graph.forward(position, tangent)
    place = point.moving.index(position)
    for upstream in (quotient, [random.standard_normal(q.shape) for q in quotient]):
        back = graph.backward(upstream)[place]
        sent = 0.0 if back is None else _inner([back], [tangent])
        worst = max(worst, _relative(sent, upstream, quotient))
        if pushed is not None:
            modes = max(modes or 0.0, _relative(sent, upstream, pushed))
    return worst, modes


def _precisions(point: _Point, random: Any) -> list[float]:
    """Forward and backward in the model's own dtype against those in double precision."""
    own, wide = point.linearise(point.given), point.linearise(point.wide())
    reference = point.run(point.wide())
    forward = max(_gap(o.value, r) for o, r in zip(own.outputs, reference))
    upstream = [random.standard_normal(o.shape) for o in own.outputs]
    pairs = zip(own.backward(upstream), wide.backward(upstream))
    return [
        max(forward, _gap(a, b))
        if a is not None and b is not None
        else forward
        if a is b
        else math.inf
        for a, b in pairs
    ]


def _gap(own: Any, wide: Any) -> float:
    scale = _norm(wide)
    gap = _norm(own.astype(xp.float64) - wide)
    return gap / scale if scale else gap


def _finding(record: NodeRecord, wrong: list[AuditRow], tolerance: float) -> Finding:
    worst = max(wrong, key=AuditRow.worst)
    evidence: dict[str, float | int | str] = {
        "argument": worst.argument,
        "against the forward": worst.difference,
        "tolerance": tolerance,
    }
    if worst.modes is not None:
        evidence["against forward mode"] = worst.modes
    names = ", ".join(f"`{row.argument}`" for row in wrong)
    return Finding(
        kind="mismatch",
        severity="error",
        message=f"the backward of `{record.op}` with respect to {names} is not the derivative of "
        f"its forward: they differ by {worst.worst():.2g} of their size.",
        where=record.where,
        node=record.id,
        module=record.module,
        evidence=evidence,
        advice=f"Check the declaration: lg.check_gradients({record.op}, ...) shows the element and "
        "the formula; or declare only the forward in terms of other operations.",
    )


def _relative(sent: float, upstream: list[Any], tangent: list[Any]) -> float:
    """|⟨Jᵀg, t⟩ - ⟨g, Jt⟩| against the larger of the product and a hundredth of the norms'."""
    other = _inner(upstream, tangent)
    norms = math.sqrt(_inner(upstream, upstream) * _inner(tangent, tangent))
    scale = max(abs(other), abs(sent), 1e-2 * norms)
    return abs(sent - other) / scale if scale else 0.0


def _parts(a: list[Any], b: list[Any]) -> Iterator[tuple[Any, Any]]:
    for x, y in zip(a, b):
        yield xp.ravel(x).astype(xp.float64), xp.ravel(y).astype(xp.float64)


def _inner(a: list[Any], b: list[Any]) -> float:
    return sum(float(x @ y) for x, y in _parts(a, b))


def _norm(x: Any) -> float:
    return math.sqrt(_inner([x], [x]))


def _rms(x: Any) -> float:
    return _norm(x) / math.sqrt(x.size) if x.size else 0.0


def _raw(value: Any) -> Any:
    return value.value if isinstance(value, Tensor) else value


def _is_float(value: Any) -> bool:
    return isinstance(value, xp.ndarray) and value.dtype.kind == "f"
