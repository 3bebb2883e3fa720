"""Graphs that nobody thought of: Hypothesis draws programs, PyTorch says what their gradients are.

A program is a list of steps; each applies an operation to values that are there already, so
values are used once, often, or never, and the graph joins and branches as it happens to.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import localgrad as lg

torch = pytest.importorskip("torch")


class Step(NamedTuple):
    """Which operation, and which of the values so far it takes (counted from the latest)."""

    operation: int
    first: int
    second: int


UNARY: list[tuple[Any, Any]] = [
    (lg.sin, torch.sin),
    (lg.tanh, torch.tanh),
    (lg.sigmoid, torch.sigmoid),
    (lg.relu, torch.relu),
    (lg.softplus, torch.nn.functional.softplus),
    (lambda x: lg.exp(-x * x), lambda x: torch.exp(-x * x)),
    (lambda x: lg.sqrt(x * x + 1), lambda x: torch.sqrt(x * x + 1)),
    (lambda x: lg.softmax(x, axis=-1), lambda x: torch.softmax(x, -1)),
    (lambda x: lg.sort(x, axis=0), lambda x: torch.sort(x, 0).values),
    (lambda x: lg.cumulative_sum(x, axis=1) / 3, lambda x: torch.cumsum(x, 1) / 3),
    (lambda x: x - x.mean(0, keepdims=True), lambda x: x - x.mean(0, keepdim=True)),
    (lambda x: x + x.max(1, keepdims=True), lambda x: x + x.amax(1, keepdim=True)),
    (lambda x: lg.flip(x, axis=0)[:, [1, 0, 1]], lambda x: torch.flip(x, (0,))[:, [1, 0, 1]]),
    (lambda x: lg.roll(x, 1, axis=1) * 0.5, lambda x: torch.roll(x, 1, 1) * 0.5),
    (lambda x: lg.clip(x, -0.8, 0.9), lambda x: torch.clamp(x, -0.8, 0.9)),
]
BINARY: list[tuple[Any, Any]] = [
    (lg.add, torch.add),
    (lg.subtract, torch.subtract),
    (lg.multiply, torch.multiply),
    (lambda a, b: a / (b * b + 1), lambda a, b: a / (b * b + 1)),
    (lg.maximum, torch.maximum),
    (
        lambda a, b: lg.where(a.detach() > b.detach(), a, 2 * b),
        lambda a, b: torch.where(a > b, a, 2 * b),
    ),
    (lambda a, b: (a @ b.mT @ b) / 9, lambda a, b: (a @ b.mT @ b) / 9),
    (lambda a, b: lg.concat([a, b])[::2] * 1.5, lambda a, b: torch.cat([a, b])[::2] * 1.5),
]
OPERATIONS = UNARY + BINARY

steps = st.builds(Step, st.integers(0, len(OPERATIONS) - 1), st.integers(0, 30), st.integers(0, 30))
programs = st.lists(steps, min_size=1, max_size=14)


def run(program: list[Step], inputs: list[Any], house: int) -> Any:
    """The sum of the last value and a little of every other one that the program made."""
    values = list(inputs)
    for step in program:
        function = OPERATIONS[step.operation][house]
        arguments = [values[-1 - step.first % len(values)]]
        if step.operation >= len(UNARY):
            arguments.append(values[-1 - step.second % len(values)])
        values.append(function(*arguments))
    total = values[-1].sum()
    return total + 0.25 * values[len(values) // 2].sum()


def data(seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(4, 3)) for _ in range(3)]


@settings(max_examples=150, deadline=None)
@given(programs, st.integers(0, 2**20))
def test_gradients(program: list[Step], seed: int) -> None:
    arrays = data(seed)
    mine = [lg.asarray(a, requires_grad=True) for a in arrays]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    y, z = run(program, mine, 0), run(program, theirs, 1)
    np.testing.assert_allclose(y.item(), z.item(), rtol=1e-10, atol=1e-10)
    y.backward()
    z.backward()
    for a, b in zip(mine, theirs):
        assert (a.grad is None) == (b.grad is None)
        if a.grad is not None:
            np.testing.assert_allclose(a.grad.value, b.grad.numpy(), rtol=1e-8, atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(programs, st.integers(0, 2**20))
def test_forward_mode_and_second_order(program: list[Step], seed: int) -> None:
    """⟨∇f, t⟩ is the forward derivative; H·t by forward over reverse is PyTorch's double sweep."""
    arrays = data(seed)
    rng = np.random.default_rng(seed + 1)
    directions = [rng.normal(size=a.shape) for a in arrays]

    def f(*inputs: Any) -> Any:
        return run(program, list(inputs), 0)

    tensors, moves = [lg.asarray(a) for a in arrays], [lg.asarray(t) for t in directions]
    gradient = lg.grad(f, argnums=(0, 1, 2))(*tensors)
    slope = sum(float((g * t).sum()) for g, t in zip(gradient, moves))
    moved = lg.jvp(f, tensors, moves)[1].item()
    assert moved == pytest.approx(slope, rel=1e-9, abs=1e-9)

    second = lg.hvp(f, tensors, moves)
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    first = torch.autograd.grad(
        run(program, theirs, 1), theirs, create_graph=True, allow_unused=True
    )
    slope = sum((g * torch.tensor(t)).sum() for g, t in zip(first, directions) if g is not None)
    if not slope.requires_grad:
        assert all(not s.value.any() for s in second)
        return
    expected = torch.autograd.grad(slope, theirs, allow_unused=True)
    for s, e in zip(second, expected):
        wanted = np.zeros((4, 3)) if e is None else e.numpy()
        np.testing.assert_allclose(s.value, wanted, rtol=1e-7, atol=1e-8)
