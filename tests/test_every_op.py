"""Every operation of the library, against finite differences and against the laws that bind
reverse and forward mode together. An operation without an `example` fails here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import localgrad as lg
from tests.op_cases import (
    OPERATIONS,
    Case,
    differences,
    downstreams,
    identifier,
    inner,
    pushed,
    raw,
)

every_operation = pytest.mark.parametrize("op", OPERATIONS, ids=identifier)
EXPLAINED = [op for op in OPERATIONS if op.example is not None]
operation = pytest.mark.parametrize("op", EXPLAINED, ids=identifier)


@every_operation
def test_has_an_example(op: Any) -> None:
    assert op.example is not None, f"{op.name}, declared in {op.module}, has no example="


def test_names_are_distinct() -> None:
    names = [op.name for op in OPERATIONS]
    assert sorted(names) == sorted(set(names))


@operation
def test_forward_mode_is_the_derivative(op: Any) -> None:
    """J·t along a random t, against central differences of the operation's own forward."""
    case = Case(op)
    directions = case.directions()
    expected = differences(case.evaluate, case.points, directions)
    for found, wanted in zip(pushed(case, directions), expected):
        assert found.shape == wanted.shape
        np.testing.assert_allclose(found, wanted, rtol=2e-7, atol=2e-8)


@operation
def test_reverse_mode_is_its_transpose(op: Any) -> None:
    """⟨g, J·t⟩ = ⟨Jᵀ·g, t⟩, and both equal the difference quotient."""
    case = Case(op)
    directions = case.directions()
    _, _, upstreams, found = downstreams(case)
    g = [u.value for u in upstreams]
    forward = inner(g, pushed(case, directions))
    backward = inner(raw(found, case.points), directions)
    assert backward == pytest.approx(forward, rel=1e-10, abs=1e-11)
    quotient = inner(g, differences(case.evaluate, case.points, directions))
    assert backward == pytest.approx(quotient, rel=1e-6, abs=1e-7)


@operation
def test_dense_both_ways(op: Any) -> None:
    """The Jacobian by rows, by columns and by differences is one matrix."""
    case = Case(op)
    if not case.moving or case.points[0].dtype.kind == "c":
        return  # a complex Jacobian is not one matrix; the random directions above cover it
    outputs = case.evaluate(case.points)
    for slot, output in enumerate(outputs[:1]):
        rows = []
        for unit in units(output):
            upstreams = [lg.asarray(unit if k == slot else y * 0) for k, y in enumerate(outputs)]
            found = raw(downstreams(case, upstreams)[3], case.points)
            rows.append(np.concatenate([f.ravel() for f in found]))
        columns, quotients = [], []
        for place, point in enumerate(case.points):
            for unit in units(point):
                t = [unit if k == place else p * 0 for k, p in enumerate(case.points)]
                columns.append(pushed(case, t)[slot].ravel())
                quotients.append(differences(case.evaluate, case.points, t)[slot].ravel())
        by_rows, by_columns = np.stack(rows), np.stack(columns, axis=1)
        np.testing.assert_allclose(by_rows, by_columns, rtol=1e-10, atol=1e-11)
        np.testing.assert_allclose(by_rows, np.stack(quotients, axis=1), rtol=1e-6, atol=1e-7)


def units(like: np.ndarray) -> Any:
    for index in range(like.size):
        unit = np.zeros(like.size, like.dtype)
        unit[index] = 1
        yield unit.reshape(like.shape)


@operation
def test_second_order(op: Any) -> None:
    """The gradient of ⟨Jᵀ·g, t⟩, by reverse over reverse and by forward over reverse."""
    case = Case(op)
    _, outputs, upstreams, _ = downstreams(case)
    if not outputs or not case.moving:
        return
    directions, along = case.directions(), case.directions()

    def slope(points: Any) -> list[np.ndarray]:
        moved = Case(op, arguments=(case.values, case.options))
        for i, point in zip(case.moving, points):
            moved.values[i] = point
        found = raw(downstreams(moved, upstreams)[3], case.points)
        return [np.asarray(inner(found, directions))]

    (quotient,) = differences(slope, case.points, along)
    leaves, _, _, found = downstreams(case, upstreams, create_graph=True)
    joined = [(f, t) for f, t in zip(found, directions) if f is not None and f.source is not None]
    if not joined:
        assert quotient == pytest.approx(0, abs=1e-7)
        return
    wanted = [leaves[i] for i in case.moving]
    second = lg.gradients(
        [f for f, _ in joined],
        wanted,
        [lg.asarray(t) for _, t in joined],
        retain_graph=True,
        allow_unused=True,
    )
    scale = 1 + sum(abs(s).max(initial=0) for s in raw(second, case.points))
    reverse = inner(raw(second, case.points), along)
    assert reverse == pytest.approx(float(quotient), rel=1e-6, abs=2e-7 * scale)

    def gradient(*points: Any) -> Any:
        values = list(case.values)
        for i, point in zip(case.moving, points):
            values[i] = point
        ys = [y for y in case.call(values) if y.dtype.kind in "fc"]
        parts = lg.gradients(ys, points, upstreams, create_graph=True, allow_unused=True)
        return [p for p in parts if p is not None]

    _, moved = lg.jvp(gradient, tuple(map(lg.asarray, case.points)), tuple(map(lg.asarray, along)))
    kept = [t for f, t in zip(found, directions) if f is not None]
    forward = inner([m.value for m in moved], kept)
    assert forward == pytest.approx(reverse, rel=1e-9, abs=1e-10 * scale)


ANALYTIC = {
    *("exp", "expm1", "exp2", "log", "log1p", "log2", "log10", "sin", "cos", "tan", "asin"),
    *("acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "sqrt", "rsqrt", "pow"),
    *("reciprocal", "square", "add", "subtract", "multiply", "divide", "negative", "sigmoid"),
    *("sum", "mean", "prod", "cumulative_sum", "cumulative_prod", "matmul", "gelu_tanh"),
    *("reshape", "permute_dims", "concat", "stack", "flip", "roll", "triu", "tril", "diagonal"),
}
"""Operations whose forward is analytic and runs on complex numbers."""


@pytest.mark.parametrize("op", [o for o in EXPLAINED if o.name in ANALYTIC], ids=identifier)
def test_complex_step(op: Any) -> None:
    """Im f(x + i·h·t)/h is J·t to the last digit: a difference that subtracts nothing."""
    case = Case(op)
    directions = case.directions()
    step = 1e-30
    shifted = case.evaluate([p + 1j * step * t for p, t in zip(case.points, directions)])
    for found, y in zip(pushed(case, directions), shifted):
        np.testing.assert_allclose(found, y.imag / step, rtol=1e-12, atol=1e-13)


def test_every_analytic_name_is_an_operation() -> None:
    assert {o.name for o in EXPLAINED} >= ANALYTIC
