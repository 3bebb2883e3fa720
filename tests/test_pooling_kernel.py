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


RESAMPLINGS = {
    "average 2": lambda n: windows.averaging(n, 2, 2, 0, False, True, True),
    "average 3, padded, ceiled": lambda n: windows.averaging(n, 3, 2, 1, True, False, True),
    "all": lambda n: windows.adaptive_averaging(n, 1),
    "adaptive 4": lambda n: windows.adaptive_averaging(n, 4),
    "bilinear": lambda n: windows.interpolating(n, 2 * n + 1, "bilinear", False, None),
    "stride beyond the kernel": lambda n: windows.averaging(n, 1, 3, 0, False, True, True),
    "dense": lambda n: np.random.default_rng(n).standard_normal((5, n)),
}


def plain_resample(x: np.ndarray, matrices: tuple[np.ndarray, ...]) -> np.ndarray:
    """One product per axis, without a word on what is zero."""
    for axis, matrix in enumerate(matrices, 2):
        x = np.moveaxis(np.tensordot(matrix, x, (1, axis)), 0, axis)
    return x


@pytest.mark.parametrize("road", [cpu.resample, reference_pooling.resample])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("name", RESAMPLINGS)
def test_resampling_and_its_adjoint(name: str, channels_last: bool, dtype: str, road) -> None:
    rng = np.random.default_rng(1)
    matrices = tuple(RESAMPLINGS[name](n) for n in (11, 13))
    for transposed in (False, True):
        places = [m.shape[0 if transposed else 1] for m in matrices]
        x = rng.standard_normal((3, 5, *places)).astype(dtype)
        if channels_last:
            x = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
        y = road(x, matrices, transposed)
        assert y.dtype == x.dtype
        one_place = 1 in places + list(y.shape[2:])  # which lies in both orders
        assert y.transpose(0, 2, 3, 1).flags.c_contiguous == (channels_last or one_place)
        expected = plain_resample(
            x.astype(np.float64), tuple(m.T if transposed else m for m in matrices)
        )
        np.testing.assert_allclose(y, expected, atol=1e-5 if dtype == "float32" else 1e-12)


@pytest.mark.parametrize("road", [cpu.max_pool, lambda x, *w: reference_pooling.max_pool(x, w)])
def test_of_several_nan_the_last_is_the_maximum(road) -> None:
    x = np.zeros((1, 1, 2, 2), np.float32)
    x[0, 0, 0, 1] = x[0, 0, 1, 0] = np.nan
    y, index = road(x, *(windows.sliding(2, 2, 2, 0, 1, False),) * 2)
    assert np.isnan(y).all() and index.tolist() == [[[[2]]]]  # as in PyTorch


@pytest.mark.parametrize("road", [cpu.resample, reference_pooling.resample])
def test_what_a_window_does_not_look_at_stays_outside(road) -> None:
    x = np.ones((1, 2, 6, 6), np.float32)
    x[0, 1, 2, 3] = np.nan
    x[0, 0, 0, 0] = np.inf
    y = road(x, (windows.averaging(6, 2, 2, 0, False, True, True),) * 2, False)
    expected = np.ones((1, 2, 3, 3), np.float32)
    expected[0, 1, 1, 1], expected[0, 0, 0, 0] = np.nan, np.inf
    np.testing.assert_array_equal(y, expected)
    assert road(np.zeros((2, 0, 6, 6), np.float32), (np.ones((1, 6)),) * 2, False).shape == (
        2, 0, 1, 1,
    )
