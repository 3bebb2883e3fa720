"""Reductions: many elements become one. A partial sees `y` with the reduced axes kept."""

from __future__ import annotations

import builtins
from typing import Any

from localgrad.kernels import reference as xp
from localgrad.local.flat import flat
from localgrad.local.reduction import reduction, select_reduction
from localgrad.ops import draw
from localgrad.ops.cumulative import product_of_others

CHOICE = "a position does not change with a small change of the values"
COUNT = "a count does not change with a small change of the values"
along = draw.reals(axis=1)


# The reductions' forwards call the ufuncs' own `reduce`: `numpy.sum` does, after a detour that
# costs a small array more than the sum.


def total(x: Any, axis: Any, keepdims: bool, dtype: Any = None) -> Any:
    return xp.add.reduce(x, axis, dtype, None, keepdims)


def average(x: Any, axis: Any, keepdims: bool, dtype: Any = None) -> Any:
    if dtype is not None or x.dtype.char not in "fd":
        return xp.mean(x, axis=axis, keepdims=keepdims, dtype=dtype)
    y = xp.add.reduce(x, axis, None, None, keepdims)
    return y / (x.size / y.size) if x.size else y * xp.nan


def largest(x: Any, axis: Any) -> Any:
    """The maximum with its axes kept; 0 where that is infinite, so that x - it is no NaN."""
    if x.size == 0:
        return 0
    found = xp.maximum.reduce(x, axis, None, None, True)
    return xp.where(xp.isfinite(found), found, 0)


def log_of_sum(x: Any, axis: Any, keepdims: bool) -> Any:
    shift = largest(x, axis)
    with xp.errstate(divide="ignore"):  # log 0 is the right answer where all are -∞
        y = xp.log(total(xp.exp(x - shift), axis, True)) + shift
    return y if keepdims else xp.squeeze(y, axis)


def variance(x: Any, axis: Any, keepdims: bool, correction: float = 0) -> Any:
    """NumPy's, without its warning that there may be too few elements: NaN says so."""
    n = 1
    for a in axis:
        n *= x.shape[a]
    centred = x - average(x, axis, True)
    squares = xp.square(centred if centred.dtype.kind != "c" else abs(centred))
    return total(squares, axis, keepdims) / builtins.max(n - correction, 0)


def shared(g: Any, x: Any, y: Any, axis: Any) -> Any:
    """g to the elements that equal y, in even parts."""
    return xp.where(x == y, g / xp.sum(x == y, axis=axis, keepdims=True, dtype=g.dtype), 0)


sum = reduction(
    "sum",
    total,
    x=lambda: 1,
    doc="Σ x over the axes.",
    example=along,
)
mean = reduction(
    "mean",
    average,
    x=lambda n: 1 / n,
    doc="Σ x / n over the axes.",
    example=along,
)
prod = reduction(
    "prod",
    lambda x, axis, keepdims, dtype=None: xp.prod(x, axis=axis, keepdims=keepdims, dtype=dtype),
    x=lambda x, axis: product_of_others(x, axis),
    doc="Π x over the axes.",
    example=along,
    kink="none: at zeros too the product of the other elements",
)
var = reduction(
    "var",
    variance,
    x=lambda x, axis, n, correction: (x - xp.mean(x, axis=axis, keepdims=True))
    * 2
    / (n - correction),
    doc="Σ (x - mean)² / (n - correction) over the axes.",
    example=draw.reals(axis=1, correction=1),
)
std = reduction(
    "std",
    lambda x, axis, keepdims, correction=0: xp.sqrt(variance(x, axis, keepdims, correction)),
    x=lambda x, y, axis, n, correction: (x - xp.mean(x, axis=axis, keepdims=True))
    / ((n - correction) * xp.where(y == 0, 1, y)),
    doc="√(Σ (x - mean)² / (n - correction)) over the axes.",
    example=draw.reals(axis=1, correction=1),
    kink="0 where all elements are equal",
)
max = select_reduction(
    "max",
    lambda x, axis, keepdims: xp.maximum.reduce(x, axis, None, None, keepdims),
    x=shared,
    doc="The largest element over the axes.",
    example=along,
    kink="shared evenly by the largest",
)
min = select_reduction(
    "min",
    lambda x, axis, keepdims: xp.minimum.reduce(x, axis, None, None, keepdims),
    x=shared,
    doc="The smallest element over the axes.",
    example=along,
    kink="shared evenly by the smallest",
)
logsumexp = reduction(
    "logsumexp",
    log_of_sum,
    x=lambda x, y: xp.exp(x - y),
    doc="log Σ eˣ over the axes, without overflow.",
    example=along,
)

any = flat(
    "any",
    lambda x, axis=None, keepdims=False: xp.any(x, axis=axis, keepdims=keepdims),
    COUNT,
    doc="Whether any element is true.",
    example=draw.truths(axis=1),
)
all = flat(
    "all",
    lambda x, axis=None, keepdims=False: xp.all(x, axis=axis, keepdims=keepdims),
    COUNT,
    doc="Whether every element is true.",
    example=draw.truths(axis=1),
)
count_nonzero = flat(
    "count_nonzero",
    lambda x, axis=None, keepdims=False: xp.asarray(
        xp.count_nonzero(x, axis=axis, keepdims=keepdims)
    ),
    COUNT,
    doc="How many elements are not zero.",
    example=along,
)
argmax = flat(
    "argmax",
    lambda x, axis=None, keepdims=False: xp.argmax(x, axis=axis, keepdims=keepdims),
    CHOICE,
    doc="The position of the (first) largest element.",
    example=along,
)
argmin = flat(
    "argmin",
    lambda x, axis=None, keepdims=False: xp.argmin(x, axis=axis, keepdims=keepdims),
    CHOICE,
    doc="The position of the (first) smallest element.",
    example=along,
)
