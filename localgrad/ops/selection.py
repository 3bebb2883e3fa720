"""Operations that choose between elements: the gradient goes where the choice went."""

from __future__ import annotations

from typing import Any

from localgrad.kernels import reference as xp
from localgrad.local.operation import SCALARS
from localgrad.local.pointwise import pointwise
from localgrad.local.select import select
from localgrad.ops import draw
from localgrad.tensor import Tensor

magnitude = pointwise(
    "abs",
    xp.absolute,
    x=xp.sign,
    doc="|x|.",
    example=draw.anywhere,
    kink="0 at 0",
)
where = select(
    "where",
    lambda condition, a, b: xp.where(condition, a, b),
    condition=None,
    a=lambda g, condition: xp.where(condition, g, 0),
    b=lambda g, condition: xp.where(condition, 0, g),
    doc="a where the condition holds, else b. The branch not taken receives an exact zero.",
    example=lambda rng: ((rng.random((3, 4)) > 0.5, *draw.pair(rng)[0]), {}),
)
maximum = select(
    "maximum",
    xp.maximum,
    a=lambda g, a, b: xp.where(a < b, 0, xp.where(a == b, g / 2, g)),
    b=lambda g, a, b: xp.where(b < a, 0, xp.where(a == b, g / 2, g)),
    doc="The larger of a and b.",
    example=draw.pair,
    kink="half to each where a = b",
)
minimum = select(
    "minimum",
    xp.minimum,
    a=lambda g, a, b: xp.where(a > b, 0, xp.where(a == b, g / 2, g)),
    b=lambda g, a, b: xp.where(b > a, 0, xp.where(a == b, g / 2, g)),
    doc="The smaller of a and b.",
    example=draw.pair,
    kink="half to each where a = b",
)
fmax = select(
    "fmax",
    xp.fmax,
    a=lambda g, a, b: xp.where((a >= b) | xp.isnan(b), g, 0),
    b=lambda g, a, b: xp.where((a >= b) | xp.isnan(b), 0, g),
    doc="The larger of a and b; the other one where one is NaN.",
    example=draw.pair,
    kink="all to a where a = b",
)
fmin = select(
    "fmin",
    xp.fmin,
    a=lambda g, a, b: xp.where((a <= b) | xp.isnan(b), g, 0),
    b=lambda g, a, b: xp.where((a <= b) | xp.isnan(b), 0, g),
    doc="The smaller of a and b; the other one where one is NaN.",
    example=draw.pair,
    kink="all to a where a = b",
)


def is_within(x: Any, min: Any, max: Any) -> Any:
    """min ≤ x ≤ max, where a bound of None is none."""
    if min is None or max is None:
        return x == x if min is max else x <= max if min is None else x >= min
    return (x >= min) & (x <= max)


clip_to_numbers = select(
    "clip",
    lambda x, min=None, max=None: xp.clip(x, min, max),
    x=lambda g, x, min, max: xp.where(is_within(x, min, max), g, 0),
    doc="min(max(x, lower), upper), for bounds that are numbers.",
    example=draw.reals(min=-0.7, max=0.9),
    kink="1 at the bounds",
)
clip_to_arrays = select(
    "clip_between",
    lambda x, lower, upper: xp.minimum(xp.maximum(x, lower), upper),
    x=lambda g, x, lower, upper: xp.where((x >= lower) & (x <= upper), g, 0),
    lower=lambda g, x, lower, upper: xp.where((x < lower) & (lower < upper), g, 0),
    upper=lambda g, x, lower, upper: xp.where((x > upper) | (lower > upper), g, 0),
    doc="min(max(x, lower), upper), for bounds that are arrays.",
    example=draw.ranges((-2.0, 2.0), (-1.0, -0.5), (0.5, 1.0)),
    kink="all to x at the bounds; none outside where the bounds are equal",
)


def abs(x: Any) -> Tensor:
    """|x|, for complex x √(re² + im²); the gradient at 0 is 0.

    >>> import localgrad as lg
    >>> lg.abs(lg.asarray([-1.5, 2.0]))
    Tensor([1.5, 2. ], dtype=float32)
    """
    if getattr(x, "dtype", None) is not None and x.dtype.kind == "c":
        from localgrad.ops.complex import imag, real
        from localgrad.ops.norms import norm2
        from localgrad.ops.shape import stack

        return norm2(stack((real(x), imag(x))), axis=0)
    return magnitude(x)


def clip(x: Any, min: Any = None, max: Any = None) -> Tensor:
    """min(max(x, lower), upper); a bound of None is none. At a bound the gradient goes to x.

    The bounds are numbers or arrays that broadcast with x; arrays receive gradients too.

    >>> import localgrad as lg
    >>> lg.clip(lg.asarray([-2.0, 0.5, 3.0]), -1, 1)
    Tensor([-1. ,  0.5,  1. ], dtype=float32)
    """
    if all(bound is None or bound.__class__ in SCALARS for bound in (min, max)):
        return clip_to_numbers(x, min=min, max=max)
    return clip_to_arrays(
        x, -xp.inf if min is None else min, xp.inf if max is None else max
    )
