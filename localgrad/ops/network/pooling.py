"""Pooling and resampling: what is chosen from a window, and what is mixed along each axis.

Max pooling routes: it takes elements at places found beforehand. Average pooling, adaptive
pooling and interpolation are one linear map: a matrix along each spatial axis.
"""

from __future__ import annotations

from typing import Any

from localgrad import kernels
from localgrad.local.composite import composite
from localgrad.local.linear import Linear, linear
from localgrad.ops.network import rules
from localgrad.ops.network.windows import sliding

gather_places = linear(
    "gather_places",
    lambda x, index: kernels.gather_places(x, index),
    lambda g, like, index: scatter_places.run(g, index=index, shape=like.shape),
    doc="x at `index`, which numbers the places of each (batch, channel).",
    example=lambda rng: (
        (rng.standard_normal((2, 3, 4, 2)),), {"index": rng.integers(0, 8, (2, 3, 5))}
    ),
)
scatter_places: Linear = linear(
    "scatter_places",
    lambda x, index, shape: kernels.scatter_places(x, index, shape),
    lambda g, index: gather_places.run(g, index=index),
    doc="x added into zeros of `shape` at `index`: the adjoint of `gather_places`.",
    example=lambda rng: (
        (rng.standard_normal((2, 3, 5)),),
        {"index": rng.integers(0, 8, (2, 3, 5)), "shape": (2, 3, 4, 2)},
    ),
)
resample: Linear = linear(
    "resample",
    lambda x, matrices, transposed=False: kernels.resample(x, matrices, transposed),
    lambda g, matrices, transposed: resample.run(g, matrices=matrices, transposed=not transposed),
    doc="Σ M₁[i, a] M₂[j, b] x[…, a, b]: a matrix along each axis after the second.",
    example=lambda rng: (
        (rng.standard_normal((2, 3, 4, 5)),),
        {"matrices": (rng.standard_normal((2, 4)), rng.standard_normal((7, 5)))},
    ),
)


def _max_derived(x: Any, windows: Any = ()) -> Any:
    return gather_places(x, index=kernels.max_pool(x.value, windows)[1])


def _max_forward(x: Any, windows: Any = ()) -> Any:
    return kernels.max_pool(x, windows)


def _max_backward(g: Any, saved: Any, needs: Any, x: Any, windows: Any = ()) -> list[Any]:
    return [kernels.scatter_places(g, saved, x.shape)]


max_pool = composite(
    "max_pool",
    _max_derived,
    _max_forward,
    _max_backward,
    arguments=("x",),
    rule=rules.MAX_POOL,
    doc="The largest element of every window; the first of equals gets the gradient.",
    example=lambda rng: (
        (rng.standard_normal((2, 3, 5, 6)),),
        {"windows": (sliding(5, 3, 2, 1, 1, False), sliding(6, 2, 2, 0, 1, False))},
    ),
    kink="the first of equal elements",
)
