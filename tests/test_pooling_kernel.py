"""Max pooling by the generated kernel against NumPy, over layouts, overlaps, paddings and NaN."""

from __future__ import annotations

import numpy as np
import pytest

from localgrad.kernels import cpu, reference_pooling
from localgrad.ops.network import windows

GEOMETRIES = [  # kernel, stride, padding, dilation, ceil_mode
    (2, 2, 0, 1, False),
    (3, 2, 1, 1, True),
    (3, 1, 1, 2, False),
    (5, 3, 2, 1, False),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_maxima_places_and_adjoint(geometry, channels_last: bool, dtype: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(-3, 4, (2, 7, 11, 13)).astype(dtype)  # with many ties
    x[0, 0, 0, :3], x[1, 2, 4, 5], x[1, 3] = 9, np.nan, -np.inf
    if channels_last:
        x = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    kernel, stride, padding, dilation, ceil_mode = geometry
    looked = tuple(
        windows.sliding(n, kernel, stride, padding, dilation, ceil_mode) for n in x.shape[2:]
    )
    expected, places = reference_pooling.max_pool(x, looked)
    y, index = cpu.max_pool(x, *looked)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(index, places)
    g = rng.standard_normal(y.shape).astype(dtype)
    np.testing.assert_allclose(
        cpu.scatter_places(g, index, x.shape),
        reference_pooling.scatter_places(g, places, x.shape),
        rtol=1e-6,
        atol=1e-6,
    )
