"""Is an operation's declared gradient right, at the values that it really had?

For random g and t, with J the Jacobian: ⟨Jᵀ·g, t⟩, as the declaration computes it, must equal
⟨g, (f(x + ht) - f(x - ht)) / 2h⟩, the slope of its own forward in double precision, and ⟨g, J·t⟩,
what its forward mode says. One random direction moves all arguments at once, each so far that its
part of ⟨Jᵀ·g, t⟩ is of one size, so that a wrong part cannot hide behind a larger one. Only where
the sides differ are the arguments looked at one by one, with care for kinks and for rounding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from localgrad.graph.forward import push_tangents
from localgrad.graph.record import enable_grad, no_grad, state
from localgrad.kernels import reference as xp
from localgrad.kernels.dispatch import on_the_reference
from localgrad.local.operation import Operation
from localgrad.tensor import Tensor, gradients

_STEP = 1e-6  # of the joint difference, relative to the argument that moves most
_STEPS = (1e-5, 3e-7, 1e-8)  # of one argument's: the best of them counts
# How far from the point, relative to the argument, it is tried; and whether each element moves in
# proportion to itself, which keeps the argument of a root or a logarithm on its side of zero.
_ATTEMPTS = ((0.0, False), (0.0, True), (1e-3, False), (1e-3, True))
_ROUNDING = 1e-15  # of a value in double precision, some operations old
_FLOOR = 1e-2  # of the size of a product's terms, against which a product that cancels is held
_COARSER = 30.0  # how much further than the tolerance the kernels may be from NumPy
_ELEMENTS = 256  # tried at most in the search for the worst one
UNCHECKED = ("leaf", "part", "flat")  # kinds that have no gradient of their own to be wrong


@dataclass(slots=True, frozen=True)
class Trial:
    """⟨Jᵀ·g, t⟩ for a direction t of some of the arguments, and what it should be."""

    arguments: tuple[int, ...]
    declared: float
    measured: float  # by a finite difference of the forward
    difference: float  # between these two, relative
    modes: float | None  # the same against forward mode, where the operation has one
    kernels: float | None  # between the kernels that ran and NumPy, where asked
    resolution: float  # how large a difference rounding alone can make

    def worst(self) -> float:
        """The largest of the errors, as the tolerance measures them."""
        return max(self.difference, self.modes or 0.0, (self.kernels or 0.0) / _COARSER)


class Disagreement(NamedTuple):
    """What a declared gradient says, and what the forward says."""

    op: str
    argument: str
    element: tuple[int, ...] | None  # None where the disagreement is along a direction
    declared: float
    measured: float
    against: str  # "finite difference" or "forward mode"


class Point:
    """An operation at the values of its arguments; ``moving`` are those that need gradients."""

    def __init__(
        self, op: Operation, values: Sequence[Any], options: dict[str, Any], moving: Sequence[int]
    ) -> None:
        self.op = op
        self.values = [v.value if isinstance(v, Tensor) else v for v in values]
        self.options = options
        self.moving = tuple(moving)

    def wide(self) -> Point:
        """The same in double precision."""
        values = [v.astype(_widest(v)) if _is_number(v) else v for v in self.values]
        return Point(self.op, values, self.options, self.moving)

    def moved(self, steps: dict[int, Any]) -> Point:
        """The point at which some arguments are larger by the given arrays."""
        values = [v + steps[i] if i in steps else v for i, v in enumerate(self.values)]
        return Point(self.op, values, self.options, self.moving)

    def name(self, position: int) -> str:
        return f"x{position}" if self.op.variadic else self.op.arguments[position]

    def run(self) -> list[Any]:
        """The outputs as arrays; of a fused operation, those of its derivation.

        The fused forward may be given numbers that were computed from its arguments beforehand,
        which do not move with them.
        """
        function = getattr(self.op, "derivation", self.op)
        given = [Tensor(v) if isinstance(v, xp.ndarray) else v for v in self.values]
        with no_grad():
            y = function(*given, **self.options)
        return [part.value for part in (y if isinstance(y, tuple) else (y,))]

    def linearise(self) -> Linearisation:
        """Record the operation once, with those arguments that move as fresh leaves."""
        leaves = [
            Tensor(v).requires_grad_() if i in self.moving else v for i, v in enumerate(self.values)
        ]
        with enable_grad():
            y = self.op(*leaves, **self.options)
        return Linearisation(self, leaves, list(y) if isinstance(y, tuple) else [y])


class Linearisation:
    """One operation recorded at a point: Jᵀ and J as its declaration computes them."""

    def __init__(self, point: Point, leaves: list[Any], outputs: list[Tensor]) -> None:
        self.point = point
        self.leaves = leaves
        self.outputs = outputs

    def pull(self, upstreams: list[Any]) -> dict[int, Any]:
        """Jᵀ·g for every argument that moves, as arrays; zeros where there is none."""
        pairs = [
            (o, Tensor(g.astype(o.dtype)))
            for o, g in zip(self.outputs, upstreams)
            if o.source is not None
        ]
        moving = [self.leaves[i] for i in self.point.moving]
        found = gradients(
            [o for o, _ in pairs],
            moving,
            [g for _, g in pairs],
            retain_graph=True,
            allow_unused=True,
        )
        # Copies: a black box may hand out one buffer again and again.
        return {
            i: xp.zeros(leaf.shape) if part is None else xp.array(part.value)
            for i, leaf, part in zip(self.point.moving, moving, found)
        }

    def push(self, tangents: dict[int, Any]) -> list[Any] | None:
        """J·t as arrays, or None where the operation has no forward mode."""
        given = {self.leaves[i].source: t.astype(self.leaves[i].dtype) for i, t in tangents.items()}
        roots = [o.source for o in self.outputs if o.source is not None]
        try:
            with no_grad():
                known = push_tangents(roots, given)
        except Exception:
            return None
        return [
            xp.zeros(o.shape) if o.source is None else known.get(o.source, xp.zeros(o.shape))
            for o in self.outputs
        ]


def examine(point: Point, random: Any, tolerance: float) -> list[Trial]:
    """Try all arguments together; where that disagrees, every one on its own.

    Empty where the declared gradient is not finite at these values: there is no slope to compare.
    """
    before, state.observer = state.observer, None
    try:
        with xp.errstate(all="ignore"):
            own = point.linearise()
            upstreams = _upstreams(own, random)
            declared = own.pull(upstreams)
            lengths = {i: _norm(part) for i, part in declared.items()}
            if not all(map(math.isfinite, lengths.values())):
                return []
            if all(lengths.values()):
                trial = _together(own, upstreams, declared, lengths, random)
                if trial.worst() <= tolerance:
                    return [trial]
            return [_alone(point, i, random, tolerance) for i in point.moving]
    finally:
        state.observer = before


def _together(
    own: Linearisation,
    upstreams: list[Any],
    declared: dict[int, Any],
    lengths: dict[int, float],
    random: Any,
) -> Trial:
    """One direction for all arguments, of Jᵀ and J in the model's own dtype."""
    wide = own.point.wide()
    tangents = {i: _draw(part, random) / lengths[i] for i, part in declared.items()}
    farthest = max(1 / lengths[i] / (_rms(wide.values[i]) or 1.0) for i in declared)
    return _compare(own, upstreams, declared, wide, tangents, _STEP / farthest)


def _alone(point: Point, position: int, random: Any, tolerance: float) -> Trial:
    """One argument, in double precision: the best of a few attempts.

    A kink at the very values (a zero under relu, a tie under max) makes the difference quotient
    wrong and not the gradient; a point close by has none. The directions stay the same, so that
    no attempt succeeds by chance.
    """
    kernels = _kernels(point, position, random)
    best: Trial | None = None
    with on_the_reference():
        wide = point.wide()
        tangent = _draw(wide.values[position], random)
        noise = {i: _draw(wide.values[i], random) for i in point.moving}
        upstreams = _upstreams(wide.linearise(), random)
        for nearby, in_proportion in _ATTEMPTS:
            here = wide.moved({i: nearby * _rms(wide.values[i]) * n for i, n in noise.items()})
            graph = here.linearise()
            declared = graph.pull(upstreams)
            x = here.values[position]
            tangents = {position: tangent * abs(x) if in_proportion else tangent}
            for step in _STEPS:
                size = step * (1.0 if in_proportion else _rms(x) or 1.0)
                trial = _compare(graph, upstreams, declared, here, tangents, size, kernels)
                if best is not None and trial.resolution > tolerance:
                    break  # a smaller step would only measure rounding
                if best is None or not best.difference <= trial.difference:
                    best = trial
                if best.worst() <= tolerance:
                    return best
    assert best is not None
    return best


def _compare(
    graph: Linearisation,
    upstreams: list[Any],
    declared: dict[int, Any],
    wide: Point,
    tangents: dict[int, Any],
    step: float,
    kernels: float | None = None,
) -> Trial:
    """Hold ⟨Jᵀ·g, t⟩ against the slope of the forward along t, and against forward mode.

    For a random g, which finds what is wrong anywhere, and for the slope itself as g, which shows
    a factor however large the output is.
    """
    with on_the_reference():
        ends = [
            wide.moved({i: sign * step * t for i, t in tangents.items()}).run() for sign in (1, -1)
        ]
    slope = [_finite(up - down) / (2 * step) for up, down in zip(*ends)]
    pushed = graph.push(tangents)
    trials = []
    for g, parts in ((upstreams, declared), (slope, graph.pull(slope))):
        sent = sum(_inner(parts[i], t) for i, t in tangents.items())
        measured = sum(map(_inner, g, slope))
        # A product may be small because its terms cancel: then it is held against their size.
        terms = sum(_norm(parts[i]) * _norm(t) for i, t in tangents.items())
        least = _FLOOR * max(terms, sum(map(_norm, g)) * sum(map(_norm, slope)))
        rounding = _ROUNDING * sum(_norm(a) * _rms(y) for a, y in zip(g, ends[0])) / step
        scale = max(abs(sent), abs(measured), least)
        gap = max(abs(sent - measured) - rounding, 0.0)
        trials.append(
            Trial(
                tuple(tangents),
                sent,
                measured,
                difference=gap / scale if gap else gap,
                modes=None if pushed is None else _modes(sent, sum(map(_inner, g, pushed)), least),
                kernels=kernels,
                resolution=rounding / scale if scale else 0.0,
            )
        )
    return max(trials, key=Trial.worst)


def _modes(sent: float, pushed: float, least: float) -> float:
    """Backward mode's product against forward mode's."""
    gap = abs(sent - pushed)
    return gap / max(abs(sent), abs(pushed), least) if gap else gap


def _kernels(point: Point, position: int, random: Any) -> float:
    """The backward as it runs against the same with NumPy, in the model's own dtype."""
    own = point.linearise()
    upstreams = _upstreams(own, random)
    found = own.pull(upstreams)[position]
    with on_the_reference():
        wanted = point.linearise().pull(upstreams)[position]
    rounding = 1e3 * float(xp.finfo(found.dtype).eps) * sum(map(_norm, upstreams))
    gap = _norm(found - wanted)
    return gap / max(_norm(wanted), rounding) if gap else gap


def locate(point: Point, trial: Trial, random: Any) -> Disagreement:
    """The element of the argument of ``trial`` at which declared and measured are furthest apart.

    Of large arguments, elements spread evenly are tried.
    """
    (position,) = trial.arguments
    name = point.op.name, point.name(position)
    if trial.difference < (trial.modes or 0.0):
        return Disagreement(*name, None, trial.declared, trial.measured, "forward mode")
    wide = point.wide()
    x = wide.values[position]
    worst = Disagreement(*name, None, trial.declared, trial.measured, "finite difference")
    largest = 0.0
    with on_the_reference(), no_grad():
        graph = wide.linearise()
        upstreams = _upstreams(graph, random)
        declared = graph.pull(upstreams)[position]
        step = 1e-5 * (_rms(x) or 1.0)
        elements = list(xp.ndindex(*x.shape))
        for element in elements[:: max(1, -(-len(elements) // _ELEMENTS))]:
            unit = xp.zeros(x.shape)
            unit[element] = step
            ends = [wide.moved({position: sign * unit}).run() for sign in (1, -1)]
            measured = sum(_inner(g, up - down) for g, up, down in zip(upstreams, *ends)) / 2 / step
            gap = abs(measured - float(declared[element]))
            if gap > largest:
                largest = gap
                worst = Disagreement(
                    *name, element, float(declared[element]), measured, "finite difference"
                )
    return worst


def _upstreams(graph: Linearisation, random: Any) -> list[Any]:
    """A random g for every output: zero where the output is not finite (a mask's -inf, say)."""
    return [_draw(o, random) * xp.isfinite(o.value) for o in graph.outputs]


def _draw(like: Any, random: Any) -> Any:
    """Numbers about zero: evenly spread ones are drawn in a third of the time of normal ones."""
    real = random.random(like.shape, xp.float32) - xp.float32(0.5)
    return real + 1j * _draw(real, random) if like.dtype.kind == "c" else real


def _finite(x: Any) -> Any:
    return xp.where(xp.isfinite(x), x, 0)


def _inner(a: Any, b: Any) -> float:
    """Re⟨a, b⟩ in double precision."""
    return float(xp.vdot(a.astype(_widest(a), copy=False), b.astype(_widest(b), copy=False)).real)


def _norm(x: Any) -> float:
    return math.sqrt(_inner(x, x))


def _rms(x: Any) -> float:
    """Of the finite elements: a mask's -inf is no measure of a step."""
    return _norm(_finite(x)) / math.sqrt(x.size) if x.size else 0.0


def _widest(x: Any) -> Any:
    return xp.complex128 if x.dtype.kind == "c" else xp.float64


def _is_number(value: Any) -> bool:
    return isinstance(value, xp.ndarray) and value.dtype.kind in "fc"
