"""Initial values, written into a tensor in place; PyTorch's names. Each returns its tensor."""

from __future__ import annotations

import math
from typing import Any

import numpy

from localgrad import errors_of_modules as errors
from localgrad import random
from localgrad.errors import unknown_choice
from localgrad.graph.mutation import note_mutation
from localgrad.graph.record import here
from localgrad.tensor import Tensor


def _write(tensor: Tensor, values: Any) -> Tensor:
    note_mutation((tensor.value,), "nn.init")
    tensor.value[...] = values
    return tensor


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0) -> Tensor:
    """Uniform in [a, b)."""
    # Drawn in double precision whatever the dtype: a seed means the same network in either.
    return _write(tensor, random.generator().uniform(a, b, tensor.shape))


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0) -> Tensor:
    """Normal with this mean and standard deviation."""
    return _write(tensor, random.generator().normal(mean, std, tensor.shape))


def trunc_normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0
) -> Tensor:
    """Normal, with what falls outside [a, b] drawn again."""
    generator = random.generator()
    values = generator.normal(mean, std, tensor.shape)
    while (outside := (values < a) | (values > b)).any():
        values[outside] = generator.normal(mean, std, int(outside.sum()))
    return _write(tensor, values)


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Every element `val`."""
    return _write(tensor, val)


def ones_(tensor: Tensor) -> Tensor:
    """Every element 1."""
    return _write(tensor, 1)


def zeros_(tensor: Tensor) -> Tensor:
    """Every element 0."""
    return _write(tensor, 0)


def eye_(tensor: Tensor) -> Tensor:
    """The identity matrix."""
    return _write(tensor, numpy.eye(tensor.shape[0], tensor.shape[1]))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """A convolution kernel that hands its channels through unchanged."""
    values = numpy.zeros(tensor.shape)
    outputs = tensor.shape[0] // groups
    middle = tuple(n // 2 for n in tensor.shape[2:])
    for group in range(groups):
        for channel in range(min(outputs, tensor.shape[1])):
            values[(group * outputs + channel, channel, *middle)] = 1
    return _write(tensor, values)


def fans(tensor: Tensor) -> tuple[int, int]:
    """How many inputs an output has, and how many outputs an input has."""
    if tensor.ndim < 2:
        raise errors.no_fan(tensor.shape, here())
    receptive = math.prod(tensor.shape[2:])
    return tensor.shape[1] * receptive, tensor.shape[0] * receptive


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """By how much an activation shrinks what passes, to be made up for by the weights."""
    gains = {
        "tanh": 5 / 3,
        "relu": math.sqrt(2),
        "leaky_relu": math.sqrt(2 / (1 + (0.01 if param is None else param) ** 2)),
        "selu": 3 / 4,
    }
    plain = ["linear", "sigmoid", "conv1d", "conv2d", "conv3d"]
    plain += ["conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]
    if nonlinearity not in gains and nonlinearity not in plain:
        raise unknown_choice("nonlinearity", nonlinearity, [*gains, *plain], here())
    return gains.get(nonlinearity, 1.0)


def xavier_uniform_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """Uniform with variance gain² · 2 / (inputs + outputs) (Glorot and Bengio, 2010)."""
    bound = gain * math.sqrt(6 / sum(fans(tensor)))
    return uniform_(tensor, -bound, bound)


def xavier_normal_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """Normal with variance gain² · 2 / (inputs + outputs) (Glorot and Bengio, 2010)."""
    return normal_(tensor, 0, gain * math.sqrt(2 / sum(fans(tensor))))


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise unknown_choice("mode", mode, ["fan_in", "fan_out"], here())
    fan = fans(tensor)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def kaiming_uniform_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu"
) -> Tensor:
    """Uniform with variance gain² / fan (He et al., 2015)."""
    bound = math.sqrt(3) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound)


def kaiming_normal_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu"
) -> Tensor:
    """Normal with variance gain² / fan (He et al., 2015)."""
    return normal_(tensor, 0, _kaiming_std(tensor, a, mode, nonlinearity))


def orthogonal_(tensor: Tensor, gain: float = 1) -> Tensor:
    """A random matrix with orthonormal rows or columns, times gain (Saxe et al., 2013)."""
    if tensor.ndim < 2:
        raise errors.no_fan(tensor.shape, here())
    rows, columns = tensor.shape[0], math.prod(tensor.shape[1:])
    tall = random.generator().normal(size=(max(rows, columns), min(rows, columns)))
    q, r = numpy.linalg.qr(tall)
    q *= numpy.sign(numpy.diagonal(r))  # so that every orthogonal matrix is equally likely
    return _write(tensor, gain * (q if rows >= columns else q.T).reshape(tensor.shape))


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01) -> Tensor:
    """Normal, with this part of every column set to zero (Martens, 2010)."""
    generator = random.generator()
    values = generator.normal(0, std, tensor.shape)
    zeros = math.ceil(sparsity * tensor.shape[0])
    for column in range(tensor.shape[1]):
        values[generator.permutation(tensor.shape[0])[:zeros], column] = 0
    return _write(tensor, values)
