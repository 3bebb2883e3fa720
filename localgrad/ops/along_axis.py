"""Softmax and its kin: along an axis, the Jacobian is a diagonal plus outer products."""

from typing import Any

from localgrad import kernels
from localgrad.kernels import reference as xp
from localgrad.local.axis_operator import axis_operator
from localgrad.ops import draw


def below_largest(x: Any, axis: Any) -> Any:
    """x less its maximum along the axis: nothing to exponentiate is above 0."""
    return x - xp.maximum.reduce(x, axis, None, None, True) if x.size else x


def softmax_of(x: Any, axis: Any = -1) -> Any:
    if kernels.as_rows(x, axis):
        return kernels.softmax(x)
    e = xp.exp(below_largest(x, axis))
    e /= xp.add.reduce(e, axis, None, None, True)
    return e


def log_softmax_of(x: Any, axis: Any = -1) -> Any:
    if kernels.as_rows(x, axis):
        return kernels.softmax(x, log=True)
    shifted = below_largest(x, axis)
    return shifted - xp.log(xp.add.reduce(xp.exp(shifted), axis, None, None, True))


def spread_of(x: Any, axis: Any, eps: float) -> Any:
    """1 / √(var + eps)."""
    return 1 / xp.sqrt(xp.var(x, axis=axis, keepdims=True) + eps)


def real_only(x: Any) -> None:
    """Refuse complex numbers, whose variance has no complex derivative."""
    if xp.iscomplexobj(x):
        raise TypeError(
            "complex numbers have no norm of this kind: their variance has no complex derivative. "
            "Normalise lg.real(x) and lg.imag(x), each by itself"
        )


def standardized(x: Any, axis: Any = -1, eps: float = 1e-5) -> Any:
    real_only(x)
    return (x - xp.mean(x, axis=axis, keepdims=True)) * spread_of(x, axis, eps)


softmax = axis_operator(
    "softmax",
    softmax_of,
    diagonal=lambda y: y,
    terms=[(lambda y: -y, lambda y: y)],
    rows=lambda g, y: kernels.softmax_backward(g, y),
    doc="eˣ / Σ eˣ along the axis.",
    example=draw.anywhere,
)
softmin = axis_operator(
    "softmin",
    lambda x, axis=-1: softmax_of(-x, axis),
    diagonal=lambda y: -y,
    terms=[(lambda y: y, lambda y: y)],
    doc="e⁻ˣ / Σ e⁻ˣ along the axis.",
    example=draw.anywhere,
)
log_softmax = axis_operator(
    "log_softmax",
    log_softmax_of,
    diagonal=lambda: 1,
    terms=[(lambda: -1, lambda y: xp.exp(y))],
    rows=lambda g, y: kernels.softmax_backward(g, y, log=True),
    doc="x - log Σ eˣ along the axis.",
    example=draw.anywhere,
)
standardize = axis_operator(
    "standardize",
    standardized,
    diagonal=lambda x, axis, eps: spread_of(x, axis, eps),
    terms=[
        (lambda x, axis, eps, n: -spread_of(x, axis, eps) / n, lambda: 1),
        (lambda x, y, axis, eps, n: -spread_of(x, axis, eps) / n * y, lambda y: y),
    ],
    doc="(x - mean) / √(var + eps) along the axis or axes: the core of every normalisation.",
    example=draw.anywhere,
)
