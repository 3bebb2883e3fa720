"""NumPy's and SciPy's functions, Python's operators, and methods, on Tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.special

import localgrad as lg

UFUNCS = [
    *(np.exp, np.exp2, np.expm1, np.log, np.log1p, np.log2, np.log10, np.sqrt, np.cbrt, np.square),
    *(np.sin, np.cos, np.tan, np.arcsin, np.arccos, np.arctan, np.sinh, np.cosh, np.tanh),
    *(np.arcsinh, np.arctanh, np.absolute, np.fabs, np.negative, np.positive, np.reciprocal),
    *(np.sign, np.floor, np.ceil, np.trunc, np.rint, np.deg2rad, np.degrees, np.isnan),
    *(np.isfinite, np.conjugate, np.signbit, np.logical_not, scipy.special.erf),
    *(scipy.special.expit, scipy.special.gammaln, scipy.special.digamma, scipy.special.ndtr),
]
BINARY = [
    *(np.add, np.subtract, np.multiply, np.divide, np.power, np.maximum, np.minimum, np.fmax),
    *(np.arctan2, np.hypot, np.logaddexp, np.remainder, np.mod, np.fmod, np.floor_divide),
    *(np.copysign, np.less, np.equal, np.greater_equal, np.logical_and, scipy.special.xlogy),
]
X = np.array([[0.3, 0.8, 0.55], [0.9, 0.1, 0.42]])


@pytest.mark.parametrize("function", UFUNCS, ids=lambda f: f.__name__)
def test_ufunc(function: Any) -> None:
    found = function(lg.asarray(X, requires_grad=True))
    assert isinstance(found, lg.Tensor)
    np.testing.assert_allclose(found.value, function(X), rtol=1e-14)
    assert found.requires_grad == (found.dtype.kind == "f")


@pytest.mark.parametrize("function", BINARY, ids=lambda f: f.__name__)
def test_binary_ufunc_with_arrays_on_either_side(function: Any) -> None:
    expected = function(X, X[0])
    for a, b in ((X, X[0]), (lg.asarray(X), X[0]), (X, lg.asarray(X[0]))):
        if a is X and b is not lg and not isinstance(b, lg.Tensor):
            continue
        found = function(a, b)
        assert isinstance(found, lg.Tensor)
        np.testing.assert_allclose(found.value, expected, rtol=1e-14)


FUNCTIONS: dict[str, Any] = {
    "sum": lambda x: np.sum(x, axis=0),
    "mean": lambda x: np.mean(x, 1, keepdims=True),
    "var": lambda x: np.var(x, axis=1, ddof=1),
    "std": lambda x: np.std(x),
    "amax": lambda x: np.amax(x, axis=1),
    "min": lambda x: np.min(x),
    "prod": lambda x: np.prod(x, axis=0),
    "cumsum": lambda x: np.cumsum(x, 1),
    "cumprod": lambda x: np.cumprod(x, axis=0),
    "clip": lambda x: np.clip(x, 0.2, 0.6),
    "clip, named": lambda x: np.clip(x, a_min=0.2, a_max=None),
    "where": lambda x: np.where(X > 0.5, x, 0),
    "concatenate": lambda x: np.concatenate([x, X], axis=1),
    "stack": lambda x: np.stack((x, x), axis=-1),
    "transpose": lambda x: np.transpose(x),
    "reshape": lambda x: np.reshape(x, (3, 2)),
    "einsum": lambda x: np.einsum("ij,kj->ik", x, X),
    "matmul": lambda x: np.matmul(x, X.T),
    "dot": lambda x: np.dot(x, X.T),
    "tensordot": lambda x: np.tensordot(x, X, axes=([1], [1])),
    "outer": lambda x: np.outer(x[0], X[1]),
    "sort": lambda x: np.sort(x, axis=0),
    "take_along_axis": lambda x: np.take_along_axis(x, np.array([[1], [0]]), axis=1),
    "expand_dims": lambda x: np.expand_dims(x, 1),
    "squeeze": lambda x: np.squeeze(x[:1]),
    "swapaxes": lambda x: np.swapaxes(x, 0, 1),
    "flip": lambda x: np.flip(x, 1),
    "roll": lambda x: np.roll(x, 1, axis=1),
    "tile": lambda x: np.tile(x, (2, 1)),
    "broadcast_to": lambda x: np.broadcast_to(x, (4, 2, 3)),
    "diff": lambda x: np.diff(x, axis=1),
    "median": lambda x: np.median(x, axis=0),
    "quantile": lambda x: np.quantile(x, 0.3, axis=1),
    "tril": lambda x: np.tril(x),
    "add.reduce": lambda x: np.add.reduce(x, axis=1),
    "maximum.reduce": lambda x: np.maximum.reduce(x),
    "norm": lambda x: np.linalg.norm(x[0]),
    "inv": lambda x: np.linalg.inv(x[:, :2]),
    "round": lambda x: np.round(x, 1),
    "zeros_like": lambda x: np.zeros_like(x),
    "real": lambda x: np.real(x),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_numpy_function(name: str) -> None:
    function = FUNCTIONS[name]
    found, expected = function(lg.asarray(X, requires_grad=True)), function(X)
    assert isinstance(found, lg.Tensor)
    np.testing.assert_allclose(found.value, expected, rtol=1e-13)
    assert found.requires_grad == (name not in ("zeros_like"))


def test_numpys_questions_about_a_tensor() -> None:
    x = lg.asarray(X)
    assert (np.shape(x), np.ndim(x), np.size(x)) == ((2, 3), 2, 6)
    assert np.allclose(x, X) and np.array_equal(x, X)
    np.testing.assert_array_equal(np.asarray(x), X)
    assert np.asarray(x, dtype=np.float32).dtype == np.float32


@pytest.mark.parametrize(
    "function", [lambda x: np.convolve(x[0], x[0]), lambda x: np.add.accumulate(x)]
)
def test_numpy_function_without_a_counterpart(function: Any) -> None:
    with pytest.raises(lg.LocalgradError, match=r"detach\(\)\.numpy\(\)"):
        function(lg.asarray(X))


def test_operators_with_arrays_give_tensors() -> None:
    t = lg.asarray(X, requires_grad=True)
    results = [X + t, t + X, X * t, X - t, X / t, X**t, X @ t.T, t > X, X[0] + t, 2 * t, 2**t, -t]
    assert all(isinstance(r, lg.Tensor) for r in results)
    np.testing.assert_allclose((X @ t.T).value, X @ X.T)
    np.testing.assert_allclose((X - t).value, 0 * X)


def test_methods_take_both_spellings() -> None:
    t = lg.asarray(X, requires_grad=True)
    for found, expected in (
        (t.sum(0), X.sum(0)),
        (t.sum(dim=1, keepdim=True), X.sum(axis=1, keepdims=True)),
        (t.mean(axis=(0, 1)), X.mean()),
        (t.var(0, ddof=1), X.var(0, ddof=1)),
        (t.max(1), X.max(1)),
        (t.view(3, 2), X.reshape(3, 2)),
        (t.reshape((6,)), X.reshape(6)),
        (t.permute(1, 0), X.T),
        (t.transpose(0, 1), X.T),
        (t.clamp(min=0.4), X.clip(0.4)),
        (t.clip(0.2, 0.6), X.clip(0.2, 0.6)),
        (t.pow(2), X**2),
        (t.cumsum(1), X.cumsum(1)),
        (t.softmax(-1).sum(-1), [1.0, 1.0]),
        (t.flatten(), X.ravel()),
        (t.unsqueeze(0), X[None]),
        (t.expand(4, -1, 3), np.broadcast_to(X, (4, 2, 3))),
        (t.masked_fill(X > 0.5, 0.0), np.where(X > 0.5, 0.0, X)),
        (t.norm(), np.linalg.norm(X)),
        (t.sort(descending=True), -np.sort(-X)),
        (t.topk(2).values, -np.sort(-X)[:, :2]),
        (t.matmul(t.mT), X @ X.T),
        (t.clone(), X),
        (t.float().double(), X.astype("f4")),
        (t.round(decimals=1), X.round(1)),
        (t.unbind()[1], X[1]),
    ):
        assert found.requires_grad
        np.testing.assert_allclose(found.value, expected, rtol=1e-7)
    assert (t.dim(), t.numel(), t.argmax().item()) == (2, 6, 3)
    assert t.clone().value is not t.value


def test_methods_in_place() -> None:
    t = lg.asarray(np.ones(3))
    t.add_(2, alpha=3).mul_(2).sub_(4).div_(5)
    assert t.tolist() == [2.0, 2.0, 2.0]
    t.copy_(lg.asarray([1.0, -2.0, 5.0])).clamp_(0, 3)
    assert t.tolist() == [1.0, 0.0, 3.0]
    assert t.fill_(7).zero_().tolist() == [0.0, 0.0, 0.0]
    w = lg.asarray([1.0], requires_grad=True)
    with pytest.raises(lg.GraphError, match="leaf"):
        w.add_(1)
