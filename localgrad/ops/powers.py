"""Powers and roots."""

from typing import Any

from localgrad.kernels import reference as xp
from localgrad.local.operation import SCALARS
from localgrad.local.pointwise import pointwise
from localgrad.ops import draw


def slope_in_base(a: Any, b: Any) -> Any:
    """b · aᵇ⁻¹, and 0 for a⁰ at a = 0, where that would be 0 · ∞."""
    if type(b) in SCALARS:
        return b * a ** (b - 1 if b else 0)
    return b * a ** xp.where((a == 0) & (b == 0), 1, b - 1)


def slope_in_exponent(a: Any, b: Any, y: Any) -> Any:
    """aᵇ · log a, and 0 at a = 0, b ≥ 0, where that would be 0 · -∞."""
    return y * xp.log(xp.where((a == 0) & (b >= 0), 1, a))


pow = pointwise(
    "pow",
    lambda a, b: a**b,
    a=slope_in_base,
    b=slope_in_exponent,
    doc="aᵇ.",
    example=draw.ranges((0.3, 2.0), (-2.0, 2.0)),
    kink="in a: 0 for 0⁰; in b: 0 at a = 0 for b ≥ 0; NaN in b for a < 0",
)
sqrt = pointwise(
    "sqrt", xp.sqrt, x=lambda y: 0.5 / y, doc="√x.", example=draw.positive, kink="∞ at 0"
)
rsqrt = pointwise(
    "rsqrt",
    lambda x: 1 / xp.sqrt(x),
    x=lambda y: -0.5 * y * y * y,
    doc="1 / √x.",
    example=draw.positive,
    kink="-∞ at 0",
)
cbrt = pointwise(
    "cbrt",
    xp.cbrt,
    x=lambda y: 1 / (3 * y * y),
    doc="∛x.",
    example=draw.positive,
    kink="∞ at 0",
)
hypot = pointwise(
    "hypot",
    xp.hypot,
    a=lambda a, y: a / y,
    b=lambda b, y: b / y,
    doc="√(a² + b²) without overflow.",
    example=draw.pair,
    kink="NaN at (0, 0), where it has no direction; `linalg.vector_norm` has 0 there",
)
