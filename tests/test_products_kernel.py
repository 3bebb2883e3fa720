"""Matrix products of the kernels against NumPy in float64: shapes, orders, alignments, NaN."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import localgrad as lg
from localgrad.kernels import cpu

# One row, a few that are made by dot products or of several panels at once, one register block and
# a row more, two and a row more, several chunks.
ROWS = [1, 2, 4, 5, 7, 12, 13, 24, 25, 100, 300]
DEPTHS = [1, 5, 63, 64, 200, 700]
COLUMNS = [1, 3, 16, 17, 32, 48, 64, 100, 160, 333, 512]
SHAPES = [
    *itertools.product(ROWS[:8], DEPTHS[::2], COLUMNS[::2]),
    *itertools.product(ROWS[1::3], DEPTHS, COLUMNS[1::2]),
    (1, 5000, 40),  # deeper than one pass over a B that is read in place
    (3, 2500, 1000),
    (2048, 16, 16),
    (700, 100, 1),
    (100, 77, 333),  # rows of C that no cache line begins with
]


def exactly(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.einsum("ik,kj->ij", a.astype("f8"), b.astype("f8"), optimize=False)


def close(result: np.ndarray, expected: np.ndarray) -> None:
    bound = 1e-4 if result.dtype == np.float32 else 1e-11
    np.testing.assert_allclose(result, expected, atol=bound * max(1.0, abs(expected).max()))


def drawn(*shape: int, dtype: str) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("b_order", ["C", "F"])
@pytest.mark.parametrize("a_order", ["C", "F"])
def test_products_of_every_shape(a_order: Any, b_order: Any, dtype: str) -> None:
    for m, k, n in SHAPES:
        a, b = drawn(m, k, dtype=dtype), drawn(k, n, dtype=dtype)
        result = cpu.matmul(np.array(a, order=a_order), np.array(b, order=b_order))
        assert result.dtype == dtype
        close(result, exactly(a, b))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("has_bias", [False, True])
def test_layers_of_a_few_examples(has_bias: bool, relu: bool, dtype: str) -> None:
    for m, k, n in ((1, 64, 512), (3, 200, 301), (4, 513, 7), (5, 513, 7), (2, 63, 100)):
        x, weight, bias = (drawn(*s, dtype=dtype) for s in ((m, k), (n, k), (n,)))
        expected = exactly(x, weight.T) + (bias if has_bias else 0)
        if relu:
            expected = np.maximum(expected, 0)
        close(cpu.linear(x, weight, bias if has_bias else None, relu), expected)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("m", [1, 3, 6, 20])
def test_what_is_not_finite_reaches_its_row_and_its_column_alone(m: int, bad: float) -> None:
    for order in ("C", "F"):
        a, b = abs(drawn(m, 100, dtype="float32")), abs(drawn(100, 70, dtype="float32"))
        a[0, 3] = b[5, 7] = bad
        result = cpu.matmul(a, np.array(b, order=order))
        spoilt = np.zeros((m, 70), bool)
        spoilt[0] = spoilt[:, 7] = True
        np.testing.assert_array_equal(~np.isfinite(result), spoilt)
        np.testing.assert_array_equal(np.isnan(result).any(), np.isnan(bad))


def test_rows_that_no_line_begins_with_do_not_depend_on_the_threads() -> None:
    before = cpu.get_num_threads()
    try:
        for m, k, n in ((100, 77, 333), (30, 40, 901), (3, 900, 301), (1, 512, 512)):
            a, b = drawn(m, k, dtype="float32"), drawn(k, n, dtype="float32")
            found = []
            for threads in (1, 2, 2, 3):
                lg.set_num_threads(threads)
                found.append(cpu.matmul(a, b))
            np.testing.assert_array_equal(found[1], found[2])
            for result in found:
                close(result, exactly(a, b))
    finally:
        lg.set_num_threads(before)


@pytest.mark.parametrize(
    "shapes",
    [((128, 96), (96, 160)), ((6, 64, 80), (6, 80, 48)), ((2, 3, 64, 64), (64, 64)),
     ((1, 90, 70), (5, 70, 60))],
    ids=str,
)  # fmt: skip
def test_what_users_multiply_goes_by_the_kernels(shapes: Any) -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal(shape) for shape in shapes)
    made = []
    plain = cpu.matmul
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(cpu, "matmul", lambda *pair: (made.append(1), plain(*pair))[1])
        x, y = (lg.asarray(m.astype("f4"), requires_grad=True) for m in (a, b))
        z = lg.matmul(x, y)
        z.sum().backward()
        lg.einsum("...ij,...jk->...ik", x, y)
    assert len(made) >= 3
    np.testing.assert_allclose(z.numpy(), a @ b, atol=2e-4)
    ones = np.ones((a @ b).shape)
    wide = ones @ np.swapaxes(b, -1, -2), np.swapaxes(a, -1, -2) @ ones
    for leaf, g in zip((x, y), wide, strict=True):
        lead = g.ndim - len(leaf.shape)
        g = g.sum(axis=tuple(range(lead)))
        stretched = tuple(i for i, n in enumerate(leaf.shape) if g.shape[i] != n)
        np.testing.assert_allclose(leaf.grad.numpy(), g.sum(stretched, keepdims=True), atol=2e-3)
