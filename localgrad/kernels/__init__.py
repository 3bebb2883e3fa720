"""How arithmetic runs: `reference` (NumPy, complete, the oracle) and `cpu` (generated kernels)."""

from localgrad.kernels.reference_dense import (
    cross_entropy,
    cross_entropy_backward,
    gather_rows,
    linear,
    linear_backward,
    scatter_rows,
)
from localgrad.kernels.reference_optimisers import (
    adagrad_step,
    adam_step,
    rmsprop_step,
    sgd_step,
)

__all__ = [
    "adagrad_step",
    "adam_step",
    "cross_entropy",
    "cross_entropy_backward",
    "gather_rows",
    "linear",
    "linear_backward",
    "rmsprop_step",
    "scatter_rows",
    "sgd_step",
]
