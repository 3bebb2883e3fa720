"""How arithmetic runs: `reference` (NumPy, complete, the oracle) and `cpu` (generated kernels)."""

from localgrad.kernels.dispatch import (
    convolution,
    convolution_backward,
    convolution_input_adjoint,
    convolution_weight_adjoint,
    cross_entropy,
    cross_entropy_backward,
    linear,
    linear_backward,
    row_norm,
    row_norm_backward,
)
from localgrad.kernels.reference_dense import gather_rows, scatter_rows
from localgrad.kernels.reference_normalisation import (
    channel_moments,
    channel_norm,
    channel_norm_backward,
)
from localgrad.kernels.reference_optimisers import (
    adagrad_step,
    adam_step,
    rmsprop_step,
    sgd_step,
)
from localgrad.kernels.reference_pooling import (
    gather_places,
    max_pool,
    resample,
    scatter_places,
)

__all__ = [
    "adagrad_step",
    "adam_step",
    "channel_moments",
    "channel_norm",
    "channel_norm_backward",
    "convolution",
    "convolution_backward",
    "convolution_input_adjoint",
    "convolution_weight_adjoint",
    "cross_entropy",
    "cross_entropy_backward",
    "gather_places",
    "gather_rows",
    "linear",
    "linear_backward",
    "max_pool",
    "resample",
    "rmsprop_step",
    "row_norm",
    "row_norm_backward",
    "scatter_places",
    "scatter_rows",
    "sgd_step",
]
