"""Exponentials and logarithms."""

import math

from localgrad.kernels import reference as xp
from localgrad.local.pointwise import pointwise
from localgrad.ops import draw

LN2, LN10 = math.log(2), math.log(10)

exp = pointwise("exp", xp.exp, x=lambda y: y, doc="eˣ.", example=draw.anywhere)
expm1 = pointwise(
    "expm1", xp.expm1, x=lambda y: y + 1, doc="eˣ - 1, exact near 0.", example=draw.anywhere
)
exp2 = pointwise("exp2", xp.exp2, x=lambda y: y * LN2, doc="2ˣ.", example=draw.anywhere)
log = pointwise(
    "log",
    xp.log,
    x=lambda x: 1 / x,
    doc="The natural logarithm of x.",
    example=draw.positive,
    kink="∞ at 0",
)
log1p = pointwise(
    "log1p",
    xp.log1p,
    x=lambda x: 1 / (1 + x),
    doc="log(1 + x), exact near 0.",
    example=draw.positive,
    kink="∞ at -1",
)
log2 = pointwise(
    "log2",
    xp.log2,
    x=lambda x: 1 / (x * LN2),
    doc="log₂ x.",
    example=draw.positive,
    kink="∞ at 0",
)
log10 = pointwise(
    "log10",
    xp.log10,
    x=lambda x: 1 / (x * LN10),
    doc="log₁₀ x.",
    example=draw.positive,
    kink="∞ at 0",
)
logaddexp = pointwise(
    "logaddexp",
    xp.logaddexp,
    a=lambda a, b: xp.sigmoid(a - b),
    b=lambda a, b: xp.sigmoid(b - a),
    doc="log(eᵃ + eᵇ) without overflow.",
    example=draw.pair,
)
logaddexp2 = pointwise(
    "logaddexp2",
    xp.logaddexp2,
    a=lambda a, b: xp.sigmoid((a - b) * LN2),
    b=lambda a, b: xp.sigmoid((b - a) * LN2),
    doc="log₂(2ᵃ + 2ᵇ) without overflow.",
    example=draw.pair,
)
