"""Normalisation layers."""

from __future__ import annotations

from typing import Any

import numpy

from localgrad import errors_of_layers as errors
from localgrad.graph.record import here
from localgrad.nn import functional as F
from localgrad.nn import init
from localgrad.nn.dense import empty
from localgrad.nn.module import Module
from localgrad.tensor import Tensor


def _scale_and_shift(
    module: Module, shape: tuple[int, ...], affine: bool, bias: bool, dtype: Any
) -> None:
    """Give a module `weight` and `bias` of this shape, or None in their places."""
    module.register_parameter("weight", empty(shape, dtype) if affine else None)
    module.register_parameter("bias", empty(shape, dtype) if affine and bias else None)


def _begin(module: Module) -> None:
    """Scale by 1, shift by 0, where there is something to scale and shift."""
    if module.weight is not None:
        init.ones_(module.weight)
    if module.bias is not None:
        init.zeros_(module.bias)


class _RunningNorm(Module):
    """A norm with running statistics of every channel."""

    ranks: tuple[int, ...]

    def __init__(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        dtype: Any,
        bias: bool,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        _scale_and_shift(self, (num_features,), affine, bias, dtype)
        kind = "float32" if dtype is None else dtype
        tracked = track_running_stats
        self.register_buffer(
            "running_mean", Tensor(numpy.zeros(num_features, kind)) if tracked else None
        )
        self.register_buffer(
            "running_var", Tensor(numpy.ones(num_features, kind)) if tracked else None
        )
        self.register_buffer(
            "num_batches_tracked", Tensor(numpy.zeros((), "int64")) if tracked else None
        )
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Forget what was seen."""
        if self.track_running_stats:
            self.running_mean.value.fill(0)
            self.running_var.value.fill(1)
            self.num_batches_tracked.value.fill(0)

    def reset_parameters(self) -> None:
        """Scale by 1, shift by 0, forget what was seen."""
        self.reset_running_stats()
        _begin(self)

    def check(self, input: Any) -> None:
        """An input of the right rank, with the right number of channels."""
        if input.ndim not in self.ranks:
            raise errors.layer_rank(type(self).__name__, input.shape, self.ranks, here())
        channels = input.shape[1 if input.ndim == max(self.ranks) else -max(self.ranks) + 1]
        if channels != self.num_features:
            raise errors.layer_channels(
                type(self).__name__, input.shape, channels, self.num_features, here()
            )

    def counted_momentum(self) -> float:
        """By how much the running statistics move this time, after counting this batch."""
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.value += 1
            if self.momentum is None:  # the plain average of all batches
                return 1 / float(self.num_batches_tracked.value)
        return 0.0 if self.momentum is None else self.momentum

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.affine}, bias={self.bias is not None}, "
            f"track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_RunningNorm):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, dtype, bias)

    def forward(self, input: Any) -> Any:
        self.check(input)
        return F.batch_norm(
            input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or self.running_mean is None,
            self.counted_momentum(),
            self.eps,
        )

    def check(self, input: Any) -> None:
        if input.ndim not in self.ranks:
            raise errors.layer_rank(type(self).__name__, input.shape, self.ranks, here())
        if input.shape[1] != self.num_features:
            raise errors.layer_channels(
                type(self).__name__, input.shape, input.shape[1], self.num_features, here()
            )


class BatchNorm1d(_BatchNorm):
    """Every channel of (batch, channels) or (batch, channels, length) standardised."""

    ranks = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Every channel of (batch, channels, height, width) standardised over batch and places.

    In training by the batch's own mean and variance, which `running_mean` and `running_var`
    follow; in evaluation by those.
    """

    ranks = (4,)


class BatchNorm3d(_BatchNorm):
    """Every channel of (batch, channels, depth, height, width) standardised."""

    ranks = (5,)


class _InstanceNorm(_RunningNorm):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, dtype, bias)

    def forward(self, input: Any) -> Any:
        self.check(input)
        if input.ndim == min(self.ranks):
            return self._normalised(input[None])[0]
        return self._normalised(input)

    def _normalised(self, input: Any) -> Any:
        return F.instance_norm(
            input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or self.running_mean is None,
            0.1 if self.momentum is None else self.momentum,
            self.eps,
        )


class InstanceNorm1d(_InstanceNorm):
    """Every channel of every example of (batch, channels, length) standardised."""

    ranks = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """Every channel of every example of (batch, channels, height, width) standardised."""

    ranks = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """Every channel of every example of (batch, channels, depth, height, width) standardised."""

    ranks = (4, 5)


class LayerNorm(Module):
    """The last axes, of sizes `normalized_shape`, standardised, scaled and shifted.

    >>> import localgrad as lg
    >>> lg.nn.LayerNorm(2)(lg.asarray([[1.0, 3.0]])).numpy().round(3).tolist()
    [[-1.0, 1.0]]
    """

    def __init__(
        self,
        normalized_shape: Any,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        whole = isinstance(normalized_shape, int | numpy.integer)
        self.normalized_shape = (int(normalized_shape),) if whole else tuple(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        _scale_and_shift(self, self.normalized_shape, elementwise_affine, bias, dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Scale by 1, shift by 0."""
        _begin(self)

    def forward(self, input: Any) -> Any:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        )


class RMSNorm(Module):
    """The last axes divided by their root mean square, and scaled."""

    def __init__(
        self,
        normalized_shape: Any,
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        whole = isinstance(normalized_shape, int | numpy.integer)
        self.normalized_shape = (int(normalized_shape),) if whole else tuple(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        shape = self.normalized_shape
        self.register_parameter("weight", empty(shape, dtype) if elementwise_affine else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Scale by 1."""
        if self.weight is not None:
            init.ones_(self.weight)

    def forward(self, x: Any) -> Any:
        return F.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}"
        )


class GroupNorm(Module):
    """Each example's channels standardised in `num_groups` groups, scaled and shifted."""

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_channels % num_groups:
            raise errors.norm_groups((num_channels,), num_groups, here())
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        _scale_and_shift(self, (num_channels,), affine, bias, dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Scale by 1, shift by 0."""
        _begin(self)

    def forward(self, input: Any) -> Any:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class LocalResponseNorm(Module):
    """x divided by a power of the mean square of neighbouring channels."""

    def __init__(
        self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
    ) -> None:
        super().__init__()
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, input: Any) -> Any:
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
