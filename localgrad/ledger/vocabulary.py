"""What kind of operation a name stands for, in any framework.

Findings ask "is this a reduction?", never "is this PyTorch's MeanBackward1?".
"""

from __future__ import annotations

import re
from functools import cache

_ALIASES = {
    "+": "add",
    "-": "subtract",
    "sub": "subtract",
    "rsub": "subtract",
    "*": "multiply",
    "mul": "multiply",
    "/": "divide",
    "div": "divide",
    "true_divide": "divide",
    "**": "power",
    "pow": "power",
    "neg": "negative",
    "@": "matmul",
    "mm": "matmul",
    "bmm": "matmul",
    "mv": "matmul",
    "dot": "matmul",
    "addmm": "linear",
    "baddbmm": "matmul",
    "threshold": "relu",
    "hardtanh": "clip",
    "clamp": "clip",
    "clamp_min": "clip",
    "clamp_max": "clip",
    "amax": "max",
    "amin": "min",
    "s_where": "where",
    "masked_fill": "where",
    "convolution": "conv",
    "convolution_with_bias": "conv",
    "mkldnn_convolution": "conv",
    "thnn_conv2d": "conv",
    "conv1d": "conv",
    "conv2d": "conv",
    "conv3d": "conv",
    "native_layer_norm": "layer_norm",
    "native_batch_norm": "batch_norm",
    "native_group_norm": "group_norm",
    "safe_softmax": "softmax",
    "safesoftmax": "softmax",
    "linalg_vector_norm": "norm",
    "vector_norm": "norm",
    "embedding_dense": "embedding",
    "scaled_dot_product_flash_attention": "scaled_dot_product_attention",
    "scaled_dot_product_flash_attention_for_cpu": "scaled_dot_product_attention",
    "scaled_dot_product_efficient_attention": "scaled_dot_product_attention",
    "scaled_dot_product_cudnn_attention": "scaled_dot_product_attention",
    "attention": "scaled_dot_product_attention",
    "mse_loss": "squared_error",
    "binary_cross_entropy": "binary_cross_entropy",
}

# What another library calls otherwise, or does by an operation of its own, although it is the same.
_ALIKE = {
    "reshape": "view unsafe_view reshape_alias flatten unflatten squeeze unsqueeze expand_dims",
    "permute": "permute_dims transpose t swapaxes movedim matrix_transpose",
    "getitem": "select slice index narrow",
    "expand": "broadcast_to",
    "concat": "cat",
    "repeat": "repeat_interleave",
    "attention": "scaled_dot_product_attention",
    "cross_entropy": "nll_loss",
    "resample": "adaptive_avg_pool upsample_nearest upsample_linear upsample_bilinear "
    "upsample_bicubic upsample_trilinear",
}
_COMMON = {name: common for common, names in _ALIKE.items() for name in names.split()}

REDUCTIONS = {
    "sum",
    "mean",
    "prod",
    "max",
    "min",
    "logsumexp",
    "norm",
    "var",
    "std",
    "squared_error",
    "cross_entropy",
    "nll_loss",
    "avg_pool",
    "adaptive_avg_pool",
}
SHIFTS = {"max", "min", "mean", "logsumexp"}  # subtracted and added back for stable arithmetic
POLYNOMIALS = {"square", "power", "squared_error", "multiply"}
NORMALISATIONS = {
    "batch_norm",
    "layer_norm",
    "group_norm",
    "instance_norm",
    "rms_norm",
    "native_batch_norm",
    "native_layer_norm",
    "native_group_norm",
    "cudnn_batch_norm",
    "fused_rms_norm",
    "standardize",
}
SELECTS = {"where", "clip", "max", "min", "maximum", "minimum", "relu"}
RECTIFIERS = {"relu", "relu6"}
SQUASHERS = {"sigmoid", "tanh", "softmax", "hardsigmoid", "hard_sigmoid"}
PRODUCTS = {"matmul", "linear", "conv", "einsum", "conv_transpose", "outer"}
ELEMENTWISE = {"add", "subtract", "multiply", "divide", "power", "maximum", "minimum", "where"}
FLAT = {"floor", "ceil", "round", "sign", "trunc", "argmax", "argmin", "rint", "floor_divide"}
CELLS = {"lstm", "gru", "rnn", "lstm_cell", "gru_cell", "rnn_cell"}


@cache
def canonical(op: str) -> str:
    """Return the plain name of an operation.

    >>> canonical("MulBackward0"), canonical("ScaledDotProductAttention"), canonical("@")
    ('multiply', 'scaled_dot_product_attention', 'matmul')
    """
    name = re.sub(r"Backward(_?\d*)?$", "", op)
    if name in _ALIASES:
        return _ALIASES[name]
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    name = re.sub(r"(_pool|norm)\d?d(_with_indices)?$", r"\1", name)
    return _ALIASES.get(name, name)


@cache
def alike(op: str) -> str:
    """Return the name under which operations of two libraries correspond.

    >>> alike("ViewBackward0") == alike("reshape"), alike("TransposeBackward0")
    (True, 'permute')
    """
    name = re.sub(r"(?<=[a-z])[123]_?d(_aa)?$", "", canonical(op))
    return _COMMON.get(name, name)


def is_reduction(op: str) -> bool:
    """Whether the operation adds up, averages or picks along axes."""
    name = canonical(op)
    return name in REDUCTIONS or name.endswith("_loss")
