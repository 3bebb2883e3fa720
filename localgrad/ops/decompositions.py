"""Matrix functions and decompositions, with their adjoints.

Giles, "An extended collection of matrix derivative results for forward and reverse mode
algorithmic differentiation" (2008), section 2; Walter and Lehmann, "Algorithmic differentiation
of linear algebra functions" (2010) for QR. Forward mode is the adjoint's own adjoint.
"""

from __future__ import annotations

from typing import Any

from localgrad.kernels import reference as xp
from localgrad.local.custom import custom


def square(rng: Any) -> Any:
    """A well-conditioned matrix without symmetry."""
    return ((rng.standard_normal((3, 3)) + 3 * xp.eye(3),), {})


def positive_definite(rng: Any) -> Any:
    a = rng.standard_normal((3, 3))
    return ((a @ a.T + 3 * xp.eye(3),), {})


def symmetric_part(x: Any) -> Any:
    return (x + x.mT) / 2


inv = custom(
    "inv",
    lambda x: xp.linalg.inv(x),
    lambda g, y: -(y.mT @ g @ y.mT),
    doc="x⁻¹.",
    example=square,
)
det = custom(
    "det",
    lambda x: xp.linalg.det(x),
    lambda g, x, y: (g * y)[..., None, None] * inv.run(x).mT,
    doc="The determinant. Its gradient, det(x)·x⁻ᵀ, needs a regular matrix.",
    example=square,
)
_slogdet = custom(
    "slogdet",
    lambda x: tuple(xp.linalg.slogdet(x)),
    lambda g, x, y: g[1][..., None, None] * inv.run(x).mT,
    doc="The sign (flat) and the logarithm of the determinant's absolute value.",
    example=square,
)
_solve = custom(
    "solve",
    lambda a, b: xp.linalg.solve(a, b),
    lambda g, a, y: _solve_adjoint(g, a, y),
    doc="x with a x = b, for columns b.",
    example=lambda rng: ((*square(rng)[0], rng.standard_normal((3, 2))), {}),
)
_cholesky = custom(
    "cholesky",
    lambda x: xp.linalg.cholesky(symmetric_part(x)),
    lambda g, y: _cholesky_adjoint(g, y),
    doc="Lower triangular L with L Lᵀ = x. The gradient is symmetric, as x is.",
    example=positive_definite,
)
_eigh = custom(
    "eigh",
    lambda x: tuple(xp.linalg.eigh(symmetric_part(x))),
    lambda g, y: _eigh_adjoint(*g, *y),
    doc="Eigenvalues in ascending order and eigenvectors of a symmetric matrix.",
    example=positive_definite,
)
eigvalsh = custom(
    "eigvalsh",
    lambda x: xp.linalg.eigvalsh(symmetric_part(x)),
    lambda g, x: _eigvalsh_adjoint(g, x),
    doc="Eigenvalues of a symmetric matrix, in ascending order.",
    example=positive_definite,
)
_qr = custom(
    "qr",
    lambda x: tuple(xp.linalg.qr(x)),
    lambda g, y: _qr_adjoint(*g, *y),
    doc="Q R = x with orthonormal columns Q and upper triangular R, for tall matrices.",
    example=lambda rng: ((rng.standard_normal((4, 3)),), {}),
)
_svd = custom(
    "svd",
    lambda x: tuple(xp.linalg.svd(x, full_matrices=False)),
    lambda g, y: _svd_adjoint(*g, *y),
    doc="U diag(S) Vh = x, reduced.",
    example=lambda rng: ((rng.standard_normal((4, 3)),), {}),
)
svdvals = custom(
    "svdvals",
    lambda x: xp.linalg.svd(x, compute_uv=False),
    lambda g, x: _svdvals_adjoint(g, x),
    doc="Singular values, in descending order.",
    example=lambda rng: ((rng.standard_normal((4, 3)),), {}),
)


def _solve_adjoint(g: Any, a: Any, y: Any) -> Any:
    to_b = _solve.run(a.mT, g)
    return -(to_b @ y.mT), to_b


def _lower(x: Any) -> Any:
    """The lower triangle with half the diagonal."""
    n = x.shape[-1]
    return x * (xp.tril(xp.ones((n, n), x.dtype)) - 0.5 * xp.eye(n, dtype=x.dtype))


def _cholesky_adjoint(g: Any, y: Any) -> Any:
    inner = _lower(y.mT @ g)
    left = _solve.run(y.mT, inner)
    return symmetric_part(_solve.run(y.mT, left.mT).mT)


def _gaps(w: Any) -> Any:
    """1 / (w_j − w_i) off the diagonal, 0 on it."""
    n = w.shape[-1]
    identity = xp.eye(n, dtype=w.dtype)
    return (1 - identity) / (w[..., None, :] - w[..., :, None] + identity)


def _diagonal_matrix(d: Any) -> Any:
    return d[..., None] * xp.eye(d.shape[-1], dtype=d.dtype)


def _eigh_adjoint(g_w: Any, g_v: Any, w: Any, v: Any) -> Any:
    inner = _diagonal_matrix(g_w) + _gaps(w) * (v.mT @ g_v)
    return symmetric_part(v @ inner @ v.mT)


def _eigvalsh_adjoint(g: Any, x: Any) -> Any:
    _, v = _eigh.run(x)
    return (v * g[..., None, :]) @ v.mT


def _qr_adjoint(g_q: Any, g_r: Any, q: Any, r: Any) -> Any:
    m = r @ g_r.mT - g_q.mT @ q
    n = m.shape[-1]
    lower = xp.tril(xp.ones((n, n), m.dtype), -1)
    symmetric = m * xp.tril(xp.ones((n, n), m.dtype)) + (m * lower).mT
    return _solve.run(r, (g_q + q @ symmetric).mT).mT


def _svd_adjoint(g_u: Any, g_s: Any, g_vh: Any, u: Any, s: Any, vh: Any) -> Any:
    v, g_v = vh.mT, g_vh.mT
    squares = _gaps(s * s)
    rows, columns, k = u.shape[-2], v.shape[-2], s.shape[-1]
    from_u = squares * (u.mT @ g_u)
    from_v = squares * (v.mT @ g_v)
    inner = (
        _diagonal_matrix(g_s)
        + (from_u + from_u.mT) * s[..., None, :]
        + s[..., :, None] * (from_v + from_v.mT)
    )
    result = u @ inner @ vh
    if rows > k:
        outside = g_u - u @ (u.mT @ g_u)
        result = result + (outside / s[..., None, :]) @ vh
    if columns > k:
        outside = g_v - v @ (v.mT @ g_v)
        result = result + (u / s[..., None, :]) @ outside.mT
    return result


def _svdvals_adjoint(g: Any, x: Any) -> Any:
    u, _, vh = _svd.run(x)
    return (u * g[..., None, :]) @ vh
