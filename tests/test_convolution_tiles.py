"""Convolutions by matrix tiles against the plain sums, by vectors and in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba", reason="the generated kernels need Numba")

from localgrad.kernels import reference_convolution as reference
from localgrad.kernels.cpu import convolution, get_num_threads, set_num_threads
from localgrad.kernels.cpu.convolution_roads import (
    FORWARD,
    PLAIN,
    TILES,
    TO_INPUT,
    TO_WEIGHT,
    WINOGRAD,
    road,
)
from localgrad.kernels.cpu.host import host
from localgrad.kernels.cpu.window import geometry

pytestmark = pytest.mark.skipif(
    not host().tiles, reason="this processor has no matrix tiles (AMX with bfloat16)"
)

# Image, weight, stride, padding, dilation, groups: lines of whole tiles and of parts, channels of
# whole tiles and of parts, several images an item and several items an image, every window option.
CASES = [
    ((2, 16, 10, 32), (16, 16, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    ((3, 20, 9, 14), (40, 20, 5, 5), (1, 1), (2, 2), (1, 1), 1),
    ((5, 33, 11, 13), (18, 33, 3, 3), (2, 3), (1, 0), (1, 2), 1),
    ((2, 64, 16, 16), (48, 32, 3, 3), (2, 2), (1, 1), (1, 1), 2),
    ((4, 50, 7, 9), (30, 50, 1, 1), (1, 1), (0, 0), (1, 1), 1),
    ((4, 50, 7, 9), (30, 50, 1, 1), (2, 2), (0, 1), (1, 1), 1),
    ((2, 20, 9, 9), (20, 20, 2, 3), (3, 3), (0, 0), (1, 1), 1),
    ((1, 16, 20, 20), (90, 16, 7, 7), (1, 1), (0, 0), (2, 1), 1),
    ((1, 16, 130, 70), (24, 16, 3, 3), (1, 1), (4, 3), (1, 1), 1),
    ((7, 100, 8, 8), (70, 100, 7, 7), (1, 1), (3, 3), (1, 1), 1),
    ((2, 3, 12, 12), (5, 3, 5, 5), (1, 1), (0, 0), (1, 1), 1),
    # rows of the window that meet padding alone, and lines that tiles go across
    ((3, 16, 9, 12), (16, 16, 5, 3), (1, 1), (6, 1), (3, 1), 1),
    ((3, 16, 6, 8), (32, 16, 4, 3), (3, 1), (3, 1), (2, 1), 1),
    ((4, 32, 9, 16), (32, 32, 3, 1), (1, 1), (1, 0), (1, 1), 1),
]


def images(rng: np.random.Generator, shape: tuple[int, ...], last: bool) -> np.ndarray:
    x = rng.standard_normal(shape).astype(np.float32)
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2) if last else x


def operands(case: tuple[Any, ...], last: bool = True) -> tuple[list[np.ndarray], tuple[Any, ...]]:
    """x, weight, bias and dy, and the options of the window."""
    image, kernel, *how = case
    rng = np.random.default_rng(5)
    g = geometry(image, kernel, *how)
    weight = rng.standard_normal(kernel).astype(np.float32)
    bias = rng.standard_normal(kernel[0]).astype(np.float32)
    dy = images(rng, (g.batch, g.out_channels, g.out_h, g.out_w), last)
    return [images(rng, image, last), weight, bias, dy], tuple(how)


def triple(x: Any, weight: Any, bias: Any, dy: Any, how: tuple[Any, ...]) -> list[np.ndarray]:
    """Forward, and the downstreams of input, weight and bias."""
    return [
        convolution.conv2d(x, weight, bias, *how),
        convolution.conv2d_input(dy, weight, x.shape, *how),
        *convolution.conv2d_weight(x, dy, weight.shape, *how),
    ]


def exact_triple(data: list[np.ndarray], how: tuple[Any, ...]) -> list[np.ndarray]:
    x, weight, bias, dy = (array.astype(np.float64) for array in data)
    return [
        reference.convolution(x, weight, bias, *how),
        reference.convolution_input_adjoint(dy, weight, x.shape, *how),
        reference.convolution_weight_adjoint(dy, x, weight.shape, *how),
        dy.sum((0, 2, 3)),
    ]


def take(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    monkeypatch.setattr(convolution, "road", lambda *_: way)


def error(result: np.ndarray, exact: np.ndarray) -> float:
    return float(np.abs(result - exact).max() / np.sqrt((exact**2).mean()))


@pytest.mark.parametrize("last", [False, True], ids=["channels first", "channels last"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_triple_is_as_exact_as_by_vectors(
    case: Any, last: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, how = operands(case, last)
    exact = exact_triple(data, how)
    take(monkeypatch, PLAIN)
    plain = triple(*data, how)
    take(monkeypatch, TILES)
    for got, vectors, right in zip(triple(*data, how), plain, exact, strict=True):
        assert got.dtype == np.float32 and got.shape == right.shape
        assert error(got, right) <= 1.2 * error(vectors, right) + 3e-7


def test_relu_and_no_bias(monkeypatch: pytest.MonkeyPatch) -> None:
    (x, weight, bias, _), how = operands(CASES[1])
    take(monkeypatch, TILES)
    exact = reference.convolution(*(a.astype(np.float64) for a in (x, weight, bias)), *how)
    assert error(convolution.conv2d(x, weight, bias, *how, relu=True), np.maximum(exact, 0)) < 3e-6
    exact -= bias[:, None, None]
    assert error(convolution.conv2d(x, weight, None, *how), exact) < 3e-6


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 3.4e38, 1e-35])
@pytest.mark.parametrize("spoiled", ["x", "weight", "bias", "dy"])
def test_what_has_no_parts_is_left_to_vectors(
    spoiled: str, bad: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, how = operands(CASES[1])
    array = data[["x", "weight", "bias", "dy"].index(spoiled)]
    if abs(bad) < 1:
        array *= np.float32(bad)
    else:
        array[(1,) * array.ndim] = bad
    take(monkeypatch, PLAIN)
    with np.errstate(over="ignore", invalid="ignore"):
        plain = triple(*data, how)
        take(monkeypatch, TILES)
        for got, vectors in zip(triple(*data, how), plain, strict=True):
            finite = np.isfinite(vectors)
            np.testing.assert_array_equal(got[~finite], vectors[~finite])
            scale = np.sqrt((vectors[finite].astype(np.float64) ** 2).mean())
            np.testing.assert_allclose(got[finite], vectors[finite], rtol=0, atol=1e-5 * scale)


@pytest.mark.parametrize("case", [CASES[2], CASES[9]], ids=str)
def test_threads_change_nothing_beyond_rounding_and_runs_repeat_bit_for_bit(
    case: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, how = operands(case)
    exact = exact_triple(data, how)
    take(monkeypatch, TILES)
    before = get_num_threads()
    try:
        for threads in (1, 2, 3):
            set_num_threads(threads)
            first, second = triple(*data, how), triple(*data, how)
            for one, other, right in zip(first, second, exact, strict=True):
                np.testing.assert_array_equal(one, other)
                assert error(one, right) < 1e-5
    finally:
        set_num_threads(before)


def test_which_road() -> None:
    """What measurements say plainly; where roads cost about the same, either is right."""
    large = geometry((16, 64, 16, 16), (64, 64, 7, 7), (1, 1), (3, 3), (1, 1), 1)
    assert {road(large, member, 4) for member in (FORWARD, TO_INPUT, TO_WEIGHT)} == {TILES}
    assert road(large, FORWARD, 8) == PLAIN
    deep = geometry((16, 128, 16, 16), (128, 128, 3, 3), (1, 1), (1, 1), (1, 1), 1)
    assert road(deep, FORWARD, 4) == WINOGRAD
    depthwise = geometry((16, 64, 16, 16), (64, 1, 3, 3), (1, 1), (1, 1), (1, 1), 64)
    assert {road(depthwise, member, 4) for member in (FORWARD, TO_INPUT, TO_WEIGHT)} == {PLAIN}
