"""Operations that PyTorch has too: the same values and the same gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import localgrad as lg
from tests.op_cases import OPERATIONS, Case, downstreams, identifier

torch = pytest.importorskip("torch")
F = torch.nn.functional

RENAMED = {
    "abs": torch.abs,
    "concat": lambda *xs, axis: torch.cat(xs, axis),
    "stack": lambda *xs, axis: torch.stack(xs, axis),
    "pow": torch.pow,
    "reciprocal": torch.reciprocal,
    "clip": lambda x, min, max: torch.clamp(x, min, max),
    "clip_between": torch.clamp,
    "gelu_fused": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "norm2": lambda x, axis: torch.linalg.vector_norm(x, 2, axis),
    "norm_p": lambda x, axis, p: torch.linalg.vector_norm(x, p, axis),
    "max": lambda x, axis: torch.amax(x, axis),
    "min": lambda x, axis: torch.amin(x, axis),
    "prod": lambda x, axis: torch.prod(x, axis),
    "sum": lambda x, axis: torch.sum(x, axis),
    "mean": lambda x, axis: torch.mean(x, axis),
    "var": lambda x, axis, correction: torch.var(x, axis, correction=correction),
    "std": lambda x, axis, correction: torch.std(x, axis, correction=correction),
    "logsumexp": lambda x, axis: torch.logsumexp(x, axis),
    "cumulative_sum": lambda x, axis: torch.cumsum(x, axis),
    "cumulative_prod": lambda x, axis: torch.cumprod(x, axis),
    "softmax": lambda x: torch.softmax(x, -1),
    "softmin": lambda x: F.softmin(x, -1),
    "log_softmax": lambda x: torch.log_softmax(x, -1),
    "standardize": lambda x: F.layer_norm(x, x.shape[-1:]),
    "where": torch.where,
    "elu": lambda x, alpha: F.elu(x, alpha),
    "celu": lambda x, alpha: F.celu(x, alpha),
    "softplus": lambda x, beta: F.softplus(x, beta),
    "threshold": lambda x, threshold, value: F.threshold(x, threshold, value),
    "prelu": lambda x, weight: torch.where(x > 0, x, x * weight),
    "bitwise_invert": torch.bitwise_not,
    "permute_dims": lambda x, axes: torch.permute(x, axes),
    "flip": lambda x, axis: torch.flip(x, axis if isinstance(axis, tuple) else (axis,)),
    "roll": lambda x, shift, axis: torch.roll(x, shift, axis),
    "gammainc": lambda a, x: torch.special.gammainc(torch.tensor(a, dtype=x.dtype), x),
    "gamma": lambda x: torch.exp(torch.lgamma(x)),
    "rgamma": lambda x: torch.exp(-torch.lgamma(x)),
    "betaln": lambda a, b: torch.lgamma(a) + torch.lgamma(b) - torch.lgamma(a + b),
    "rel_entr": lambda a, b: a * torch.log(a / b),
    "log_expit": F.logsigmoid,
    "j0": torch.special.bessel_j0,
    "cbrt": lambda x: torch.pow(x, 1 / 3),
    "take_along_axis": lambda x, indices, axis: torch.gather(x, axis, torch.tensor(indices)),
    "add_along_axis": lambda x, indices, shape, axis: torch.zeros(shape, dtype=x.dtype).scatter_add(
        axis, torch.tensor(indices), x
    ),
    "zeta": None,  # PyTorch has no gradient of it
    "j1": None,
    "round": torch.round,
    "equal": torch.eq,
    "floor_divide": lambda a, b: torch.floor(a / b),
    "isclose": torch.isclose,
    "any": lambda x, axis: torch.any(x, axis),
    "all": lambda x, axis: torch.all(x, axis),
    "argmax": lambda x, axis: torch.argmax(x, axis),
    "argmin": lambda x, axis: torch.argmin(x, axis),
    "count_nonzero": lambda x, axis: torch.count_nonzero(x, axis),
    "nextafter": None,
}
FAMILIES = {
    "activation",
    "along_axis",
    "arithmetic",
    "comparison",
    "cumulative",
    "exponential",
    "gather",
    "norms",
    "powers",
    "reductions",
    "rounding",
    "selection",
    "special",
    "trigonometric",
}
NOT_IN_TORCH = {"dawsn", "erfcinv", "j1", "nextafter", "zeta"}
"""Operations of these families that PyTorch lacks, or whose gradient it lacks."""


def counterpart(op: Any) -> Any:
    if op.name in RENAMED:
        return RENAMED[op.name]
    for room in (torch, torch.special, F):
        found = getattr(room, op.name, None)
        if found is not None:
            return found
    return None


COMPARED = [
    op
    for op in OPERATIONS
    if op.example is not None
    and op.module.rpartition(".")[2] in FAMILIES
    and ".network." not in op.module
]


def test_every_family_is_compared() -> None:
    missing = {op.name for op in COMPARED if counterpart(op) is None}
    assert missing <= NOT_IN_TORCH


@pytest.mark.parametrize("op", [o for o in COMPARED if counterpart(o) is not None], ids=identifier)
def test_values_and_gradients(op: Any) -> None:
    case = Case(op)
    _, outputs, upstreams, found = downstreams(case)
    theirs = [torch.tensor(v) if hasattr(v, "dtype") else v for v in case.values]
    for i in case.moving:
        theirs[i].requires_grad_()
    z = counterpart(op)(*theirs, **case.options)
    (y,) = case.call()
    np.testing.assert_allclose(y.value, z.detach().numpy(), rtol=1e-9, atol=1e-11)
    if not outputs or not z.requires_grad:
        return
    z.backward(torch.tensor(upstreams[0].value))
    for gradient, i in zip(found, case.moving):
        wanted = theirs[i].grad
        mine = np.zeros(theirs[i].shape) if gradient is None else gradient.value
        wanted = np.zeros(theirs[i].shape) if wanted is None else wanted.numpy()
        np.testing.assert_allclose(mine, wanted, rtol=1e-7, atol=1e-9)


def compare(ours: Any, theirs: Any, x: np.ndarray) -> None:
    mine, other = lg.asarray(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y, z = ours(mine), theirs(other)
    np.testing.assert_allclose(y.value, z.detach().numpy(), rtol=1e-12)
    upstream = np.arange(1.0, y.size + 1).reshape(y.shape)
    y.backward(lg.asarray(upstream))
    z.backward(torch.tensor(upstream))
    np.testing.assert_allclose(mine.grad.value, other.grad.numpy(), rtol=1e-10, atol=1e-12)


FUNCTIONS: dict[str, tuple[Any, Any]] = {
    "sort": (lambda x: lg.sort(x, axis=0), lambda x: torch.sort(x, 0).values),
    "sort, descending": (
        lambda x: lg.sort(x, descending=True),
        lambda x: torch.sort(x, descending=True).values,
    ),
    "topk": (lambda x: lg.topk(x, 2).values, lambda x: torch.topk(x, 2).values),
    "topk, smallest": (
        lambda x: lg.topk(x, 3, axis=0, largest=False).values,
        lambda x: torch.topk(x, 3, dim=0, largest=False).values,
    ),
    "median": (lambda x: lg.median(x, axis=1), lambda x: torch.quantile(x, 0.5, dim=1)),
    "quantile": (
        lambda x: lg.quantile(x, [0.0, 0.3, 1.0], axis=0, keepdims=True),
        lambda x: torch.quantile(
            x, torch.tensor([0.0, 0.3, 1.0], dtype=torch.float64), dim=0, keepdim=True
        ),
    ),
    "quantile of all": (lambda x: lg.quantile(x, 0.37), lambda x: torch.quantile(x, 0.37)),
    "cumulative_max": (lambda x: lg.cumulative_max(x), lambda x: torch.cummax(x, -1).values),
    "cumulative_min": (lambda x: lg.cumulative_min(x, 0), lambda x: torch.cummin(x, 0).values),
    "diff": (lambda x: lg.diff(x, n=2), lambda x: torch.diff(x, n=2)),
    "diff, extended": (
        lambda x: lg.diff(x, axis=0, prepend=x[:1]),
        lambda x: torch.diff(x, dim=0, prepend=x[:1]),
    ),
    "glu": (lambda x: lg.glu(x, axis=0), lambda x: F.glu(x, 0)),
    "gelu": (lg.gelu, F.gelu),
    "take": (
        lambda x: lg.take(x, [1, 1, 0], axis=1),
        lambda x: torch.index_select(x, 1, torch.tensor([1, 1, 0])),
    ),
    "cumsum of all": (lg.cumsum, lambda x: torch.cumsum(x.flatten(), 0)),
    "logsumexp of all": (lg.logsumexp, lambda x: torch.logsumexp(x, (0, 1))),
    "prod of all": (lg.prod, torch.prod),
    "prod over two axes": (
        lambda x: lg.prod(x.reshape(2, 2, 5), axis=(0, 2)),
        lambda x: x.reshape(2, 2, 5).prod(2).prod(0),
    ),
    "scatter_add": (
        lambda x: lg.scatter_add(x * 2, np.array([[0, 0, 3, 1, 3]]), x[1:2], axis=1),
        lambda x: torch.scatter_add(
            x * 2, 1, torch.tensor([[0, 0, 3, 1, 3]]).expand(4, 5), x[1:2].expand(4, 5)
        ),
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name: str) -> None:
    compare(*FUNCTIONS[name], np.random.default_rng(1).normal(size=(4, 5)))


@pytest.mark.parametrize("name", ["sort", "cumulative_max", "cumulative_min", "median"])
def test_functions_at_ties(name: str) -> None:
    x = np.array([[1.0, 2.0, 2.0, 2.0, 0.0], [1.0, 1.0, 1.0, 3.0, 3.0]])
    if name == "sort":
        compare(lambda v: lg.sort(v), lambda v: torch.sort(v, stable=True).values, x)
    else:
        compare(*FUNCTIONS[name], x)


def test_complex_magnitude_and_angle() -> None:
    """|x| and arg x, at 0 too; and a real number that meets complex ones."""
    x = np.array([3 + 4j, -1j, 0j])
    for ours, theirs in ((lg.abs, torch.abs), (lg.angle, torch.angle)):
        mine, other = lg.asarray(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        ours(mine).sum().backward()
        theirs(other).sum().backward()
        np.testing.assert_allclose(mine.grad.value, other.grad.numpy(), atol=1e-12)
    scale = lg.asarray(np.array([2.0, 3.0, 4.0]), requires_grad=True)
    factor = torch.tensor([2.0, 3.0, 4.0], dtype=torch.float64, requires_grad=True)
    lg.abs(scale * x + 1).sum().backward()
    torch.abs(factor * torch.tensor(x) + 1).sum().backward()
    np.testing.assert_allclose(scale.grad.value, factor.grad.numpy())


@pytest.mark.parametrize("axis", [None, 1])
def test_a_quantile_of_nan_is_nan(axis: int | None) -> None:
    x = np.array([[1.0, np.nan, 2.0], [3.0, 5.0, 4.0]])
    for q in (0.0, 0.3, 1.0):
        expected = torch.quantile(torch.tensor(x), q, dim=axis).numpy()
        np.testing.assert_allclose(lg.quantile(lg.asarray(x), q, axis=axis).numpy(), expected)
