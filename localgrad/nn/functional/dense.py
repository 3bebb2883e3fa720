"""Linear layers, embeddings and dropout as functions."""

from __future__ import annotations

from typing import Any

import numpy

from localgrad import errors_of_layers as errors
from localgrad import ops
from localgrad.graph.mutation import note_mutation
from localgrad.graph.record import here
from localgrad.local.operation import as_raw
from localgrad.ops.network import dense
from localgrad.ops.network import dropout as dropping
from localgrad.tensor import Tensor

__all__ = [
    "alpha_dropout",
    "bilinear",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "embedding",
    "linear",
    "one_hot",
]



def linear(input: Any, weight: Any, bias: Any = None) -> Tensor:
    """input · weightᵀ + bias: input (…, in), weight (out, in), bias (out,)."""
    return dense.linear(input, weight, bias)


def bilinear(input1: Any, input2: Any, weight: Any, bias: Any = None) -> Tensor:
    """yₖ = x₁ᵀ Wₖ x₂ + bₖ; weight (out, in1, in2)."""
    y = ops.einsum("...i,kij,...j->...k", input1, weight, input2)
    return y if bias is None else y + bias


def embedding(
    input: Any,
    weight: Any,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """weight[input]: input of whole numbers (…), weight (rows, width), result (…, width).

    The row `padding_idx` gets no gradient. With `max_norm`, the rows looked up that are longer
    are shortened to it first, in place.
    """
    if scale_grad_by_freq or sparse:
        raise errors.inexact_gradient("embedding", here())
    index = as_raw(input)
    rows = weight.shape[0]
    if index.dtype.kind not in "iu":
        raise errors.index_dtype(index.dtype, here())
    if index.size and (index.min() < 0 or index.max() >= rows):
        wrong = index[(index < 0) | (index >= rows)]
        raise errors.row_out_of_range(int(wrong.flat[0]), rows, here())
    if max_norm is not None:
        _shorten(as_raw(weight), numpy.unique(index), max_norm, norm_type)
    looked_up = dense.embedding(weight, index=index)
    if padding_idx is None:
        return looked_up
    padding = (index == padding_idx % rows)[(..., *[None] * (weight.ndim - 1))]
    return ops.where(padding, as_raw(weight)[padding_idx], looked_up)


def _shorten(table: Any, rows: Any, most: float, kind: float) -> None:
    lengths = numpy.linalg.norm(table[rows], ord=kind, axis=1)
    note_mutation((table,), "embedding's max_norm")
    long = rows[lengths > most]
    table[long] *= (most / (lengths[lengths > most] + 1e-7))[:, None].astype(table.dtype)


def one_hot(tensor: Any, num_classes: int = -1) -> Tensor:
    """Whole numbers (…) as rows (…, num_classes) with a 1 at each number."""
    index = as_raw(tensor)
    classes = int(index.max()) + 1 if num_classes == -1 else num_classes
    if index.size and (index.min() < 0 or index.max() >= classes):
        raise errors.row_out_of_range(int(index.max()), classes, here())
    return Tensor((index[..., None] == numpy.arange(classes)).astype(numpy.int64))


def check_probability(p: float) -> None:
    """A probability lies between 0 and 1."""
    if not 0 <= p <= 1:
        raise errors.not_a_probability(p, here())


def _dropped(input: Any, p: float, training: bool, kept_axes: int | None) -> Any:
    check_probability(p)
    if not training or p == 0:
        return input
    shape = input.shape
    if kept_axes is not None:
        shape = shape[:kept_axes] + (1,) * (len(shape) - kept_axes)
    return dropping.drop(input, p, shape)


def dropout(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """input/(1−p) with each element set to 0 with probability p (Srivastava et al., 2014)."""
    return _dropped(input, p, training, None)


def dropout1d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Whole channels dropped, of (batch, channels, length)."""
    return _dropped(input, p, training, max(input.ndim - 1, 1))


def dropout2d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Whole channels dropped, of (batch, channels, height, width)."""
    return _dropped(input, p, training, max(input.ndim - 2, 1))


def dropout3d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Whole channels dropped, of (batch, channels, depth, height, width)."""
    return _dropped(input, p, training, max(input.ndim - 3, 1))


def alpha_dropout(
    input: Any, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Any:
    """Dropout to SELU's negative saturation, rescaled to mean 0 and variance 1."""
    check_probability(p)
    if not training or p == 0:
        return input
    saturation = -1.7580993408473766
    scale = ((1 - p) * (1 + p * saturation**2)) ** -0.5
    # Around the saturation value, dropping to it is dropping to zero.
    kept = dropping.drop(input - saturation, p, input.shape) * (1 - p)
    return (kept + saturation) * scale - scale * p * saturation
