"""Trigonometric and hyperbolic functions and their inverses."""

import math
from typing import Any

from localgrad.kernels import reference as xp
from localgrad.local.pointwise import pointwise
from localgrad.ops import draw


def square_radius(a: Any, b: Any) -> Any:
    """a² + b², and 1 at (0, 0), where an angle has no derivative: 0/1 is then the declared 0."""
    return xp.where((a == 0) & (b == 0), 1, a * a + b * b)


sin = pointwise("sin", xp.sin, x=xp.cos, doc="The sine of x, in radians.", example=draw.anywhere)
cos = pointwise(
    "cos", xp.cos, x=lambda x: -xp.sin(x), doc="The cosine of x.", example=draw.anywhere
)
tan = pointwise(
    "tan", xp.tan, x=lambda y: 1 + y * y, doc="The tangent of x.", example=draw.inside
)
asin = pointwise(
    "asin",
    xp.arcsin,
    x=lambda x: 1 / xp.sqrt(1 - x * x),
    doc="The angle whose sine is x, for |x| ≤ 1.",
    example=draw.inside,
    kink="∞ at ±1",
)
acos = pointwise(
    "acos",
    xp.arccos,
    x=lambda x: -1 / xp.sqrt(1 - x * x),
    doc="The angle whose cosine is x, for |x| ≤ 1.",
    example=draw.inside,
    kink="-∞ at ±1",
)
atan = pointwise(
    "atan",
    xp.arctan,
    x=lambda x: 1 / (1 + x * x),
    doc="The angle whose tangent is x.",
    example=draw.anywhere,
)
atan2 = pointwise(
    "atan2",
    xp.arctan2,
    a=lambda a, b: b / square_radius(a, b),
    b=lambda a, b: -a / square_radius(a, b),
    doc="The angle of the point (b, a): atan(a / b) in the right quadrant.",
    example=draw.ranges((0.3, 2.0), (-2.0, 2.0)),
    kink="0 at (0, 0)",
)
sinh = pointwise("sinh", xp.sinh, x=xp.cosh, doc="(eˣ - e⁻ˣ) / 2.", example=draw.anywhere)
cosh = pointwise("cosh", xp.cosh, x=xp.sinh, doc="(eˣ + e⁻ˣ) / 2.", example=draw.anywhere)
tanh = pointwise(
    "tanh", xp.tanh, x=lambda y: 1 - y * y, doc="sinh x / cosh x.", example=draw.anywhere
)
asinh = pointwise(
    "asinh",
    xp.arcsinh,
    x=lambda x: 1 / xp.sqrt(x * x + 1),
    doc="The inverse of sinh.",
    example=draw.anywhere,
)
acosh = pointwise(
    "acosh",
    xp.arccosh,
    x=lambda x: 1 / xp.sqrt(x * x - 1),
    doc="The inverse of cosh, for x ≥ 1.",
    example=draw.reals(low=1.2, high=3.0),
    kink="∞ at 1",
)
atanh = pointwise(
    "atanh",
    xp.arctanh,
    x=lambda x: 1 / (1 - x * x),
    doc="The inverse of tanh, for |x| ≤ 1.",
    example=draw.inside,
    kink="∞ at ±1",
)
deg2rad = pointwise(
    "deg2rad", xp.deg2rad, x=lambda: math.pi / 180, doc="x · π / 180.", example=draw.anywhere
)
rad2deg = pointwise(
    "rad2deg", xp.rad2deg, x=lambda: 180 / math.pi, doc="x · 180 / π.", example=draw.anywhere
)
sinc = pointwise(
    "sinc",
    xp.sinc,
    # cos(πx)/x - sin(πx)/(πx²) loses every digit near 0, where the series takes over.
    x=lambda x, y: xp.where(
        abs(x) < 1e-4,
        x * (-(math.pi**2) / 3),
        (xp.cos(math.pi * x) - y) / xp.where(abs(x) < 1e-4, 1, x),
    ),
    doc="sin(πx) / (πx), and 1 at 0.",
    example=draw.anywhere,
)
