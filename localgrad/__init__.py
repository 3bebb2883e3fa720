"""localgrad: backpropagation you can read."""

from localgrad.tensor import Tensor, gradients  # first: it closes the circle of imports

# isort: split
from localgrad import errors
from localgrad.graph.record import enable_grad, is_grad_enabled, no_grad
from localgrad.local import (
    axis_operator,
    bilinear,
    composite,
    custom,
    flat,
    linear,
    pointwise,
    reduction,
    select,
)

__version__ = "0.1.0"
