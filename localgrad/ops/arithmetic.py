"""Arithmetic, with broadcasting. Kinks follow PyTorch and are declared with the operation."""

from localgrad.kernels import reference as xp
from localgrad.local import pointwise

add = pointwise("add", xp.add, a=lambda: 1, b=lambda: 1)
subtract = pointwise("subtract", xp.subtract, a=lambda: 1, b=lambda: -1)
multiply = pointwise("multiply", xp.multiply, a=lambda b: b, b=lambda a: a)
divide = pointwise("divide", xp.divide, a=lambda b: 1 / b, b=lambda b, y: -y / b)
negative = pointwise("negative", xp.negative, x=lambda: -1)
positive = pointwise("positive", lambda x: x, x=lambda: 1)
reciprocal = pointwise("reciprocal", lambda x: 1 / x, x=lambda y: -y * y)
square = pointwise("square", xp.square, x=lambda x: 2 * x)
