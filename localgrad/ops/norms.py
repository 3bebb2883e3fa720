"""Norms of vectors: reductions whose gradient at zero is declared, as in PyTorch, to be 0."""

from __future__ import annotations

from typing import Any

from localgrad.kernels import reference as xp
from localgrad.local.reduction import reduction
from localgrad.ops.comparison import not_equal
from localgrad.tensor import Tensor


def away_from_zero(rng: Any) -> Any:
    return ((rng.standard_normal((3, 4)) + 0.1,), {"axis": 1})


norm2 = reduction(
    "norm2",
    lambda x, axis=None, keepdims=False: xp.sqrt(
        xp.sum(xp.square(abs(x)), axis=axis, keepdims=keepdims)
    ),
    x=lambda x, y: x / xp.where(y == 0, 1, y),
    kink="0 at x = 0",
    doc="√Σ|x|².",
    example=away_from_zero,
)
norm_p = reduction(
    "norm_p",
    lambda x, axis=None, keepdims=False, p=3: xp.sum(abs(x) ** p, axis=axis, keepdims=keepdims)
    ** (1 / p),
    x=lambda x, y, p: (
        xp.sign(x) * (xp.where(x == 0, 1, abs(x)) / xp.where(y == 0, 1, y)) ** (p - 1)
    ),
    kink="0 at x = 0, and in every element that is 0",
    doc="(Σ|x|ᵖ)^(1/p).",
    example=lambda rng: ((rng.standard_normal((3, 4)) + 0.1,), {"axis": 1, "p": 3}),
)


def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Tensor:
    """(Σ|x|ᵖ)^(1/p) with p = `ord`; the largest |x| for inf, the smallest for -inf, the number of
    elements other than zero for 0. At x = 0 the gradient is 0.

    >>> import localgrad as lg
    >>> x = lg.asarray([3.0, 4.0], requires_grad=True)
    >>> y = lg.linalg.vector_norm(x); y.backward()
    >>> y.item(), [f"{v:.1f}" for v in x.grad.tolist()]
    (5.0, ['0.6', '0.8'])
    """
    if ord == 2:
        return norm2(x, axis=axis, keepdims=keepdims)
    size = abs(x)
    if ord == 1:
        return size.sum(axis=axis, keepdims=keepdims)
    if ord == xp.inf:
        return size.max(axis=axis, keepdims=keepdims)
    if ord == -xp.inf:
        return size.min(axis=axis, keepdims=keepdims)
    if ord == 0:
        return not_equal(x, 0).astype(x.dtype).sum(axis=axis, keepdims=keepdims)
    return norm_p(x, axis=axis, keepdims=keepdims, p=ord)
