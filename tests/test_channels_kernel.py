"""Batch norm's kernels against NumPy, wherever the channels lie in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import localgrad as lg
from localgrad.kernels import cpu
from localgrad.kernels import reference_normalisation as reference

SHAPES = [
    (4, 32, 7, 7),  # a thread has channels to itself
    (3, 3, 50, 41),  # fewer channels than that: threads share each of them
    (1, 2, 90, 91),
    (5, 33, 3, 3),
    (6, 1, 40, 40),
    (40, 5, 70),
    (200, 50),  # first and last at once
    (2, 3, 4, 5, 90),
    (16, 600, 1, 2),
]
ALL = (True, True, True)


def first(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x)


def last(x: np.ndarray) -> np.ndarray:
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)


def strided(x: np.ndarray) -> np.ndarray:
    return np.repeat(x, 2, axis=-1)[..., ::2]


def frozen(x: np.ndarray) -> np.ndarray:
    x = first(x).copy()
    x.flags.writeable = False
    return x


ORDERS = [first, last, strided, frozen]


def draw(shape: tuple[int, ...], dtype: str) -> tuple[np.ndarray, ...]:
    """x far from zero, an upstream, a weight and a bias."""
    rng = np.random.default_rng(3)
    x, g = (rng.standard_normal(shape) for _ in range(2))
    weight, bias = (rng.standard_normal(shape[1]) for _ in range(2))
    return tuple(a.astype(dtype) for a in (x + 5, g, weight, bias))


def normalise(run: Any, arrays: Sequence[np.ndarray], fixed: bool = False) -> list[np.ndarray]:
    """Moments, outputs and the three downstreams."""
    x, g, weight, bias = arrays
    mean, variance = run.channel_moments(x)
    y, scale = run.channel_norm(x, mean, variance, weight, bias, 1e-5)
    return [mean, variance, y, *run.channel_norm_backward(g, x, mean, scale, weight, fixed, ALL)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_in_any_order(shape: tuple[int, ...], order: Any, dtype: str) -> None:
    arrays = draw(shape, dtype)
    x, g, *vectors = arrays
    for fixed in (False, True):
        wide = [a.astype("f8") for a in arrays]
        expected = normalise(reference, wide, fixed)
        for upstream in (first(g), last(g)):
            results = normalise(cpu, (order(x), upstream, *vectors), fixed)
            for result, value in zip(results, expected, strict=True):
                assert result.dtype == dtype
                scale = abs(value).max()
                np.testing.assert_allclose(
                    result / scale, value / scale, atol=2e-5 if dtype == "float32" else 1e-12
                )


@pytest.mark.parametrize("order", ORDERS)
def test_running_statistics_move(order: Any) -> None:
    """By the kernel, and by NumPy where they are not side by side."""
    from localgrad import kernels

    x, *_ = draw((4, 32, 10, 10), "float32")
    for apart in (1, 2):
        found, expected = (
            tuple(np.full(32 * apart, value, "f4")[::apart] for value in (0.5, 2.0))
            for _ in range(2)
        )
        for _ in range(2):
            kernels.channel_moments(order(x), found, 0.1)
            reference.channel_moments(x, expected, 0.1)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=2e-6)
    frozen_mean = frozen(found[0])
    with pytest.raises(ValueError, match="read-only"):
        kernels.channel_moments(order(x), (frozen_mean, found[1]), 0.1)


@pytest.mark.parametrize("order", [first, last])
def test_results_lie_as_the_input_does(order: Any) -> None:
    x, g, *vectors = draw((4, 8, 10, 10), "float32")
    _, _, y, dx, *_ = normalise(cpu, (order(x), last(g), *vectors))
    assert y.strides == dx.strides == order(x).strides


@pytest.mark.parametrize("order", [first, last])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_one_bad_number_spoils_its_channel_alone(bad: float, order: Any) -> None:
    x, g, *vectors = draw((4, 6, 20, 20), "float32")
    x[2, 3, 4, 5] = bad
    with np.errstate(invalid="ignore"):
        results = normalise(cpu, (order(x), order(g), *vectors))
    mean, variance, y, dx, to_weight, to_bias = results
    for vector in (variance, to_weight, y.sum((0, 2, 3)), dx.sum((0, 2, 3))):
        np.testing.assert_array_equal(np.isnan(vector), np.arange(6) == 3)
    assert np.isfinite(to_bias).all()
    np.testing.assert_array_equal(np.isfinite(mean), np.arange(6) != 3)


@pytest.mark.parametrize("shape", SHAPES[:4], ids=str)
def test_threads_change_nothing_beyond_rounding_and_runs_repeat(shape: tuple[int, ...]) -> None:
    arrays = draw(shape, "float32")
    before = cpu.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 2, 3):
            lg.set_num_threads(threads)
            found.append(normalise(cpu, arrays))
    finally:
        lg.set_num_threads(before)
    one, two, again, three = found
    for a, b, c, d in zip(one, two, again, three, strict=True):
        np.testing.assert_array_equal(b, c)
        for other in (b, d):
            np.testing.assert_allclose(a, other, rtol=2e-5, atol=2e-5 * abs(a).max())


def test_channels_first_input_is_not_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its results are the only new memory of its size."""
    from localgrad.kernels.cpu import arena, layout

    x, g, *vectors = draw((8, 16, 32, 32), "float32")
    made: list[tuple[int, ...]] = []

    def noted(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        made.append(shape)
        return np.empty(shape, dtype)

    def kept(array: np.ndarray) -> np.ndarray:
        assert array.flags.c_contiguous
        return array

    monkeypatch.setattr(arena, "empty", noted)
    monkeypatch.setattr(layout, "contiguous", kept)
    normalise(cpu, (x, g, *vectors))
    assert made == [x.shape, x.shape]


def test_a_channel_without_spread_and_no_epsilon() -> None:
    x = np.ones((4, 8, 20, 20), "f4")
    x[:, 3] = np.arange(20)
    one, zero = np.ones(8, "f4"), np.zeros(8, "f4")
    mean, variance = cpu.channel_moments(x)
    with np.errstate(all="ignore"):
        _, scale = reference.channel_norm(x, mean, variance, one, zero, 0.0)
    assert np.isinf(scale[0]) and np.isfinite(scale[3])
    np.testing.assert_allclose(cpu.channel_norm(x, mean, variance, one, zero, 0.0)[1], scale)
