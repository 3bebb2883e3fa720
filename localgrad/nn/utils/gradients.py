"""Gradient clipping, and all parameters as one vector."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy

from localgrad import errors_of_optimisers as errors
from localgrad import ops
from localgrad.graph.mutation import note_mutation
from localgrad.graph.record import here
from localgrad.tensor import Tensor


def _gradients(parameters: Any) -> list[Any]:
    members = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    return [p.grad.value for p in members if p.grad is not None]


def _norm(arrays: list[Any], norm_type: float) -> float:
    if norm_type == math.inf:
        return max((float(numpy.abs(a).max(initial=0)) for a in arrays), default=0.0)
    if norm_type == 2:
        return math.sqrt(math.fsum(float(numpy.vdot(a, a).real) for a in arrays))
    total = math.fsum(float((numpy.abs(a) ** norm_type).sum()) for a in arrays)
    return total ** (1 / norm_type)


def get_total_norm(
    tensors: Any, norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> Tensor:
    """‖(‖t₁‖, ‖t₂‖, …)‖ₚ: the norm of all tensors as one vector."""
    members = [tensors] if isinstance(tensors, Tensor) else tensors
    return _total([t.value for t in members], norm_type, error_if_nonfinite)


def _total(arrays: list[Any], norm_type: float, error_if_nonfinite: bool) -> Tensor:
    total = _norm(arrays, float(norm_type))
    if error_if_nonfinite and not math.isfinite(total):
        raise errors.nonfinite_norm(total, here())
    return Tensor(numpy.asarray(total, arrays[0].dtype if arrays else "float32"))


def clip_grad_norm_(
    parameters: Any, max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> Tensor:
    """Scale all gradients by max_norm/‖g‖ where their norm, as one vector, exceeds max_norm.

    Returns the norm before. With `error_if_nonfinite` a norm that is inf or NaN raises, and
    leaves the gradients as they were.
    """
    arrays = _gradients(parameters)
    total = _total(arrays, norm_type, error_if_nonfinite)
    scale = max_norm / (total.item() + 1e-6)
    if not scale >= 1:  # also where the norm is NaN
        note_mutation(arrays, "clip_grad_norm_()")
        for array in arrays:
            array *= scale
    return total


def clip_grad_value_(parameters: Any, clip_value: float) -> None:
    """Hold every element of every gradient within ±clip_value."""
    arrays = _gradients(parameters)
    note_mutation(arrays, "clip_grad_value_()")
    for array in arrays:
        numpy.clip(array, -clip_value, clip_value, out=array)


def parameters_to_vector(parameters: Iterable[Any]) -> Tensor:
    """All parameters in one vector; gradients flow back to each."""
    return ops.concat([ops.reshape(p, (-1,)) for p in parameters])


def vector_to_parameters(vec: Any, parameters: Iterable[Any]) -> None:
    """Write the parts of a vector into the parameters, in order."""
    members = list(parameters)
    values = numpy.asarray(vec)
    if values.size != sum(p.size for p in members):
        raise errors.vector_size(values.size, sum(p.size for p in members), here())
    note_mutation([p.value for p in members], "vector_to_parameters()")
    start = 0
    for parameter in members:
        part = values[start : start + parameter.size]
        parameter.value[...] = part.reshape(parameter.shape)
        start += parameter.size
