"""Arithmetic, with broadcasting. Kinks follow PyTorch and are declared with the operation."""

from localgrad import kernels
from localgrad.kernels import reference as xp
from localgrad.local.pointwise import pointwise
from localgrad.ops import draw

add = pointwise(
    "add", kernels.add, a=lambda: 1, b=lambda: 1, doc="a + b: distributes.", example=draw.pair
)
subtract = pointwise(
    "subtract", xp.subtract, a=lambda: 1, b=lambda: -1, doc="a - b.", example=draw.pair
)
multiply = pointwise(
    "multiply", xp.multiply, a=lambda b: b, b=lambda a: a, doc="a · b: swaps.", example=draw.pair
)
divide = pointwise(
    "divide",
    xp.divide,
    a=lambda b: 1 / b,
    b=lambda b, y: -y / b,
    doc="a / b.",
    example=draw.ranges((-2.0, 2.0), (0.3, 2.0)),
    kink="infinite or NaN at b = 0",
)
negative = pointwise("negative", xp.negative, x=lambda: -1, doc="-x.", example=draw.anywhere)
positive = pointwise("positive", xp.positive, x=lambda: 1, doc="+x.", example=draw.anywhere)
reciprocal = pointwise(
    "reciprocal",
    lambda x: 1 / x,
    x=lambda y: -y * y,
    doc="1 / x.",
    example=draw.positive,
    kink="-∞ at 0",
)
square = pointwise("square", xp.square, x=lambda x: 2 * x, doc="x².", example=draw.anywhere)
