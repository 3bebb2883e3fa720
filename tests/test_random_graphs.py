"""Graphs that nobody thought of: drawn by Hypothesis, compared with PyTorch and with themselves.

A program is a list of steps; each takes earlier values, by number, and adds one. Values are reused
freely, so joins of every kind arise. Three things must hold for each: gradients equal PyTorch's,
⟨g, J t⟩ = ⟨Jᵀ g, t⟩, and a sweep cut off at any value loses exactly what came through it.
"""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import localgrad as lg

torch = pytest.importorskip("torch")

UNARY = {
    "sin": (lg.sin, torch.sin),
    "tanh": (lg.tanh, torch.tanh),
    "sigmoid": (lg.sigmoid, torch.sigmoid),
    "square": (lg.square, torch.square),
    "softplus": (lg.nn.functional.softplus, torch.nn.functional.softplus),
    "negative": (lg.negative, torch.neg),
    "softmax": (lambda x: lg.softmax(x, axis=-1), lambda x: torch.softmax(x, -1)),
    "transpose": (lambda x: x.mT, lambda x: x.mT),
    "flip": (lambda x: lg.flip(x, axis=0), lambda x: torch.flip(x, (0,))),
    "row": (lambda x: x[1:2], lambda x: x[1:2]),
    "pick": (lambda x: x[[2, 0, 2]], lambda x: x[[2, 0, 2]]),
    "mean": (lambda x: lg.mean(x, axis=0, keepdims=True), lambda x: x.mean(0, keepdim=True)),
    "cumulative": (lambda x: lg.cumulative_sum(x, axis=1), lambda x: x.cumsum(1)),
    "spread": (lambda x: lg.std(x, axis=1, keepdims=True), lambda x: x.std(1, False, keepdim=True)),
}
BINARY = {
    "add": (lg.add, torch.add),
    "subtract": (lg.subtract, torch.sub),
    "multiply": (lg.multiply, torch.mul),
    "matmul": (lg.matmul, torch.matmul),
    "maximum": (lg.maximum, torch.maximum),
    "hypot": (lambda a, b: lg.hypot(a + 3, b), lambda a, b: torch.hypot(a + 3, b)),
    "where": (lambda a, b: lg.where(a > b, a, b * 2), lambda a, b: torch.where(a > b, a, b * 2)),
}

steps = st.lists(
    st.tuples(
        st.sampled_from([*UNARY, *BINARY]), st.integers(0, 1 << 16), st.integers(0, 1 << 16)
    ),
    min_size=1,
    max_size=14,
)


def run(program: list, inputs: list[Any], side: int) -> list[Any]:
    """The values of a program: side 0 is ours, side 1 PyTorch's."""
    values = list(inputs)
    for name, first, second in program:
        # Broadcasting keeps 3×3 among 3×3, 1×3 and 3×1 apart from the few that do not fit.
        a, b = values[first % len(values)], values[second % len(values)]
        try:
            y = UNARY[name][side](a) if name in UNARY else BINARY[name][side](a, b)
        except (lg.ShapeError, RuntimeError, IndexError):
            y = a * 0.5
        values.append(y if y.ndim == 2 and 0 not in y.shape else a * 0.5)
    return values


def total(values: list[Any]) -> Any:
    return sum((v.sum() for v in values[2:]), values[0].sum() * 0.1)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(steps, st.integers(0, 1000))
def test_gradients_equal_pytorchs(program: list, seed: int) -> None:
    rng = np.random.default_rng(seed)
    data = [rng.standard_normal((3, 3)) * 0.7 for _ in range(2)]
    ours = [lg.asarray(d, requires_grad=True) for d in data]
    theirs = [torch.tensor(d, requires_grad=True) for d in data]
    mine, others = run(program, ours, 0), run(program, theirs, 1)
    assert [v.shape for v in mine] == [tuple(v.shape) for v in others]
    total(mine).backward()
    total(others).backward()
    for a, b in zip(ours, theirs):
        expected = np.zeros((3, 3)) if b.grad is None else b.grad.numpy()
        found = np.zeros((3, 3)) if a.grad is None else a.grad.numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@settings(max_examples=75, deadline=None, derandomize=True)
@given(steps, st.integers(0, 1000))
def test_forward_and_reverse_are_adjoint(program: list, seed: int) -> None:
    rng = np.random.default_rng(seed)
    data = [rng.standard_normal((3, 3)) * 0.7 for _ in range(2)]
    tangents = [rng.standard_normal((3, 3)) for _ in range(2)]

    def last(a: lg.Tensor, b: lg.Tensor) -> lg.Tensor:
        return run(program, [a, b], 0)[-1]

    y, moved = lg.jvp(last, data, tangents)
    g = rng.standard_normal(y.shape)
    pulled = lg.vjp(last, *data)[1](lg.asarray(g))
    left = float((g * moved.numpy()).sum())
    right = sum(float((p.numpy() * t).sum()) for p, t in zip(pulled, tangents))
    assert left == pytest.approx(right, rel=1e-9, abs=1e-9)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(steps, st.integers(0, 1000), st.integers(0, 1 << 16))
def test_gradient_is_the_sum_over_routes(program: list, seed: int, at: int) -> None:
    """What comes through a value, plus what comes past it, is the entire gradient."""
    rng = np.random.default_rng(seed)
    data = [rng.standard_normal((3, 3)) * 0.7 for _ in range(2)]

    def whole_or_past(cut: int | None) -> np.ndarray:
        """The gradient of x, with value number `cut` held constant."""
        x, w = (lg.asarray(d, requires_grad=True) for d in data)
        values = [x, w]
        for step in program:
            value = run([step], values, 0)[-1]
            values.append(value.detach() if len(values) == cut else value)
        (gradient,) = lg.gradients(total(values), [x])
        return gradient.numpy()

    cut = 2 + at % len(program)
    through = whole_or_past(None) - whole_or_past(cut)
    x, w = (lg.asarray(d, requires_grad=True) for d in data)
    values = run(program, [x, w], 0)
    middle = values[cut]
    (arriving,) = lg.gradients(total(values), [middle], retain_graph=True)
    (part,) = lg.gradients(middle, [x], arriving, allow_unused=True)
    found = np.zeros((3, 3)) if part is None else part.numpy()
    np.testing.assert_allclose(found, through, rtol=1e-9, atol=1e-9)
