"""Batch, layer, group, instance, RMS and local response norm as functions."""

from __future__ import annotations

import math
from typing import Any

import numpy

from localgrad import errors_of_layers as errors
from localgrad import kernels, ops
from localgrad.graph.mutation import note_mutation
from localgrad.graph.record import here
from localgrad.local.operation import as_raw
from localgrad.nn.functional.pooling import avg_pool2d
from localgrad.ops.network import normalisation
from localgrad.tensor import Tensor

__all__ = [
    "batch_norm",
    "group_norm",
    "instance_norm",
    "layer_norm",
    "local_response_norm",
    "rms_norm",
]



def batch_norm(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """(x − mean)/√(var + eps) · weight + bias for every channel of (batch, channels, …).

    In training, mean and variance are the batch's, and the running ones move towards them by
    `momentum`; otherwise they are the running ones.
    """
    if input.ndim < 2:
        raise errors.norm_rank("batch_norm", input.shape, here())
    if not training:
        return normalisation.batch_norm(
            input,
            weight,
            bias,
            mean=as_raw(running_mean),
            variance=as_raw(running_var),
            eps=eps,
            fixed=True,
        )
    count = input.size // (input.shape[1] or 1)
    if count <= 1:
        raise errors.norm_of_one("batch_norm", input.shape, here())
    x, running = as_raw(input), None
    if running_mean is not None and x.dtype.kind != "c":  # the operation refuses those
        running = as_raw(running_mean), as_raw(running_var)
        note_mutation(running, "batch_norm's running statistics")
    mean, variance = kernels.channel_moments(x, running, momentum)
    return normalisation.batch_norm(input, weight, bias, mean=mean, variance=variance, eps=eps)


def layer_norm(
    input: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Tensor:
    """(x − mean)/√(var + eps) · weight + bias over the last axes, of sizes `normalized_shape`."""
    shape = tuple(normalized_shape) if hasattr(normalized_shape, "__len__") else (normalized_shape,)
    if input.shape[input.ndim - len(shape) :] != shape:
        raise errors.normalized_shape(input.shape, shape, here())
    if len(shape) == 1:
        return normalisation.layer_norm(input, weight, bias, eps=eps)
    x = ops.reshape(input, (*input.shape[: input.ndim - len(shape)], math.prod(shape)))
    flat = [None if p is None else ops.reshape(p, (-1,)) for p in (weight, bias)]
    return ops.reshape(normalisation.layer_norm(x, *flat, eps=eps), input.shape)


def rms_norm(
    input: Any, normalized_shape: Any, weight: Any = None, eps: float | None = None
) -> Tensor:
    """x / √(mean(x²) + eps) · weight over the last axes (Zhang and Sennrich, 2019)."""
    shape = tuple(normalized_shape) if hasattr(normalized_shape, "__len__") else (normalized_shape,)
    if input.shape[input.ndim - len(shape) :] != shape:
        raise errors.normalized_shape(input.shape, shape, here())
    if eps is None:
        eps = float(numpy.finfo(input.dtype).eps)
    axes = tuple(range(-len(shape), 0))
    y = input * ops.rsqrt(ops.mean(ops.square(input), axis=axes, keepdims=True) + eps)
    return y if weight is None else y * weight


def _affine(y: Any, weight: Any, bias: Any) -> Any:
    shape = (1, -1, *[1] * (y.ndim - 2))
    y = y if weight is None else y * ops.reshape(weight, shape)
    return y if bias is None else y + ops.reshape(bias, shape)


def group_norm(
    input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Tensor:
    """Each example's channels standardised in groups (Wu and He, 2018)."""
    if input.ndim < 2 or input.shape[1] % num_groups:
        raise errors.norm_groups(input.shape, num_groups, here())
    width = math.prod(input.shape[1:]) // num_groups
    rows = ops.reshape(input, (input.shape[0] * num_groups, width))
    y = normalisation.layer_norm(rows, None, None, eps=eps)
    return _affine(ops.reshape(y, input.shape), weight, bias)


def instance_norm(
    input: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Each channel of each example standardised on its own (Ulyanov et al., 2016)."""
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    places = math.prod(input.shape[2:])
    if places <= 1:
        raise errors.norm_of_one("instance_norm", input.shape, here())
    rows = ops.reshape(input, (input.shape[0] * input.shape[1], places))
    if running_mean is not None:
        raw = as_raw(rows)
        means, variances = as_raw(running_mean), as_raw(running_var)
        note_mutation((means, variances), "instance_norm's running statistics")
        mean = raw.mean(axis=1).reshape(input.shape[:2]).mean(axis=0)
        variance = raw.var(axis=1, ddof=1).reshape(input.shape[:2]).mean(axis=0)
        means += (mean - means) * momentum
        variances += (variance - variances) * momentum
    y = normalisation.layer_norm(rows, None, None, eps=eps)
    return _affine(ops.reshape(y, input.shape), weight, bias)


def local_response_norm(
    input: Any, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """x / (k + alpha · mean of x² over `size` neighbouring channels)^beta."""
    shape = (input.shape[0], 1, input.shape[1], math.prod(input.shape[2:]))
    flat = ops.reshape(ops.square(input), shape)
    flat = ops.pad(flat, [(0, 0), (0, 0), (size // 2, (size - 1) // 2), (0, 0)])
    means = ops.reshape(avg_pool2d(flat, (size, 1), stride=1), input.shape)
    return input / ops.pow(means * alpha + k, beta)
