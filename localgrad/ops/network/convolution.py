"""Convolution: forward, adjoint to the input, adjoint to the weight. A closed family.

All three are bilinear, and each has the two others as its derivatives: three declarations give
every order. A transposed convolution is the adjoint to the input, used as a forward.
"""

from __future__ import annotations

from typing import Any

from localgrad import kernels, ops
from localgrad.local.bilinear import Bilinear, bilinear
from localgrad.local.composite import composite
from localgrad.ops.network import rules

Sizes = tuple[int, ...]


def _example(first: Sizes, second: Sizes, **options: Any) -> Any:
    """An `example` of two arrays, on a geometry with every option in use."""
    geometry = {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 2), "groups": 2}
    return lambda rng: (
        (rng.standard_normal(first), rng.standard_normal(second)),
        {**geometry, **options},
    )


X, WEIGHT, Y = (2, 4, 5, 6), (6, 2, 3, 2), (2, 6, 3, 8)

convolution = bilinear(
    "convolution",
    lambda x, weight, stride, padding, dilation, groups: kernels.convolution(
        x, weight, None, stride, padding, dilation, groups
    ),
    x=lambda g, weight, like, stride, padding, dilation, groups: (
        convolution_input_adjoint.run(
            g, weight, shape=like.shape, stride=stride, padding=padding, dilation=dilation,
            groups=groups,
        )
    ),
    weight=lambda g, x, like, stride, padding, dilation, groups: (
        convolution_weight_adjoint.run(
            g, x, shape=like.shape, stride=stride, padding=padding, dilation=dilation,
            groups=groups,
        )
    ),
    doc=(
        "y[n, o, p] = Σ weight[o, c, t] · x[n, c, p·stride + t·dilation − padding], over the "
        "channels c of o's group and the taps t; 1 to 3 dimensions."
    ),
    example=_example(X, WEIGHT),
)
convolution_input_adjoint: Bilinear = bilinear(
    "convolution_input_adjoint",
    lambda upstream, weight, shape, stride, padding, dilation, groups: (
        kernels.convolution_input_adjoint(
            upstream, weight, shape, stride, padding, dilation, groups
        )
    ),
    upstream=lambda g, weight, stride, padding, dilation, groups: convolution.run(
        g, weight, stride=stride, padding=padding, dilation=dilation, groups=groups
    ),
    weight=lambda g, upstream, like, stride, padding, dilation, groups: (
        convolution_weight_adjoint.run(
            upstream, g, shape=like.shape, stride=stride, padding=padding, dilation=dilation,
            groups=groups,
        )
    ),
    doc="What an upstream of a convolution sends back to its input, of this shape.",
    example=_example(Y, WEIGHT, shape=X),
)
convolution_weight_adjoint: Bilinear = bilinear(
    "convolution_weight_adjoint",
    lambda upstream, x, shape, stride, padding, dilation, groups: (
        kernels.convolution_weight_adjoint(
            upstream, x, shape, stride, padding, dilation, groups
        )
    ),
    upstream=lambda g, x, stride, padding, dilation, groups: convolution.run(
        x, g, stride=stride, padding=padding, dilation=dilation, groups=groups
    ),
    x=lambda g, upstream, like, stride, padding, dilation, groups: (
        convolution_input_adjoint.run(
            upstream, g, shape=like.shape, stride=stride, padding=padding, dilation=dilation,
            groups=groups,
        )
    ),
    doc="What an upstream of a convolution sends back to its weight, of this shape.",
    example=_example(Y, X, shape=WEIGHT),
)


def _biased_derived(
    x: Any, weight: Any, bias: Any, stride: Any = (), padding: Any = (), dilation: Any = (),
    groups: int = 1,
) -> Any:  # fmt: skip
    y = convolution(
        x, weight, stride=stride, padding=padding, dilation=dilation, groups=groups
    )
    return y + ops.reshape(bias, (-1, *[1] * (y.ndim - 2)))


def _biased_forward(
    x: Any, weight: Any, bias: Any, clamp: bool = False, **geometry: Any
) -> Any:
    return kernels.convolution(x, weight, bias, **geometry, clamp=clamp), None


def _biased_backward(
    g: Any, saved: Any, needs: Any, x: Any, weight: Any, bias: Any, **geometry: Any
) -> list[Any]:
    return kernels.convolution_backward(g, x, weight, needs, **geometry)


convolution_with_bias = composite(
    "convolution_with_bias",
    _biased_derived,
    _biased_forward,
    _biased_backward,
    arguments=("x", "weight", "bias"),
    rule=rules.CONVOLUTION,
    doc="A convolution with bias[o] added to channel o.",
    example=lambda rng: (
        (rng.standard_normal(X), rng.standard_normal(WEIGHT), rng.standard_normal(6)),
        {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 2), "groups": 2},
    ),
)


def convolve(
    x: Any, weight: Any, bias: Any, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int,
    clamp: bool = False,
) -> Any:
    """The convolution, with a bias or None; with a relu behind it to `clamp`."""
    geometry = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    if bias is not None and clamp:
        return convolution_with_bias.clamped(ops.relu, x, weight, bias, **geometry)
    if bias is not None:
        return convolution_with_bias(x, weight, bias, **geometry)
    y = convolution(x, weight, **geometry)
    return ops.relu(y) if clamp else y
