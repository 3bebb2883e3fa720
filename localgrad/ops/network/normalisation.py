"""Normalisations: standardise, then scale and shift. They differ in what shares one mean."""

from __future__ import annotations

from typing import Any

from localgrad import kernels, ops
from localgrad.kernels import reference as xp
from localgrad.local.composite import composite
from localgrad.ops.along_axis import real_only
from localgrad.ops.network import rules


def _scaled(y: Any, weight: Any, bias: Any) -> Any:
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def _layer_derived(x: Any, weight: Any, bias: Any, eps: float = 1e-5) -> Any:
    return _scaled(ops.standardize(x, axis=-1, eps=eps), weight, bias)


def _rows(x: Any) -> Any:
    return x if x.ndim == 2 else x.reshape(-1, x.shape[-1])


def _layer_forward(x: Any, weight: Any, bias: Any, eps: float = 1e-5) -> Any:
    real_only(x)
    y, mean, scale = kernels.row_norm(_rows(x), weight, bias, eps)
    return y.reshape(x.shape), (mean, scale)


def _layer_backward(
    g: Any, saved: Any, needs: Any, x: Any, weight: Any, bias: Any, eps: float = 1e-5,
    arrived: Any = None,
) -> Any:  # fmt: skip
    mean, scale = saved
    parts = kernels.row_norm_backward(_rows(g), _rows(x), weight, mean, scale, needs, arrived)
    if parts[0] is not None:
        parts[0] = parts[0].reshape(x.shape)
    return parts


layer_norm = composite(
    "layer_norm",
    _layer_derived,
    _layer_forward,
    _layer_backward,
    arguments=("x", "weight", "bias"),
    rule=rules.LAYER_NORM,
    adds=True,
    doc="(x − mean)/√(var + eps) · weight + bias along the last axis (Ba et al., 2016).",
    example=lambda rng: (tuple(rng.standard_normal(s) for s in ((3, 4), (4,), (4,))), {}),
)


def _per_channel(vector: Any, x: Any) -> Any:
    if vector is None:
        return None
    return xp.reshape(vector, (1, -1, *[1] * (x.ndim - 2)))


def _batch_derived(
    x: Any,
    weight: Any,
    bias: Any,
    mean: Any = None,
    variance: Any = None,
    eps: float = 1e-5,
    fixed: bool = False,
) -> Any:
    if fixed:
        spread = xp.sqrt(_per_channel(variance, x) + eps)
        y = (x - _per_channel(mean, x)) * (1 / spread).astype(x.dtype)
    else:
        y = ops.standardize(x, axis=(0, *range(2, x.ndim)), eps=eps)
    return _scaled(y, _per_channel(weight, x), _per_channel(bias, x))


def _batch_forward(
    x: Any,
    weight: Any,
    bias: Any,
    mean: Any = None,
    variance: Any = None,
    eps: float = 1e-5,
    fixed: bool = False,
) -> Any:
    real_only(x)
    if mean is None:
        mean, variance = kernels.channel_moments(x)
    y, scale = kernels.channel_norm(x, mean, variance, weight, bias, eps)
    return y, (mean, scale)


def _batch_backward(
    g: Any, saved: Any, needs: Any, x: Any, weight: Any, bias: Any, fixed: bool = False, **_: Any
) -> Any:
    mean, scale = saved
    return kernels.channel_norm_backward(g, x, mean, scale, weight, fixed, needs)


batch_norm = composite(
    "batch_norm",
    _batch_derived,
    _batch_forward,
    _batch_backward,
    arguments=("x", "weight", "bias"),
    rule=rules.BATCH_NORM,
    doc=(
        "(x − mean)/√(var + eps) · weight + bias for every channel of (batch, channels, …) (Ioffe "
        "and Szegedy, 2015). `mean` and `variance` are those of x, where known; given numbers "
        "that do not depend on x where `fixed`."
    ),
    example=lambda rng: (tuple(rng.standard_normal(s) for s in ((4, 3, 2), (3,), (3,))), {}),
)
