"""Rounding: steps, whose local gradient is zero, and what is left over by them."""

from localgrad.kernels import reference as xp
from localgrad.local.flat import flat
from localgrad.local.pointwise import pointwise
from localgrad.ops import draw

STEP = "a step function: between its steps nothing changes"

floor = flat("floor", xp.floor, STEP, doc="The largest integer ≤ x.", example=draw.anywhere)
ceil = flat("ceil", xp.ceil, STEP, doc="The smallest integer ≥ x.", example=draw.anywhere)
trunc = flat("trunc", xp.trunc, STEP, doc="x without its fraction.", example=draw.anywhere)
round = flat(
    "round",
    lambda x, decimals=0: xp.round(x, decimals),
    STEP,
    doc="The nearest number with so many decimals; halves go to the even one.",
    example=draw.anywhere,
)
sign = flat("sign", xp.sign, STEP, doc="-1, 0 or 1; x / |x| for complex x.", example=draw.anywhere)
signbit = flat("signbit", xp.signbit, STEP, doc="Whether x is negative.", example=draw.anywhere)
floor_divide = flat(
    "floor_divide",
    xp.floor_divide,
    STEP,
    arguments=("a", "b"),
    doc="⌊a / b⌋.",
    example=draw.ranges((-2.0, 2.0), (0.3, 2.0)),
)
nextafter = pointwise(
    "nextafter",
    xp.nextafter,
    a=lambda: 1,
    b=lambda: 0,
    doc="The next number of a's dtype after a, towards b.",
    example=draw.pair,
)
remainder = pointwise(
    "remainder",
    xp.remainder,
    a=lambda: 1,
    b=lambda a, b: -xp.floor_divide(a, b),
    doc="a - b ⌊a / b⌋: what is left of a, with b's sign.",
    example=draw.ranges((-2.0, 2.0), (0.3, 2.0)),
    kink="at a multiple of b, the gradient of the piece that begins there",
)
fmod = pointwise(
    "fmod",
    xp.fmod,
    a=lambda: 1,
    b=lambda a, b: -xp.trunc(a / b),
    doc="a - b trunc(a / b): what is left of a, with a's sign.",
    example=draw.ranges((-2.0, 2.0), (0.3, 2.0)),
    kink="at a multiple of b, the gradient of the piece that begins there",
)
copysign = pointwise(
    "copysign",
    xp.copysign,
    a=lambda a, y: xp.sign(a) * xp.sign(y),
    b=lambda: 0,
    doc="|a| with the sign of b.",
    example=draw.pair,
    kink="0 at a = 0",
)
