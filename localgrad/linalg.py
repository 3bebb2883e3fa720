"""`lg.linalg`: the array API's linear algebra, with gradients."""

from __future__ import annotations

from typing import Any, NamedTuple

from localgrad import errors
from localgrad.graph.record import here
from localgrad.kernels import reference as xp
from localgrad.local.operation import as_raw
from localgrad.ops import decompositions as _matrix
from localgrad.ops.decompositions import det, eigvalsh, inv, svdvals
from localgrad.ops.norms import vector_norm
from localgrad.ops.products import matmul, outer, tensordot, vecdot
from localgrad.ops.shape import diagonal, matrix_transpose
from localgrad.tensor import Tensor

__all__ = [
    "cholesky",
    "cross",
    "det",
    "diagonal",
    "eigh",
    "eigvalsh",
    "inv",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "norm",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "svdvals",
    "tensordot",
    "trace",
    "vecdot",
    "vector_norm",
]


class EighResult(NamedTuple):
    eigenvalues: Tensor
    eigenvectors: Tensor


class QRResult(NamedTuple):
    Q: Tensor
    R: Tensor


class SlogdetResult(NamedTuple):
    sign: Tensor
    logabsdet: Tensor


class SVDResult(NamedTuple):
    U: Tensor
    S: Tensor
    Vh: Tensor


def _tensor(x: Any) -> Tensor:
    return x if isinstance(x, Tensor) else Tensor(as_raw(x))


def cholesky(x: Any, /, *, upper: bool = False) -> Tensor:
    """L with L Lᵀ = x, lower triangular; its transpose with `upper`. x is positive definite."""
    factor = _matrix._cholesky(_tensor(x))
    return factor.mT if upper else factor


def cross(a: Any, b: Any, /, *, axis: int = -1) -> Tensor:
    """The vector product of three-dimensional vectors along `axis`."""
    a, b = _tensor(a), _tensor(b)

    def part(x: Tensor, i: int) -> Tensor:
        lead = (slice(None),) * (axis % x.ndim)
        return x[(*lead, i)]

    pairs = ((1, 2), (2, 0), (0, 1))
    from localgrad.ops.shape import stack

    return stack([part(a, i) * part(b, j) - part(a, j) * part(b, i) for i, j in pairs], axis=axis)


def eigh(x: Any, /) -> EighResult:
    """x = V diag(w) Vᵀ of a symmetric matrix: w ascending, and V. Equal w have no gradient in V."""
    return EighResult(*_matrix._eigh(_tensor(x)))


def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Tensor:
    """The Frobenius norm; "nuc", ±1, ±2 and ±inf as in NumPy."""
    x = _tensor(x)
    if ord == "fro":
        return vector_norm(x, axis=(-2, -1), keepdims=keepdims)
    if ord in ("nuc", 2, -2):
        values = svdvals(x)
        found = {
            "nuc": lambda: values.sum(axis=-1),
            2: lambda: values.max(axis=-1),
            -2: lambda: values.min(axis=-1),
        }[ord]()
    elif ord in (1, -1, xp.inf, -xp.inf):
        sums = abs(x).sum(axis=-2 if ord in (1, -1) else -1)
        found = sums.max(axis=-1) if ord > 0 else sums.min(axis=-1)
    else:
        choices = ["fro", "nuc", "1", "-1", "2", "-2", "inf", "-inf"]
        raise errors.unknown_choice("ord", ord, choices, here())
    return found[..., None, None] if keepdims else found


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Tensor:
    """NumPy's norm: of vectors along one axis, of matrices over two."""
    x = _tensor(x)
    if axis is None and ord is None:
        return vector_norm(x, keepdims=keepdims)
    if axis is None:
        axis = tuple(range(x.ndim))
    if isinstance(axis, int) or len(axis) == 1:
        return vector_norm(x, axis=axis, keepdims=keepdims, ord=2 if ord is None else ord)
    from localgrad.ops.shape import moveaxis

    moved = moveaxis(x, axis, (-2, -1))
    found = matrix_norm(moved, ord="fro" if ord is None else ord, keepdims=keepdims)
    return moveaxis(found, (-2, -1), axis) if keepdims else found


def matrix_power(x: Any, n: int, /) -> Tensor:
    """x multiplied by itself n times; of the inverse where n is negative."""
    x = _tensor(x)
    base = inv(x) if n < 0 else x
    result = Tensor(xp.broadcast_to(xp.eye(x.shape[-1], dtype=x.dtype), x.shape).copy())
    for bit in bin(abs(n))[2:]:
        result = result @ result
        if bit == "1":
            result = result @ base
    return result


def matrix_rank(x: Any, /, *, rtol: Any = None) -> Tensor:
    """How many singular values exceed `rtol` times the largest; an integer, without gradient."""
    raw = as_raw(x)
    given = {} if rtol is None else {"rtol": rtol}
    return Tensor(xp.linalg.matrix_rank(raw, **given))


def pinv(x: Any, /, *, rtol: Any = None) -> Tensor:
    """V diag(1/S) Uᵀ, without the singular values up to `rtol` times the largest."""
    u, s, vh = svd(x, full_matrices=False)
    if rtol is None:
        rtol = max(u.shape[-2], vh.shape[-1]) * xp.finfo(s.dtype).eps
    large = s.value > rtol * s.value.max(axis=-1, keepdims=True, initial=0)
    inverse = xp.where(large, 1 / xp.where(large, s, 1.0), 0.0)
    return (vh.mT * inverse[..., None, :]) @ u.mT


def qr(x: Any, /, *, mode: str = "reduced") -> QRResult:
    """Q R = x. The gradient needs at least as many rows as columns; "complete" has none in Q."""
    x = _tensor(x)
    if mode not in ("reduced", "complete"):
        raise errors.unknown_choice("mode", mode, ["reduced", "complete"], here())
    if mode == "complete" or x.shape[-2] < x.shape[-1]:
        if x.requires_grad:
            raise errors.no_derivative("qr", "x (wide, or mode='complete')", here())
        return QRResult(*(Tensor(p) for p in xp.linalg.qr(x.value, mode=mode)))
    return QRResult(*_matrix._qr(x))


def slogdet(x: Any, /) -> SlogdetResult:
    """The sign of the determinant, and the logarithm of its absolute value."""
    return SlogdetResult(*_matrix._slogdet(_tensor(x)))


def solve(a: Any, b: Any, /) -> Tensor:
    """x with a x = b; b is a vector or a matrix of columns."""
    a, b = _tensor(a), _tensor(b)
    return _matrix._solve(a, b[..., None])[..., 0] if b.ndim == 1 else _matrix._solve(a, b)


def svd(x: Any, /, *, full_matrices: bool = True) -> SVDResult:
    """U diag(S) Vh = x. Gradients are those of the reduced form."""
    x = _tensor(x)
    if full_matrices and x.shape[-1] != x.shape[-2]:
        if x.requires_grad:
            raise errors.no_derivative("svd", "x with full_matrices=True", here())
        return SVDResult(*(Tensor(p) for p in xp.linalg.svd(x.value)))
    return SVDResult(*_matrix._svd(x))


def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Tensor:
    """Σᵢ x[…, i, i + offset]."""
    found = diagonal(_tensor(x), offset=offset).sum(axis=-1)
    return found if dtype is None else found.astype(dtype)
