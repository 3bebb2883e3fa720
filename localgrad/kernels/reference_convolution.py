"""The convolution triple in NumPy, in any number of dimensions: the oracle of the kernels.

Every tap of the kernel is one matrix product between channels, on a strided view of the padded
image. The forward map and its two adjoints differ in which of the three arrays is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy

Sizes = tuple[int, ...]


def output_size(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """How many places a kernel fits on a line."""
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def output_shape(
    x: Sizes, weight: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes
) -> Sizes:
    """(batch, out channels, …) of the convolution of arrays of these shapes."""
    places = map(output_size, x[2:], weight[2:], stride, padding, dilation)
    return (x[0], weight[0], *places)


def padded(x: Any, padding: Sizes) -> Any:
    """x with zeros around its places."""
    if not any(padding):
        return x
    return numpy.pad(x, [(0, 0), (0, 0), *((p, p) for p in padding)])


def taps(
    kernel: Sizes, places: Sizes, stride: Sizes, dilation: Sizes
) -> Iterator[tuple[Any, Any]]:
    """Each tap of a kernel, as an index into it, with the places of the image it touches."""
    for tap in numpy.ndindex(*kernel):
        slices = [
            slice(t * d, t * d + s * (n - 1) + 1, s)
            for t, d, s, n in zip(tap, dilation, stride, places)
        ]
        yield (..., *tap), (..., *slices)


def grouped(x: Any, groups: int) -> Any:
    """(batch, channels, …) as (batch, groups, channels of a group, places)."""
    return x.reshape(x.shape[0], groups, x.shape[1] // groups, int(numpy.prod(x.shape[2:])))


def convolution(
    x: Any, weight: Any, bias: Any, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int
) -> Any:
    """y[n, o] = bias[o] + Σ weight[o, c, t] · x[n, c, p·stride + t·dilation], over c and taps t.

    x (batch, channels, …), weight (out channels, channels / groups, …).
    """
    shape = output_shape(x.shape, weight.shape, stride, padding, dilation)
    image = padded(x, padding)
    filters = weight.reshape(groups, weight.shape[0] // groups, *weight.shape[1:])
    y = numpy.zeros((shape[0], groups, shape[1] // groups, int(numpy.prod(shape[2:]))), x.dtype)
    for tap, places in taps(weight.shape[2:], shape[2:], stride, dilation):
        y += filters[tap] @ grouped(image[places], groups)
    y = y.reshape(shape)
    if bias is not None:
        y += bias.reshape(-1, *[1] * (len(shape) - 2))
    return y


def convolution_input_adjoint(
    g: Any, weight: Any, shape: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int
) -> Any:
    """What g, shaped like a convolution's output, sends back to an input of this shape."""
    result = numpy.zeros(
        (*shape[:2], *(n + 2 * p for n, p in zip(shape[2:], padding))), g.dtype
    )
    filters = weight.reshape(groups, weight.shape[0] // groups, *weight.shape[1:])
    upstream = grouped(g, groups)
    for tap, places in taps(weight.shape[2:], g.shape[2:], stride, dilation):
        part = filters[tap].swapaxes(-1, -2) @ upstream
        result[places] += part.reshape(g.shape[0], shape[1], *g.shape[2:])
    inside = [slice(p, p + n) for n, p in zip(shape[2:], padding)]
    key: Any = (..., *inside)
    return numpy.ascontiguousarray(result[key])


def convolution_weight_adjoint(
    g: Any, x: Any, shape: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int
) -> Any:
    """What g, shaped like a convolution's output, sends back to a weight of this shape."""
    image = padded(x, padding)
    result = numpy.zeros((groups, shape[0] // groups, *shape[1:]), g.dtype)
    upstream = grouped(g, groups)
    for tap, places in taps(shape[2:], g.shape[2:], stride, dilation):
        part = upstream @ grouped(image[places], groups).swapaxes(-1, -2)
        result[tap] = numpy.add.reduce(part, axis=0)
    return result.reshape(shape)


def bias_adjoint(g: Any) -> Any:
    """What g, shaped like a convolution's output, sends back to the bias."""
    return numpy.add.reduce(g, axis=(0, *range(2, g.ndim)))
