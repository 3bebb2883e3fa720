"""Complex numbers: gradients in PyTorch's convention, the conjugate of the derivative."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import localgrad as lg

torch = pytest.importorskip("torch")

BOTH: dict[str, tuple[Any, Any]] = {
    "multiply": (lambda x, w: x * w * (2 - 1j), lambda x, w: x * w * (2 - 1j)),
    "divide": (lambda x, w: x / w, lambda x, w: x / w),
    "exp": (lambda x, w: lg.exp(x), lambda x, w: torch.exp(x)),
    "log": (lambda x, w: lg.log(x), lambda x, w: torch.log(x)),
    "sin": (lambda x, w: lg.sin(x) + lg.cosh(w), lambda x, w: torch.sin(x) + torch.cosh(w)),
    "sqrt": (lambda x, w: lg.sqrt(x * x + w), lambda x, w: torch.sqrt(x * x + w)),
    "tanh": (lambda x, w: lg.tanh(x), lambda x, w: torch.tanh(x)),
    "power": (lambda x, w: x**3 + x**2.5, lambda x, w: x**3 + x**2.5),
    "matmul": (lambda x, w: x @ w.mT, lambda x, w: x @ w.mT),
    "einsum": (
        lambda x, w: lg.einsum("ij,kj,ik->k", x, w, x[:, :2]),
        lambda x, w: torch.einsum("ij,kj,ik->k", x, w, x[:, :2]),
    ),
    "conj": (lambda x, w: lg.conj(x) * w, lambda x, w: torch.conj(x) * w),
    "abs": (lambda x, w: lg.abs(x), lambda x, w: torch.abs(x)),
    "softsign": (  # |x| is no holomorphic function, so softsign has no one slope either
        lambda x, w: lg.softsign(x) * w,
        lambda x, w: torch.nn.functional.softsign(x) * w,
    ),
    "angle": (lambda x, w: lg.angle(x), lambda x, w: torch.angle(x)),
    "parts": (
        lambda x, w: lg.real(x) * lg.imag(w) + x,
        lambda x, w: torch.real(x) * torch.imag(w) + x,
    ),
    "sum": (lambda x, w: lg.sum(x, axis=1), lambda x, w: x.sum(1)),
    "mean": (lambda x, w: lg.mean(x * w), lambda x, w: torch.mean(x * w)),
    "prod": (lambda x, w: lg.prod(x, axis=1), lambda x, w: torch.prod(x, 1)),
    "cumulative_prod": (
        lambda x, w: lg.cumulative_prod(x, axis=1),
        lambda x, w: torch.cumprod(x, 1),
    ),
    "concat": (lambda x, w: lg.concat([x, w])[1:3], lambda x, w: torch.cat([x, w])[1:3]),
    "vector_norm": (
        lambda x, w: lg.linalg.vector_norm(x, axis=1),
        lambda x, w: torch.linalg.vector_norm(x, dim=1),
    ),
    "vecdot": (lambda x, w: lg.vecdot(x, w), lambda x, w: torch.linalg.vecdot(x, w)),
    "var": (lambda x, w: lg.var(x, axis=1), lambda x, w: torch.var(x, 1, correction=0)),
    "where": (
        lambda x, w: lg.where(np.array([True, False, True]), x, w),
        lambda x, w: torch.where(torch.tensor([True, False, True]), x, w),
    ),
    "real weight": (lambda x, w: x * lg.real(w), lambda x, w: x * torch.real(w)),
}


def drawn(kind: str) -> list[np.ndarray]:
    rng = np.random.default_rng(5)
    arrays = [rng.normal(size=(2, 3)) + 1j * rng.normal(size=(2, 3)) for _ in range(2)]
    return arrays if kind == "complex" else [arrays[0], arrays[1].real.copy()]


@pytest.mark.parametrize("name", BOTH)
def test_gradients_of_complex_functions(name: str) -> None:
    ours, theirs = BOTH[name]
    arrays = drawn("complex")
    mine = [lg.asarray(a, requires_grad=True) for a in arrays]
    other = [torch.tensor(a, requires_grad=True) for a in arrays]
    y, z = ours(*mine), theirs(*other)
    np.testing.assert_allclose(y.value, z.detach().numpy(), rtol=1e-12)
    assert y.dtype == z.detach().numpy().dtype
    upstream = np.arange(1.0, y.size + 1).reshape(y.shape) * (1 - 0.5j)
    upstream = upstream if y.dtype.kind == "c" else upstream.real
    y.backward(lg.asarray(upstream))
    z.backward(torch.tensor(upstream))
    for a, b in zip(mine, other):
        assert (a.grad is None) == (b.grad is None)
        if a.grad is not None:
            np.testing.assert_allclose(
                a.grad.value, b.grad.resolve_conj().numpy(), rtol=1e-10, atol=1e-12
            )


@pytest.mark.parametrize("name", BOTH)
def test_forward_mode_and_second_order_of_complex_functions(name: str) -> None:
    """Re⟨g, J·t⟩ = Re⟨Jᴴ·g, t⟩, and both are the difference quotient; then once more."""
    ours, _ = BOTH[name]
    rng = np.random.default_rng(3)
    arrays, step = drawn("complex"), 1e-6
    t = [rng.normal(size=a.shape) + 1j * rng.normal(size=a.shape) for a in arrays]
    y, moved = lg.jvp(ours, arrays, [lg.asarray(v) for v in t])
    above = ours(*[lg.asarray(a + step * v) for a, v in zip(arrays, t)]).value
    below = ours(*[lg.asarray(a - step * v) for a, v in zip(arrays, t)]).value
    np.testing.assert_allclose(moved.value, (above - below) / (2 * step), rtol=1e-6, atol=1e-7)

    g = rng.normal(size=y.shape) + (1j * rng.normal(size=y.shape) if y.dtype.kind == "c" else 0)

    def slope(points: Any) -> Any:
        leaves = [lg.asarray(p, requires_grad=True) for p in points]
        found = lg.gradients(
            ours(*leaves), leaves, lg.asarray(g), create_graph=True, allow_unused=True
        )
        parts = [
            lg.real(lg.conj(lg.asarray(v)) * f).sum() for v, f in zip(t, found) if f is not None
        ]
        return leaves, sum(parts[1:], parts[0])

    leaves, first = slope(arrays)
    assert first.item() == pytest.approx(np.real(np.vdot(g, moved.value)), rel=1e-10)
    u = [rng.normal(size=a.shape) + 1j * rng.normal(size=a.shape) for a in arrays]
    quotient = (
        slope([a + step * v for a, v in zip(arrays, u)])[1].item()
        - slope([a - step * v for a, v in zip(arrays, u)])[1].item()
    ) / (2 * step)
    if first.source is None:
        assert quotient == pytest.approx(0, abs=1e-7)
        return
    second = lg.gradients(first, leaves, allow_unused=True)
    along = sum(np.real(np.vdot(s.value, v)) for s, v in zip(second, u) if s is not None)
    assert along == pytest.approx(quotient, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("name", ["real", "imag", "conj", "angle"])
def test_the_parts_of_a_real_number(name: str) -> None:
    x = lg.asarray([-2.0, 0.5, 3.0], requires_grad=True)
    getattr(lg, name)(x).sum().backward()
    assert x.grad.tolist() == ([1, 1, 1] if name in ("real", "conj") else [0, 0, 0])


@pytest.mark.parametrize("name", ["multiply", "divide", "matmul", "concat"])
def test_a_real_argument_among_complex_ones_has_a_real_gradient(name: str) -> None:
    ours, theirs = BOTH[name]
    arrays = drawn("mixed")
    mine = [lg.asarray(a, requires_grad=True) for a in arrays]
    other = [torch.tensor(a, requires_grad=True) for a in arrays]
    if name == "matmul":  # PyTorch multiplies matrices of one dtype only
        other_y = other[0] @ other[1].to(torch.complex128).mT
    else:
        other_y = theirs(*other)
    lg.abs(ours(*mine)).sum().backward()
    torch.abs(other_y).sum().backward()
    assert mine[1].grad.dtype == np.float64
    for a, b in zip(mine, other):
        np.testing.assert_allclose(
            a.grad.value, b.grad.resolve_conj().numpy(), rtol=1e-10, atol=1e-12
        )


@pytest.mark.parametrize(
    "norm",
    [
        lambda x: lg.standardize(x, axis=-1),
        lambda x: lg.nn.functional.layer_norm(x, (4,)),
        lambda x: lg.nn.functional.batch_norm(x, lg.zeros(4), lg.ones(4), training=True),
    ],
    ids=["standardize", "layer_norm", "batch_norm"],
)
def test_norms_refuse_complex_numbers(norm: Any) -> None:
    """As PyTorch does; they gave gradients of nothing before."""
    x = lg.asarray(np.ones((3, 4)) * (1 + 2j), requires_grad=True)
    with pytest.raises(lg.LocalgradError, match=r"(?s)test_complex\.py:\d+.*lg\.real\(x\)"):
        norm(x)
