"""Activations of neurons, smooth ones and the relu family; kinks are PyTorch's."""

from __future__ import annotations

import math
from typing import Any

from localgrad import errors, kernels
from localgrad.graph.record import here
from localgrad.kernels import reference as xp
from localgrad.local.axes import axis_of
from localgrad.local.composite import composite
from localgrad.local.pointwise import pointwise
from localgrad.local.select import select
from localgrad.local.symbol import Formula
from localgrad.ops import draw, selection
from localgrad.tensor import Tensor

SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805
ROOT_2_PI = math.sqrt(2 / math.pi)
BELL = 1 / math.sqrt(2 * math.pi)


def negative_part(x: Any) -> Any:
    """x where it is ≤ 0, else 0: keeps an exponential that is not used from overflowing."""
    return xp.where(x > 0, 0, x)


sigmoid = pointwise(
    "sigmoid", kernels.sigmoid, x=lambda y: y * (1 - y), doc="1 / (1 + e⁻ˣ).", example=draw.anywhere
)
softplus = pointwise(
    "softplus",
    lambda x, beta=1, threshold=20: xp.where(
        x * beta > threshold, x, xp.softplus(x * beta) / beta
    ),
    x=lambda x, beta, threshold: xp.where(x * beta > threshold, 1, xp.sigmoid(x * beta)),
    doc="log(1 + e^(beta x)) / beta; x itself where beta x > threshold.",
    example=draw.reals(beta=1.5),
)
logsigmoid = pointwise(
    "logsigmoid",
    lambda x: -xp.softplus(-x),
    x=lambda x: xp.sigmoid(-x),
    doc="log(1 / (1 + e⁻ˣ)) without underflow.",
    example=draw.anywhere,
)
softsign_of_reals = pointwise(
    "softsign",
    lambda x: x / (1 + abs(x)),
    x=lambda x: 1 / xp.square(1 + abs(x)),
    doc="x / (1 + |x|).",
    example=draw.anywhere,
)


def softsign(x: Any) -> Tensor:
    """x / (1 + |x|), for complex x too.

    >>> import localgrad as lg
    >>> lg.softsign(lg.asarray([-1.0, 0.0, 3.0]))
    Tensor([-0.5 ,  0.  ,  0.75], dtype=float32)
    """
    if getattr(x, "dtype", None) is not None and x.dtype.kind == "c":
        return x / (1 + selection.abs(x))
    return softsign_of_reals(x)


tanhshrink = pointwise(
    "tanhshrink",
    lambda x: x - xp.tanh(x),
    x=lambda x: xp.square(xp.tanh(x)),
    doc="x - tanh x.",
    example=draw.anywhere,
)
silu = pointwise(
    "silu",
    lambda x: x * xp.sigmoid(x),
    x=lambda x: xp.sigmoid(x) * (1 + x * xp.sigmoid(-x)),
    doc="x · sigmoid(x) (Elfwing et al., 2017).",
    example=draw.anywhere,
)
mish = pointwise(
    "mish",
    lambda x: x * xp.tanh(xp.softplus(x)),
    x=lambda x: xp.tanh(xp.softplus(x))
    + x * xp.sigmoid(x) / xp.square(xp.cosh(xp.softplus(x))),
    doc="x · tanh(softplus(x)) (Misra, 2019).",
    example=draw.anywhere,
)
gelu_erf = pointwise(
    "gelu",
    lambda x: x * xp.ndtr(x),
    x=lambda x: xp.ndtr(x) + x * xp.exp(-0.5 * x * x) * BELL,
    doc="x · Φ(x), Φ the normal distribution (Hendrycks and Gimpel, 2016).",
    example=draw.anywhere,
)


def gelu_slope(g: Any, x: Any) -> Any:
    """g · ∂gelu/∂x, by the declaration."""
    partial: Any = gelu_erf.partials[0]
    return g * partial(x)


gelu_fused = composite(
    "gelu_fused",
    lambda x: gelu_erf(x),
    lambda x: (kernels.gelu_forward(x) if kernels.pays(x) else gelu_erf.forward(x), None),
    lambda g, saved, needs, x: [
        kernels.gelu_backward(g, x) if kernels.pays(x) else gelu_slope(g, x)
    ],
    rule=Formula("g·(Φ(x) + x·φ(x))", r"g \left(\Phi(x) + x \, \varphi(x)\right)"),
    doc="x · Φ(x), of a large x in one pass each way.",
    example=draw.anywhere,
)
gelu_tanh = pointwise(
    "gelu_tanh",
    lambda x: 0.5 * x * (1 + xp.tanh(ROOT_2_PI * (x + 0.044715 * x * x * x))),
    x=lambda x: xp.sigmoid(2 * ROOT_2_PI * (x + 0.044715 * x * x * x))
    + 0.5
    * x
    * (1 - xp.square(xp.tanh(ROOT_2_PI * (x + 0.044715 * x * x * x))))
    * (ROOT_2_PI * (1 + 3 * 0.044715 * x * x)),
    doc="x/2 · (1 + tanh(√(2/π) (x + 0.044715 x³))).",
    example=draw.anywhere,
)

relu = select(
    "relu",
    kernels.relu,
    x=kernels.relu_route,
    doc="max(x, 0).",
    example=draw.anywhere,
    kink="0 at 0",
)
relu6 = select(
    "relu6",
    lambda x: xp.clip(x, 0, 6),
    x=lambda g, y: xp.where((y <= 0) | (y >= 6), 0, g),
    doc="min(max(x, 0), 6).",
    example=draw.reals(low=-4.0, high=9.0),
    kink="0 at 0 and at 6",
)
hardtanh = select(
    "hardtanh",
    lambda x, min_val=-1.0, max_val=1.0: xp.clip(x, min_val, max_val),
    x=lambda g, y, min_val, max_val: xp.where((y <= min_val) | (y >= max_val), 0, g),
    doc="min(max(x, min_val), max_val).",
    example=draw.anywhere,
    kink="0 at min_val and at max_val",
)
threshold = select(
    "threshold",
    lambda x, threshold, value: xp.where(x <= threshold, value, x),
    x=lambda g, x, threshold: xp.where(x <= threshold, 0, g),
    doc="value where x ≤ threshold, else x.",
    example=draw.reals(threshold=0.3, value=-1.0),
    kink="0 at the threshold",
)
hardshrink = select(
    "hardshrink",
    lambda x, lambd=0.5: xp.where(abs(x) <= lambd, 0, x),
    x=lambda g, x, lambd: xp.where(abs(x) <= lambd, 0, g),
    doc="0 where |x| ≤ lambd, else x.",
    example=draw.anywhere,
    kink="0 at ±lambd",
)
softshrink = select(
    "softshrink",
    lambda x, lambd=0.5: xp.where(abs(x) <= lambd, 0, x - xp.copysign(lambd, x).astype(x.dtype)),
    x=lambda g, x, lambd: xp.where(abs(x) <= lambd, 0, g),
    doc="x pulled towards 0 by lambd; 0 where |x| ≤ lambd.",
    example=draw.anywhere,
    kink="0 at ±lambd",
)
hardsigmoid = select(
    "hardsigmoid",
    lambda x: xp.clip(x + 3, 0, 6) / 6,
    x=lambda g, x: xp.where(abs(x) >= 3, 0, g / 6),
    doc="min(max(x + 3, 0), 6) / 6.",
    example=draw.reals(low=-5.0, high=5.0),
    kink="0 at ±3",
)
hardswish = select(
    "hardswish",
    lambda x: x * xp.clip(x + 3, 0, 6) / 6,
    x=lambda g, x: xp.where(x <= -3, 0, xp.where(x < 3, g * (x / 3 + 0.5), g)),
    doc="x · min(max(x + 3, 0), 6) / 6 (Howard et al., 2019).",
    example=draw.reals(low=-5.0, high=5.0),
    kink="0 at -3, 1 at 3",
)
leaky_relu = select(
    "leaky_relu",
    lambda x, negative_slope=0.01: xp.where(x > 0, x, x * negative_slope),
    x=lambda g, x, negative_slope: xp.where(x > 0, g, g * negative_slope),
    doc="x where x > 0, else negative_slope · x.",
    example=draw.reals(negative_slope=0.1),
    kink="negative_slope at 0",
)
prelu = pointwise(
    "prelu",
    lambda x, weight: xp.where(x > 0, x, x * weight),
    x=lambda x, weight: xp.where(x > 0, 1, weight),
    weight=lambda x: negative_part(x),
    doc="x where x > 0, else weight · x; the weight broadcasts (He et al., 2015).",
    example=draw.pair,
    kink="in x: weight at 0",
)
elu = pointwise(
    "elu",
    lambda x, alpha=1.0: xp.where(x > 0, x, alpha * xp.expm1(negative_part(x))),
    x=lambda x, alpha: xp.where(x > 0, 1, alpha * xp.exp(negative_part(x))),
    doc="x where x > 0, else alpha (eˣ - 1) (Clevert et al., 2015).",
    example=draw.reals(alpha=1.3),
    kink="alpha at 0",
)
selu = pointwise(
    "selu",
    lambda x: xp.where(x > 0, SELU_SCALE * x, SELU_SCALE * SELU_ALPHA * xp.expm1(negative_part(x))),
    x=lambda x: SELU_SCALE * xp.where(x > 0, 1, SELU_ALPHA * xp.exp(negative_part(x))),
    doc="1.0507 · elu(x, 1.6733) (Klambauer et al., 2017).",
    example=draw.anywhere,
    kink="1.0507 · 1.6733 at 0",
)
celu = pointwise(
    "celu",
    lambda x, alpha=1.0: xp.where(x > 0, x, alpha * xp.expm1(negative_part(x) / alpha)),
    x=lambda x, alpha: xp.where(x > 0, 1, xp.exp(negative_part(x) / alpha)),
    doc="x where x > 0, else alpha (e^(x/alpha) - 1) (Barron, 2017).",
    example=draw.reals(alpha=1.3),
    kink="1 at 0",
)


def gelu(x: Any, approximate: str = "none") -> Tensor:
    """x · Φ(x), Φ the normal distribution; with `approximate="tanh"` the formula with tanh.

    >>> import localgrad as lg
    >>> f"{lg.gelu(1.0).item():.4f}", f"{lg.gelu(1.0, approximate='tanh').item():.4f}"
    ('0.8413', '0.8412')
    """
    if approximate == "tanh":
        return gelu_tanh(x)
    if approximate != "none":
        raise errors.unknown_choice("approximate", approximate, ["none", "tanh"], here())
    return gelu_fused(x) if kernels.pays(getattr(x, "value", x)) else gelu_erf(x)


def glu(x: Any, axis: int = -1) -> Tensor:
    """a · sigmoid(b), where a and b are the two halves of x along `axis`.

    >>> import localgrad as lg
    >>> lg.glu(lg.asarray([2.0, 0.0]))
    Tensor([1.], dtype=float32)
    """
    axis = axis_of("glu", x, axis)
    if x.shape[axis] % 2:
        cause = ValueError(f"axis {axis} has {x.shape[axis]} elements, which are no two halves.")
        raise errors.operation_failed("glu", (x,), cause, here())
    half = x.shape[axis] // 2
    before = (slice(None),) * axis
    return x[(*before, slice(None, half))] * sigmoid(x[(*before, slice(half, None))])
