"""How arithmetic runs: `reference` (NumPy, complete, the oracle) and `cpu` (generated kernels)."""

from localgrad.kernels.dispatch import (
    add,
    convolution,
    convolution_backward,
    convolution_input_adjoint,
    convolution_weight_adjoint,
    cross_entropy,
    cross_entropy_backward,
    gelu_backward,
    gelu_forward,
    linear,
    linear_backward,
    max_pool,
    pays,
    relu,
    relu_route,
    row_norm,
    row_norm_backward,
    scatter_places,
    sigmoid,
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
from localgrad.kernels.reference_pooling import gather_places, resample

__all__ = [
    "adagrad_step",
    "adam_step",
    "add",
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
    "gelu_backward",
    "gelu_forward",
    "linear",
    "linear_backward",
    "max_pool",
    "pays",
    "relu",
    "relu_route",
    "resample",
    "rmsprop_step",
    "row_norm",
    "row_norm_backward",
    "scatter_places",
    "scatter_rows",
    "sgd_step",
    "sigmoid",
]
