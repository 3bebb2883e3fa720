"""localgrad: backpropagation you can read.

This page is the public face: the array API's namespace, with a gradient for every function that
has one, and the doors to the other rooms, which open when first used.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from localgrad.tensor import Tensor, gradients  # first: it closes the circle of imports

# isort: split
from localgrad import errors
from localgrad.errors import GradientMismatch, GraphError, LocalgradError, ShapeError
from localgrad.graph.record import enable_grad, is_grad_enabled, no_grad
from localgrad.local.axis_operator import axis_operator
from localgrad.local.bilinear import bilinear
from localgrad.local.composite import composite
from localgrad.local.contract import contract
from localgrad.local.custom import custom
from localgrad.local.flat import flat
from localgrad.local.linear import LinearMany, linear
from localgrad.local.pointwise import pointwise
from localgrad.local.reduction import reduction, select_reduction
from localgrad.local.select import select
from localgrad.ops.activation import (
    celu,
    elu,
    gelu,
    glu,
    hardshrink,
    hardsigmoid,
    hardswish,
    hardtanh,
    leaky_relu,
    logsigmoid,
    mish,
    prelu,
    relu,
    relu6,
    selu,
    sigmoid,
    silu,
    softplus,
    softshrink,
    softsign,
    tanhshrink,
    threshold,
)
from localgrad.ops.along_axis import (
    log_softmax,
    softmax,
    softmin,
    standardize,
)
from localgrad.ops.arithmetic import (
    add,
    divide,
    multiply,
    negative,
    positive,
    reciprocal,
    square,
    subtract,
)
from localgrad.ops.comparison import (
    allclose,
    array_equal,
    bitwise_and,
    bitwise_invert,
    bitwise_left_shift,
    bitwise_or,
    bitwise_right_shift,
    bitwise_xor,
    equal,
    greater,
    greater_equal,
    isclose,
    isfinite,
    isinf,
    isnan,
    less,
    less_equal,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    not_equal,
)
from localgrad.ops.complex import (
    angle,
    conj,
    imag,
    real,
)
from localgrad.ops.creation import (
    arange,
    asarray,
    empty,
    empty_like,
    eye,
    from_dlpack,
    full,
    full_like,
    linspace,
    meshgrid,
    ones,
    ones_like,
    tensor,
    zeros,
    zeros_like,
)
from localgrad.ops.cumulative import (
    cumprod,
    cumsum,
    cumulative_prod,
    cumulative_sum,
)
from localgrad.ops.dtypes import (
    __array_namespace_info__,
    bool,
    can_cast,
    complex64,
    complex128,
    finfo,
    float16,
    float32,
    float64,
    iinfo,
    int8,
    int16,
    int32,
    int64,
    isdtype,
    result_type,
    uint8,
    uint16,
    uint32,
    uint64,
)
from localgrad.ops.exponential import (
    exp,
    exp2,
    expm1,
    log,
    log1p,
    log2,
    log10,
    logaddexp,
    logaddexp2,
)
from localgrad.ops.gather import scatter_add, take, take_along_axis
from localgrad.ops.powers import (
    cbrt,
    hypot,
    pow,
    rsqrt,
    sqrt,
)
from localgrad.ops.products import (
    dot,
    einsum,
    matmul,
    outer,
    tensordot,
    vecdot,
)
from localgrad.ops.reductions import (
    all,
    any,
    argmax,
    argmin,
    count_nonzero,
    logsumexp,
    max,
    mean,
    min,
    prod,
    std,
    sum,
    var,
)
from localgrad.ops.rounding import (
    ceil,
    copysign,
    floor,
    floor_divide,
    fmod,
    nextafter,
    remainder,
    round,
    sign,
    signbit,
    trunc,
)
from localgrad.ops.selection import (
    abs,
    clip,
    fmax,
    fmin,
    maximum,
    minimum,
    where,
)
from localgrad.ops.shape import (
    astype,
    broadcast_arrays,
    broadcast_to,
    concat,
    diagonal,
    expand_dims,
    flatten,
    flip,
    matrix_transpose,
    moveaxis,
    pad,
    permute_dims,
    repeat,
    reshape,
    roll,
    split,
    squeeze,
    stack,
    swapaxes,
    tile,
    tril,
    triu,
    unstack,
)
from localgrad.ops.sorting import (
    argsort,
    cumulative_max,
    cumulative_min,
    diff,
    median,
    nonzero,
    quantile,
    searchsorted,
    sort,
    topk,
    unique_all,
    unique_counts,
    unique_inverse,
    unique_values,
)
from localgrad.ops.trigonometric import (
    acos,
    acosh,
    asin,
    asinh,
    atan,
    atan2,
    atanh,
    cos,
    cosh,
    deg2rad,
    rad2deg,
    sin,
    sinc,
    sinh,
    tan,
    tanh,
)

if TYPE_CHECKING:
    from localgrad import data, linalg, nn, optim, special

__version__ = "0.1.0"
__array_api_version__ = "2024.12"

e = math.e
pi = math.pi
inf = math.inf
nan = math.nan
newaxis = None

ROOMS = {
    *("calculus", "cli", "data", "fft", "kernels", "ledger", "linalg", "nn", "optim", "random"),
    *("report", "special", "torch", "train"),
}
"""Modules that are loaded when `lg.name` is first read."""

DOORS = {
    "localgrad.calculus": "grad hessian hvp jacobian jvp value_and_grad vjp",
    "localgrad.check": "check_gradients",
    "localgrad.memory": "checkpoint",
    "localgrad.per_example": "per_example_gradients",
    "localgrad.kernels.cpu.threads": "get_num_threads set_num_threads",
    "localgrad.ledger": "Ledger",
    "localgrad.nn.files": "load save",
    "localgrad.random": "get_rng_state manual_seed set_rng_state",
}
"""Names of the public face that live in a module which is loaded when they are first read."""

_module_of = {name: module for module, names in DOORS.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    """Open a room, or fetch a name from one, at its first use (PEP 562)."""
    from importlib import import_module

    if name in ROOMS:
        return import_module(f"localgrad.{name}")
    module = _module_of.get(name)
    if module is None:
        from localgrad.errors_of_modules import no_name
        from localgrad.graph.record import here

        raise no_name(name, __dir__(), here())
    found = globals()[name] = getattr(import_module(module), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *ROOMS, *_module_of})
