"""Which road an array takes: the generated kernels where they pay, NumPy everywhere else.

Numba is loaded by the first array that is large enough, so small work starts at once, and all
of it runs where Numba is absent. `LOCALGRAD_KERNELS=reference` keeps to NumPy throughout.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy

from localgrad.kernels import cpu, reference
from localgrad.kernels import reference_convolution as by_taps
from localgrad.kernels import reference_dense as dense
from localgrad.kernels import reference_normalisation as norms
from localgrad.kernels import reference_pooling as pools

SMALL_PRODUCT = 1 << 17  # multiply-adds below which NumPy is quicker than a kernel's launch
SMALL_MATMUL = 1 << 19  # likewise, where NumPy makes the product in one call
SMALL_MATRICES = 1 << 16  # likewise, of each product in a stack
SMALL_LOSS = 1 << 8  # elements, where NumPy needs a dozen calls for one kernel
SMALL_ROWS = 1 << 13  # elements, likewise, of what passes over memory once

FLOATS = (numpy.dtype(numpy.float32), numpy.dtype(numpy.float64))


@cache
def kernels_allowed() -> bool:
    """Whether this process may use generated kernels."""
    return os.environ.get("LOCALGRAD_KERNELS", "") != "reference" and cpu.available()


_at_reference: set[int] = set()  # the threads that keep to NumPy at this moment


@contextmanager
def on_the_reference() -> Iterator[None]:
    """In the block, this thread computes with NumPy, whatever the arrays."""
    thread = threading.get_ident()
    within = thread in _at_reference
    _at_reference.add(thread)
    try:
        yield
    finally:
        if not within:
            _at_reference.discard(thread)


def takes(kind: Any) -> bool:
    """Whether kernels for arrays of this type may run now, in this thread."""
    if kind not in FLOATS or not kernels_allowed():
        return False
    return not _at_reference or threading.get_ident() not in _at_reference


def suits(*arrays: Any) -> bool:
    """Whether the kernels take these arrays; one that is None does not count."""
    kind = arrays[0].dtype
    for array in arrays:
        if array is not None and array.dtype is not kind and array.dtype != kind:
            return False
    return takes(kind)


# -- linear layers --------------------------------------------------------------------------------


def linear(x: Any, weight: Any, bias: Any, clamp: bool = False) -> Any:
    """x · weightᵀ + bias over the last axis, or the larger of that and 0."""
    if x.size * weight.shape[0] >= SMALL_PRODUCT and suits(x, weight, bias):
        return cpu.linear(x, weight, bias, clamp)
    y = dense.linear(x, weight, bias)
    return numpy.maximum(y, 0) if clamp else y


def linear_backward(g: Any, x: Any, weight: Any, needs: tuple[bool, bool, bool]) -> list[Any]:
    """Downstreams of x, weight and bias, where needed."""
    if x.size * weight.shape[0] >= SMALL_PRODUCT and suits(g, x, weight):
        return cpu.linear_backward(g, x, weight, needs)
    return dense.linear_backward(g, x, weight, needs)


def matmul(a: Any, b: Any) -> Any:
    """a · b over the last two axes, of matrices or stacks of them; leading axes are broadcast."""
    if a.__class__ is numpy.ndarray and b.__class__ is numpy.ndarray and min(a.ndim, b.ndim) > 1:
        rows, columns = a.shape[-2], b.shape[-1]
        one, all_of_them = rows * a.shape[-1] * columns, max(a.size * columns, b.size * rows)
        fits = a.shape[-1] == b.shape[-2] and one >= SMALL_MATRICES and all_of_them >= SMALL_MATMUL
        if fits and suits(a, b):
            return cpu.matmul(a, b)
    return numpy.matmul(a, b)


# -- convolutions ---------------------------------------------------------------------------------


def _as_images(kernel: Any, first: Any, second: Any) -> bool:
    """Whether the kernels for images take this convolution."""
    return len(kernel) == 2 and first.size >= SMALL_ROWS // 8 and suits(first, second)


def convolution(
    x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int,
    clamp: bool = False,
) -> Any:
    """y[n, o] = bias[o] + Σ weight[o, c, t] · x[n, c, p·stride + t·dilation], or relu of that."""
    if _as_images(weight.shape[2:], x, weight) and (bias is None or bias.dtype == x.dtype):
        return cpu.conv2d(x, weight, bias, stride, padding, dilation, groups, clamp)
    y = by_taps.convolution(x, weight, bias, stride, padding, dilation, groups)
    return numpy.maximum(y, 0) if clamp else y


def convolution_input_adjoint(
    g: Any, weight: Any, shape: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Any:
    """What g, shaped like a convolution's output, sends back to an input of this shape."""
    if _as_images(weight.shape[2:], g, weight):
        return cpu.conv2d_input(g, weight, shape, stride, padding, dilation, groups)
    return by_taps.convolution_input_adjoint(g, weight, shape, stride, padding, dilation, groups)


def convolution_weight_adjoint(
    g: Any, x: Any, shape: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Any:
    """What g, shaped like a convolution's output, sends back to a weight of this shape."""
    if _as_images(shape[2:], g, x):
        return cpu.conv2d_weight(x, g, shape, stride, padding, dilation, groups, bias=False)[0]
    return by_taps.convolution_weight_adjoint(g, x, shape, stride, padding, dilation, groups)


def convolution_backward(
    g: Any, x: Any, weight: Any, needs: tuple[bool, bool, bool], **geometry: Any
) -> list[Any]:
    """Downstreams of x, weight and bias: the last two in one pass over g."""
    to_x = to_weight = to_bias = None
    if needs[0]:
        to_x = convolution_input_adjoint(g, weight, x.shape, **geometry)
    if (needs[1] or needs[2]) and _as_images(weight.shape[2:], g, x):
        to_weight, to_bias = cpu.conv2d_weight(x, g, weight.shape, **geometry)
    else:
        if needs[1]:
            to_weight = by_taps.convolution_weight_adjoint(g, x, weight.shape, **geometry)
        if needs[2]:
            to_bias = by_taps.bias_adjoint(g)
    return [to_x, to_weight, to_bias]


# -- activations and sums, element by element ------------------------------------------------------


def pays(x: Any) -> bool:
    """Whether x is an array (no Tensor, no symbol) large enough for a kernel, and takes one."""
    return x.__class__ is numpy.ndarray and x.size >= SMALL_ROWS and takes(x.dtype)


def relu(x: Any) -> Any:
    """max(x, 0)."""
    return cpu.relu(x) if pays(x) else numpy.maximum(x, 0)


def relu_route(g: Any, y: Any) -> Any:
    """g where y > 0, else 0."""
    if pays(g) and y.shape == g.shape and y.dtype == g.dtype:
        return cpu.relu_backward(g, y)
    return numpy.where(y <= 0, 0, g)


def sigmoid(x: Any) -> Any:
    """1 / (1 + e⁻ˣ)."""
    return cpu.sigmoid_forward(x) if pays(x) else reference.sigmoid(x)


def gelu_forward(x: Any) -> Any:
    """x · Φ(x), of an array that `pays`."""
    return cpu.gelu(x)


def gelu_backward(g: Any, x: Any) -> Any:
    """g · (Φ(x) + x φ(x)), of arrays that `pay`."""
    return cpu.gelu_backward(g, x)


def add(a: Any, b: Any) -> Any:
    """a + b; of two large arrays of one shape on all threads."""
    if pays(a) and b.__class__ is numpy.ndarray and a.shape == b.shape and a.dtype == b.dtype:
        return cpu.add(a, b)
    return a + b


def zeros(shape: tuple[int, ...], dtype: Any) -> Any:
    """An array of zeros; a large one in memory that was used before."""
    if math.prod(shape) >= SMALL_ROWS and dtype in FLOATS and kernels_allowed():
        result = cpu.empty(shape, dtype)
        result.fill(0)
        return result
    return numpy.zeros(shape, dtype)


def reshape(x: Any, shape: tuple[int, ...]) -> Any:
    """x's elements in another shape: in the same memory where that can be."""
    is_image = x.__class__ is numpy.ndarray and x.ndim == 4
    if is_image and len(shape) == 2 and x.strides[1] == x.itemsize and pays(x):
        x = cpu.contiguous(x)  # its channels lie last: a copy either way
    return x.reshape(shape)


def put_range(g: Any, like: Any, axis: int, start: int) -> Any:
    """Zeros of `like`'s shape with g, which `pays`, from `start` on along `axis`; None where no
    kernel does it."""
    return cpu.put_range(g, like.shape, axis, start) if axis else None


def add_range(result: Any, g: Any, axis: int, start: int) -> bool:
    """Add g, which `pays`, into `result` from `start` on along `axis`, if a kernel does it."""
    fits = axis > 0 and result.flags.c_contiguous and result.dtype == g.dtype
    if fits:
        cpu.add_range(result, g, axis, start)
    return bool(fits)


# -- pooling -------------------------------------------------------------------------------------


def max_pool(x: Any, windows: tuple[Any, ...]) -> tuple[Any, Any]:
    """The largest element of every window, and where it stands among x's places, in order."""
    fits = x.size >= SMALL_ROWS and x.ndim == 4 and all((w >= 0).any(1).all() for w in windows)
    if fits and suits(x):
        return cpu.max_pool(x, *windows)
    return pools.max_pool(x, windows)


def scatter_places(g: Any, index: Any, shape: tuple[int, ...]) -> Any:
    """Zeros of `shape` with g added at `index`: the adjoint of `gather_places`."""
    if len(shape) == 4 and g.ndim == 4 and g.size >= SMALL_ROWS and suits(g):
        return cpu.scatter_places(g, index, shape)
    return pools.scatter_places(g, index, shape)


def resample(x: Any, matrices: tuple[Any, ...], transposed: bool) -> Any:
    """Σ M₁[i, a] M₂[j, b] … x[…, a, b, …]: a matrix for each axis after the second."""
    if x.size * math.prod(m.size for m in matrices) >= SMALL_ROWS and suits(x):
        return cpu.resample(x, matrices, transposed)
    return pools.resample(x, matrices, transposed)


# -- rows: normalisation and losses ---------------------------------------------------------------


def row_norm(x: Any, weight: Any, bias: Any, eps: float) -> tuple[Any, Any, Any]:
    """(x − mean)/√(var + eps) · weight + bias along each row; also means and 1/√(var + eps)."""
    if x.size >= SMALL_ROWS and suits(x, weight, bias):
        return cpu.layer_norm(x, weight, bias, eps)
    return norms.row_norm(x, weight, bias, eps)


def row_norm_backward(
    g: Any, x: Any, weight: Any, mean: Any, scale: Any, needs: tuple[bool, bool, bool],
    arrived: Any = None,
) -> list[Any]:  # fmt: skip
    """Downstreams of x, added to what has `arrived` there if anything has, of weight and bias."""
    if mean.ndim == 1:  # it went forward through the kernel
        return cpu.layer_norm_backward(g, x, weight, mean, scale, arrived)
    return norms.row_norm_backward(g, x, weight, mean, scale, needs, arrived)


def as_rows(x: Any, axis: Any) -> bool:
    """Whether the kernels for rows take x along this axis: the last one of an array that pays."""
    return pays(x) and (axis == -1 or axis == x.ndim - 1)


def softmax(x: Any, log: bool = False) -> Any:
    """eˣ / Σ eˣ along the last axis, or its logarithm, of an array that goes `as_rows`."""
    return cpu.softmax(x, log)


def softmax_backward(g: Any, y: Any, log: bool = False) -> Any:
    """y (g − Σ g y), or g − eʸ Σ g where y is the logarithm, along the last axis."""
    return cpu.softmax_backward(g, y, log)


def cross_entropy(
    x: Any, target: Any, weight: Any, ignore_index: int, smoothing: float
) -> tuple[Any, Any, Any, Any]:
    """Losses per row, their sum, softmax(x), each row's weight (None where all count alike).

    IndexError where a target names no class.
    """
    if weight is None and not smoothing and x.size >= SMALL_LOSS and suits(x):
        losses, total, probabilities, counted = cpu.cross_entropy(x, target, ignore_index)
        all_count = counted == losses.size
        counts = None if all_count else (target != ignore_index).astype(x.dtype)
        return losses, total, probabilities, counts
    return dense.cross_entropy(x, target, weight, ignore_index, smoothing)


def cross_entropy_backward(
    g: Any,
    divisor: float,
    probabilities: Any,
    target: Any,
    weight: Any,
    ignore_index: int,
    smoothing: float,
) -> Any:
    """∂/∂x of Σ g · row loss / divisor, for `g` one number or one per row."""
    plain = weight is None and not smoothing
    if plain and probabilities.size >= SMALL_LOSS and suits(probabilities):
        return cpu.cross_entropy_backward(g, divisor, probabilities, target, ignore_index)
    return dense.cross_entropy_backward(
        g, divisor, probabilities, target, weight, ignore_index, smoothing
    )
