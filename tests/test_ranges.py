"""The gradients of slices by kernels, against what NumPy makes of the same index."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import localgrad as lg
from localgrad.ops.indexing import put_back, put_into, range_of

WHOLE = slice(None)
KEYS: list[tuple[tuple[int, ...], Any]] = [
    ((12, 64, 3, 4, 32), (WHOLE, WHOLE, 1)),
    ((100, 300), (WHOLE, slice(100, 250))),
    ((100, 300), (Ellipsis, slice(-200, None))),
    ((100, 300), slice(10, 90)),
    ((64, 3, 100), (WHOLE, -1)),
    ((100, 300), (WHOLE, slice(0, 200, 2))),
    ((100, 300), (WHOLE, slice(250, None, -1))),
    ((100, 300, 2), (slice(3, 90), slice(0, 200))),
    ((100, 300), (None, slice(0, 50))),
    ((100, 300), (WHOLE, WHOLE)),
    ((1, 30000), (WHOLE, slice(5, 20000))),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("shape", "key"), KEYS)
def test_slices_go_back_to_their_places(shape: tuple[int, ...], key: Any, dtype: str) -> None:
    rng = np.random.default_rng(0)
    expected = np.zeros(shape, dtype)
    g = rng.standard_normal(expected[key].shape).astype(dtype)
    expected[key] = g
    like = SimpleNamespace(shape=shape, dtype=expected.dtype)
    for upstream in (g, np.asfortranarray(g)):
        result = put_back(upstream, like, key)
        assert result.dtype == dtype
        np.testing.assert_array_equal(result, expected)
        held = rng.standard_normal(shape).astype(dtype)
        summed = held + expected
        put_into(held, upstream, key)
        np.testing.assert_array_equal(held, summed)


def test_what_is_a_range() -> None:
    assert range_of((WHOLE, slice(2, 5)), (4, 8)) == (1, 2)
    assert range_of((Ellipsis, -1), (4, 8)) == (1, 7)
    assert range_of(1, (4, 8)) == (0, 1)
    for none in ((WHOLE, slice(0, 8, 2)), (1, 2), (None, slice(0, 2)), (WHOLE, WHOLE)):
        assert range_of(none, (4, 8)) is None


def test_parts_of_one_array_add_up() -> None:
    x = lg.asarray(np.random.default_rng(1).standard_normal((64, 3, 100)), requires_grad=True)
    q, k, v = (x[:, i] for i in range(3))
    (q * 2 + k * 3 + v + q * v).sum().backward()
    a = x.numpy()
    slopes = np.stack([2 + a[:, 2], np.full_like(a[:, 1], 3), 1 + a[:, 0]], axis=1)
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), slopes, rtol=0, atol=1e-12)
