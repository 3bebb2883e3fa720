"""Parts of complex numbers. Each is linear over the reals."""

from typing import Any

from localgrad.kernels import reference as xp
from localgrad.local.linear import linear
from localgrad.local.operation import Like
from localgrad.tensor import Tensor


def _example(rng: Any) -> Any:
    return (rng.normal(size=(3, 4)) + 1j * rng.normal(size=(3, 4)),), {}


def _embed(g: Any, like: Like, factor: Any) -> Any:
    """A real gradient as the complex one that it is the real part of, times `factor`.

    Of that, a real argument gets the real part: nothing, if `factor` is imaginary.
    """
    return g.astype(like.dtype) * factor if like.dtype.kind == "c" else g * factor.real


real = linear(
    "real",
    lambda x: xp.real(x),
    lambda g, like: _embed(g, like, 1),
    doc="The real part of x.",
    example=_example,
)
imag = linear(
    "imag",
    lambda x: xp.imag(x),
    lambda g, like: _embed(g, like, 1j),
    doc="The imaginary part of x.",
    example=_example,
)
conj = linear(
    "conj",
    lambda x: xp.conjugate(x),
    lambda g: xp.conjugate(g),
    doc="x with its imaginary part negated.",
    example=_example,
)


def angle(x: Any) -> Tensor:
    """atan2(im x, re x): the angle of a complex number.

    >>> import localgrad as lg
    >>> f"{lg.angle(lg.asarray(1j)).item():.4f}"
    '1.5708'
    """
    from localgrad.ops.trigonometric import atan2

    return atan2(imag(x), real(x))
