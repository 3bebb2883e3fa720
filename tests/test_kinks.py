"""What an operation declares where its function has no derivative is what PyTorch does there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import localgrad as lg
from localgrad.special import entr, i0e, i1e, logit, xlog1py, xlogy
from tests.op_cases import OPERATIONS

torch = pytest.importorskip("torch")
F = torch.nn.functional
INF, NAN = float("inf"), float("nan")
EDGES = [-INF, -7.0, -3.0, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 3.0, 6.0, 7.0, INF]

ONE_ARGUMENT: dict[str, tuple[Any, Any, list[float]]] = {
    "abs": (lg.abs, torch.abs, EDGES),
    "sqrt": (lg.sqrt, torch.sqrt, [0.0, 1.0, INF]),
    "rsqrt": (lg.rsqrt, torch.rsqrt, [0.0, 1.0, INF]),
    "log": (lg.log, torch.log, [0.0, 1.0, INF]),
    "log1p": (lg.log1p, torch.log1p, [-1.0, 0.0, INF]),
    "log2": (lg.log2, torch.log2, [0.0, 1.0]),
    "log10": (lg.log10, torch.log10, [0.0, 1.0]),
    "asin": (lg.asin, torch.asin, [-1.0, 0.0, 1.0]),
    "acos": (lg.acos, torch.acos, [-1.0, 0.0, 1.0]),
    "acosh": (lg.acosh, torch.acosh, [1.0, 2.0]),
    "atanh": (lg.atanh, torch.atanh, [-1.0, 0.0, 1.0]),
    "reciprocal": (lg.reciprocal, torch.reciprocal, [0.0, -0.0, INF]),
    "clip": (lambda x: lg.clip(x, -0.5, 0.5), lambda x: torch.clamp(x, -0.5, 0.5), [*EDGES, NAN]),
    "relu": (lg.relu, torch.relu, [*EDGES, NAN]),
    "relu6": (lg.relu6, F.relu6, EDGES),
    "hardtanh": (lg.hardtanh, F.hardtanh, EDGES),
    "leaky_relu": (lg.leaky_relu, F.leaky_relu, EDGES),
    "elu": (lambda x: lg.elu(x, alpha=1.5), lambda x: F.elu(x, 1.5), EDGES),
    "selu": (lg.selu, F.selu, EDGES),
    "celu": (lambda x: lg.celu(x, alpha=1.5), lambda x: F.celu(x, 1.5), EDGES),
    "threshold": (
        lambda x: lg.threshold(x, threshold=0.5, value=9.0),
        lambda x: F.threshold(x, 0.5, 9.0),
        EDGES,
    ),
    "hardshrink": (lg.hardshrink, F.hardshrink, EDGES),
    "softshrink": (lg.softshrink, F.softshrink, EDGES),
    "hardsigmoid": (lg.hardsigmoid, F.hardsigmoid, EDGES),
    "hardswish": (lg.hardswish, F.hardswish, [-7.0, -3.0, 0.0, 3.0, 7.0]),
    "logit": (logit, torch.special.logit, [0.0, 0.5, 1.0]),
    "entr": (entr, torch.special.entr, [0.0, 1.0]),
    "i0e": (i0e, torch.special.i0e, [-1.0, 0.0, 1.0]),
    "i1e": (i1e, torch.special.i1e, [-1.0, 0.0, 1.0]),
}
PAIRS = [(-1.0, -1.0), (-1.0, 1.0), (1.0, 1.0), (0.0, 0.0), (2.0, -0.5), (INF, INF), (INF, 1.0)]
TWO_ARGUMENTS: dict[str, tuple[Any, Any, list[tuple[float, float]]]] = {
    "maximum": (lg.maximum, torch.maximum, [*PAIRS, (NAN, 1.0), (1.0, NAN)]),
    "minimum": (lg.minimum, torch.minimum, [*PAIRS, (NAN, 1.0), (1.0, NAN)]),
    "fmax": (lg.fmax, torch.fmax, [*PAIRS, (NAN, 1.0), (1.0, NAN)]),
    "fmin": (lg.fmin, torch.fmin, [*PAIRS, (NAN, 1.0), (1.0, NAN)]),
    "divide": (lg.divide, torch.divide, [(1.0, 0.0), (0.0, 0.0), (0.0, 1.0)]),
    "pow": (
        lg.pow,
        torch.pow,
        [(0.0, 0.0), (0.0, 1.0), (0.0, 2.0), (0.0, 0.5), (0.0, -1.0), (-2.0, 2.0), (2.0, 0.0)],
    ),
    "hypot": (lg.hypot, torch.hypot, [(0.0, 0.0), (3.0, 4.0), (0.0, -1.0)]),
    "atan2": (lg.atan2, torch.atan2, [(0.0, 0.0), (0.0, -1.0), (1.0, 0.0)]),
    "remainder": (lg.remainder, torch.remainder, [(4.0, 2.0), (-4.0, 2.0), (3.0, -2.0)]),
    "fmod": (lg.fmod, torch.fmod, [(4.0, 2.0), (-4.0, 2.0), (3.0, -2.0)]),
    "copysign": (lg.copysign, torch.copysign, [(0.0, -1.0), (0.0, 1.0), (2.0, -1.0), (-2.0, 0.0)]),
    "prelu": (
        lg.prelu,
        lambda x, w: torch.where(x > 0, x, x * w),
        [(0.0, 0.25), (-1.0, 0.25), (1.0, 0.25)],
    ),
    "xlogy": (xlogy, torch.xlogy, [(0.0, 0.0), (0.0, 2.0), (0.0, -1.0), (1.0, 2.0)]),
    "xlog1py": (xlog1py, torch.special.xlog1py, [(0.0, -1.0), (0.0, 2.0), (1.0, 2.0)]),
}
TIES = [[1.0, 3.0, 3.0, 2.0], [2.0, 2.0, 2.0, 2.0]]
ZEROS = [[1.0, 2.0, 3.0, 4.0], [1.0, 0.0, 3.0, 4.0], [1.0, 0.0, 0.0, 4.0], [0.0, 0.0, 0.0, 0.0]]
REDUCTIONS: dict[str, tuple[Any, Any, list[list[float]]]] = {
    "max": (lambda x: lg.max(x, axis=1), lambda x: torch.amax(x, 1), TIES),
    "min": (lambda x: lg.min(x, axis=1), lambda x: torch.amin(x, 1), TIES),
    "prod": (lambda x: lg.prod(x, axis=1), lambda x: torch.prod(x, 1), ZEROS),
    "prod of all": (lg.prod, torch.prod, ZEROS[:2]),
    "cumulative_prod": (
        lambda x: lg.cumulative_prod(x, axis=1),
        lambda x: torch.cumprod(x, 1),
        ZEROS,
    ),
    "std": (
        lambda x: lg.std(x, axis=1, correction=1),
        lambda x: torch.std(x, 1),
        [*TIES, *ZEROS],
    ),
    "std of one": (
        lambda x: lg.std(x, axis=1, correction=1),
        lambda x: torch.std(x, 1),
        [[1.0], [0.0]],
    ),
    "var of one": (
        lambda x: lg.var(x, axis=1, correction=1),
        lambda x: torch.var(x, 1),
        [[1.0], [0.0]],
    ),
    "std of one without correction": (
        lambda x: lg.std(x, axis=1),
        lambda x: torch.std(x, 1, correction=0),
        [[1.0], [0.0]],
    ),
    "norm2": (
        lambda x: lg.linalg.vector_norm(x, axis=1),
        lambda x: torch.linalg.vector_norm(x, dim=1),
        ZEROS,
    ),
    "norm_p": (
        lambda x: lg.linalg.vector_norm(x, axis=1, ord=3),
        lambda x: torch.linalg.vector_norm(x, 3, dim=1),
        ZEROS,
    ),
    "largest norm": (
        lambda x: lg.linalg.vector_norm(x, axis=1, ord=INF),
        lambda x: torch.linalg.vector_norm(x, INF, dim=1),
        [*ZEROS, *TIES],
    ),
    "logsumexp": (
        lambda x: lg.logsumexp(x, axis=1),
        lambda x: torch.logsumexp(x, 1),
        [[-INF, 0.0, 1.0], [-INF, -INF, 2.0], [INF, 1.0, 2.0]],
    ),
    "softmax": (
        lambda x: lg.softmax(x, axis=1) * lg.asarray([1.0, 2.0, 3.0]),
        lambda x: torch.softmax(x, 1) * torch.tensor([1.0, 2.0, 3.0]),
        [[-INF, 0.0, 1.0], [-INF, -INF, 2.0]],
    ),
}


@pytest.mark.parametrize("name", ONE_ARGUMENT)
def test_one_argument(name: str) -> None:
    ours, theirs, points = ONE_ARGUMENT[name]
    rounded = name == "hardsigmoid"  # PyTorch multiplies by a sixth in single precision there
    compare(ours, theirs, [np.array(points)], 1e-7 if rounded else 1e-12)


@pytest.mark.parametrize("name", TWO_ARGUMENTS)
def test_two_arguments(name: str) -> None:
    ours, theirs, points = TWO_ARGUMENTS[name]
    compare(ours, theirs, list(np.array(points).T))


@pytest.mark.filterwarnings("ignore:.*degrees of freedom")
@pytest.mark.parametrize("name", REDUCTIONS)
def test_reduction(name: str) -> None:
    ours, theirs, rows = REDUCTIONS[name]
    compare(ours, theirs, [np.array(rows)])


def compare(ours: Any, theirs: Any, arrays: list[np.ndarray], close: float = 1e-12) -> None:
    """Values and gradients, NaN and signed infinities included."""
    mine = [lg.asarray(a, requires_grad=True) for a in arrays]
    other = [torch.tensor(a, requires_grad=True) for a in arrays]
    with np.errstate(all="ignore"):
        y, z = ours(*mine), theirs(*other)
        np.testing.assert_allclose(y.value, z.detach().numpy(), rtol=close)
        upstream = np.arange(1.0, 1.0 + y.size).reshape(y.shape)
        y.backward(lg.asarray(upstream))
    z.backward(torch.tensor(upstream))
    for a, b in zip(mine, other):
        np.testing.assert_allclose(a.grad.value, b.grad.numpy(), rtol=close, atol=1e-300)


KINKS_ELSEWHERE = {
    "cbrt": "PyTorch has no cube root: test_cbrt",
    "clip_between": "test_clip_between_arrays",
}


def test_every_declared_kink_is_compared() -> None:
    """Those of networks are compared with their layers, in tests/nn."""
    compared = {*ONE_ARGUMENT, *TWO_ARGUMENTS, *REDUCTIONS, *KINKS_ELSEWHERE}
    declared = {op.name for op in OPERATIONS if op.kink and ".network." not in op.module}
    assert declared - compared == set()


def test_cbrt() -> None:
    x = lg.asarray([0.0, 8.0], requires_grad=True)
    with np.errstate(divide="ignore"):
        lg.cbrt(x).sum().backward()
    assert x.grad.tolist() == pytest.approx([INF, 1 / 12])


@pytest.mark.parametrize("bounds", [(-0.5, 0.5), (0.5, -0.5), (0.5, 0.5), (None, 0.5), (0.5, None)])
def test_clip_between_arrays(bounds: Any) -> None:
    arrays = [np.array(EDGES)] + [np.full(13, b) for b in bounds if b is not None]

    def arranged(clip: Any) -> Any:
        def call(x: Any, *given: Any) -> Any:
            left = iter(given)
            return clip(x, *[None if b is None else next(left) for b in bounds])

        return call

    compare(arranged(lg.clip), arranged(torch.clamp), arrays)


def test_what_was_not_chosen_receives_an_exact_zero() -> None:
    """Whatever travels to the chosen element, infinite or NaN, none of it reaches the others."""
    for choose in (lg.relu, lambda v: lg.clip(v, 0, 9), lambda v: lg.where(v > 0, v, 0)):
        x = lg.asarray([-1.0, -2.0, 2.0], requires_grad=True)
        choose(x).backward(lg.asarray([INF, NAN, 1.0]))
        assert x.grad.tolist() == [0.0, 0.0, 1.0]
    row = lg.asarray([1.0, 5.0, 3.0], requires_grad=True)
    row.max().backward(lg.asarray(INF))
    assert row.grad.tolist() == [0.0, INF, 0.0]
