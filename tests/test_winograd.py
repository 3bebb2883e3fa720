"""Winograd's convolutions against the plain sums in float64: values, edges, what is not finite."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba", reason="the generated kernels need Numba")

from localgrad.kernels import reference_convolution as reference
from localgrad.kernels.cpu import convolution, winograd_forward
from localgrad.kernels.cpu.convolution_roads import WINOGRAD

# batch, inputs, height, width, outputs, kernel, padding: whole tiles, cut ones, several items,
# images that share an item, padding beyond the kernel, none at all.
CASES = [
    (2, 16, 32, 32, 16, 3, (1, 1)),
    (7, 32, 16, 16, 32, 3, (1, 1)),
    (3, 32, 14, 14, 64, 5, (2, 2)),
    (4, 64, 14, 14, 32, 5, (2, 2)),
    (5, 16, 13, 11, 48, 3, (0, 0)),
    (5, 48, 9, 17, 32, 5, (0, 3)),
    (9, 32, 8, 10, 32, 3, (1, 0)),
    (3, 16, 70, 31, 16, 3, (2, 4)),
    (5, 80, 12, 12, 112, 3, (1, 1)),
]


@pytest.fixture(autouse=True)
def this_road(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where matrix tiles would be quicker, it is still Winograd's road that is tested here."""
    monkeypatch.setattr(convolution, "road", lambda *_: WINOGRAD)


def images(rng: np.random.Generator, shape: tuple[int, ...], dtype: str, last: bool) -> np.ndarray:
    x = rng.standard_normal(shape).astype(dtype)
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2) if last else x


def triple(module: Any, x: Any, weight: Any, bias: Any, dy: Any, pad: tuple[int, int]) -> list[Any]:
    """Forward, and the downstreams of input, weight and bias."""
    how = ((1, 1), pad, (1, 1), 1)
    if module is convolution:
        y = convolution.conv2d(x, weight, bias, *how)
        dx = convolution.conv2d_input(dy, weight, x.shape, *how)
        return [y, dx, *convolution.conv2d_weight(x, dy, weight.shape, *how)]
    return [
        reference.convolution(x, weight, bias, *how),
        reference.convolution_input_adjoint(dy, weight, x.shape, *how),
        reference.convolution_weight_adjoint(dy, x, weight.shape, *how),
        dy.sum((0, 2, 3)),
    ]


def operands(case: tuple[Any, ...], dtype: str, last: bool) -> tuple[list[Any], tuple[int, int]]:
    batch, inputs, height, width, outputs, kernel, pad = case
    rng = np.random.default_rng(3)
    x = images(rng, (batch, inputs, height, width), dtype, last)
    weight = rng.standard_normal((outputs, inputs, kernel, kernel)).astype(dtype)
    bias = rng.standard_normal(outputs).astype(dtype)
    out = (height + 2 * pad[0] - kernel + 1, width + 2 * pad[1] - kernel + 1)
    g = convolution.geometry(x.shape, weight.shape, (1, 1), pad, (1, 1), 1)
    assert winograd_forward.suits(g, x.itemsize), "this case tests another road"
    return [x, weight, bias, images(rng, (batch, outputs, *out), dtype, last)], pad


@pytest.mark.parametrize("last", [False, True], ids=["channels first", "channels last"])
@pytest.mark.parametrize(("dtype", "bound"), [("float32", 2e-5), ("float64", 4e-14)])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_triple(case: Any, dtype: str, bound: float, last: bool) -> None:
    data, pad = operands(case, dtype, last)
    exact = triple(reference, *(array.astype(np.float64) for array in data), pad)
    for got, right in zip(triple(convolution, *data, pad), exact, strict=True):
        assert got.dtype == dtype and got.shape == right.shape
        np.testing.assert_allclose(got, right, rtol=0, atol=bound * np.sqrt((right**2).mean()))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("spoiled", ["x", "weight", "bias", "dy"])
@pytest.mark.parametrize("case", [CASES[1], CASES[2]], ids=str)
def test_what_is_not_finite_stays_where_it_belongs(case: Any, spoiled: str, bad: float) -> None:
    data, pad = operands(case, "float32", True)
    array = data[["x", "weight", "bias", "dy"].index(spoiled)]
    # The middle of a kernel meets every pixel; other taps also meet the padding's zeros, and
    # whether NaN times such a zero counts is nobody's promise.
    place = (1, 1, *(n // 2 for n in array.shape[2:])) if spoiled == "weight" else (1, 1, 1, 1)
    array[place[: array.ndim]] = bad
    with np.errstate(invalid="ignore"):
        exact = triple(reference, *data, pad)
    for got, right in zip(triple(convolution, *data, pad), exact, strict=True):
        np.testing.assert_array_equal(np.isnan(got), np.isnan(right))
        infinite = np.isinf(right)
        np.testing.assert_array_equal(got[infinite], right[infinite])
        finite = np.isfinite(right)
        scale = np.sqrt((right[finite] ** 2).mean()) if finite.any() else 1.0
        np.testing.assert_allclose(got[finite], right[finite], rtol=0, atol=2e-5 * scale)


def test_numbers_whose_transforms_overflow() -> None:
    """A tile's transform multiplies by up to six: the plain sum must take over, not infinity."""
    data, pad = operands(CASES[1], "float32", True)
    data[0] *= np.float32(2e37)
    data[1] *= np.float32(1e-3)
    data[3] *= np.float32(1e-3)
    exact = triple(reference, *(array.astype(np.float64) for array in data), pad)
    for got, right in zip(triple(convolution, *data, pad), exact, strict=True):
        np.testing.assert_allclose(got, right, rtol=0, atol=2e-5 * np.sqrt((right**2).mean()))


def test_runs_repeat_bit_for_bit() -> None:
    data, pad = operands(CASES[2], "float32", True)
    for first, second in zip(triple(convolution, *data, pad), triple(convolution, *data, pad),
                             strict=True):
        np.testing.assert_array_equal(first, second)
