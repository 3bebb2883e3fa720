"""The array functions that declarations are written in: NumPy's, then SciPy's special functions.

Every name resolves on first use (`xp.exp` is `numpy.exp`, `xp.erf` is `scipy.special.erf`), so
SciPy is loaded only by someone who calls one of its functions. NumPy's and SciPy's functions
dispatch on their arguments (`__array_ufunc__`, `__array_function__`): the same lambda therefore
runs on raw arrays, on Tensors (and is recorded), and on symbols (and prints as a formula).

Names that resolve stay in this module, so Python's `any`, `sum`, `max`… must not be used in it:
once somebody has asked for `xp.any`, they are NumPy's.
"""

from functools import lru_cache
from typing import Any

import numpy


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    found = getattr(numpy, name, None)
    if found is None:
        import scipy.special

        found = precise(getattr(scipy.special, name))
    globals()[name] = found
    return found


NUMBERS = {int, float, bool, complex}


def precise(function: Any) -> Any:
    """A function of SciPy's that answers in the precision it was asked in, half or single too."""

    def call(*arguments: Any) -> Any:
        y = function(*arguments)
        if {a.__class__ for a in arguments} <= NUMBERS:
            return y.item()  # of Python's numbers, one that promotes as little as they do
        if isinstance(y, numpy.ndarray | numpy.generic):
            wanted = numpy.result_type(*arguments)
            if wanted.kind == "f" and y.dtype != wanted:
                y = y.astype(wanted)
        return y

    call.__name__ = function.__name__
    return call


def fit(value: Any, shape: tuple[int, ...], dtype: Any = None) -> Any:
    """The adjoint of broadcasting: sum `value` over the axes along which `shape` was stretched."""
    if value.shape != shape:
        extra = value.ndim - len(shape)
        axes = tuple(range(extra)) + tuple(
            extra + i for i, n in enumerate(shape) if n == 1 and value.shape[extra + i] != 1
        )
        if axes:
            value = numpy.sum(value, axis=axes, keepdims=True)
        if value.shape != shape:
            value = numpy.reshape(value, shape)
    if dtype is not None and value.dtype != dtype:
        if value.dtype.kind == "c" and dtype.kind != "c":
            value = numpy.real(value)  # a real argument moves along the real axis only
        value = value.astype(dtype)
    return value


FLOAT32, FLOAT64 = numpy.dtype(numpy.float32), numpy.dtype(numpy.float64)


@lru_cache(maxsize=1024, typed=True)
def beside(number: Any, dtype: Any) -> Any:
    """A Python number as NumPy reads it beside an array of this dtype: in the array's precision.

    Reading it costs a small array as much as the product does, so what was read is remembered.
    Not for a zero: 0.0 == -0.0, and one would be remembered as the other.
    """
    return numpy.asarray(number, dtype) if dtype in (FLOAT32, FLOAT64) else number


def conjugated(local: Any) -> Any:
    """The conjugate of a complex value; a real one as it is."""
    if local.__class__ is complex:
        return local.conjugate()
    return local.conj() if hasattr(local, "dtype") and local.dtype.kind == "c" else local


def stretch(value: Any, shape: tuple[int, ...]) -> Any:
    """`value` broadcast to `shape`; itself where it already has that shape."""
    if value.shape == shape:
        return value
    if value.__class__ is numpy.ndarray:
        size = 1
        for n in shape:
            size *= n
        if size <= SMALL:
            filled = numpy.empty(shape, value.dtype)
            filled[...] = value
            return filled
    return numpy.broadcast_to(value, shape)


SMALL = 4096
"""Up to so many elements, writing them costs less than `numpy.broadcast_to` does for its view."""


def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)), through tanh, which neither overflows nor loses its small end."""
    if x.__class__ is not numpy.ndarray and hasattr(x, "sigmoid"):
        return x.sigmoid()  # a Tensor, or a symbol
    half = beside(0.5, x.dtype)
    y = numpy.asarray(x * half)  # which the three steps that follow work in
    numpy.tanh(y, y)
    numpy.multiply(y, half, y)
    return numpy.add(y, half, y)


def softplus(x: Any) -> Any:
    """log(1 + exp(x)) without overflow."""
    return numpy.logaddexp(x, 0)
