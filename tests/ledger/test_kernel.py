"""The compiled moments against the NumPy ones, and both against the definitions."""

from __future__ import annotations

import numpy as np
import pytest

from localgrad.kernels import moments as reference
from localgrad.kernels.cpu import moments as compiled
from localgrad.ledger.measure import Moments

SIZES = (0, 1, 7, 4095, 4096, 4097, 20000)


@pytest.mark.parametrize("implementation", [reference, compiled])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", SIZES)
def test_moments(implementation: object, dtype: str, size: int) -> None:
    x = np.random.default_rng(size).normal(size=size).astype(dtype)
    x[::3] = 0
    table = np.full((2, reference.COLUMNS), 99.0)
    square = implementation.measure(x, table, 1)  # type: ignore[attr-defined]
    wide = x.astype("float64")
    expected = [(wide**2).sum(), wide.sum(), (x == 0).sum(), 0, (wide**2).sum()]
    rounding = 1e-6 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(table[1], expected, rtol=rounding, atol=rounding * abs(wide).sum())
    assert square == table[1, reference.SQUARE]
    assert (table[0] == 99.0).all()


@pytest.mark.parametrize("implementation", [reference, compiled])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nonfinite_elements_are_counted(implementation: object, bad: float) -> None:
    x = np.ones(9000, "float32")
    x[[3, 5000, 8999]] = bad
    x[[4, 6000]] = 0
    table = np.zeros((1, reference.COLUMNS))
    implementation.measure(x, table, 0)  # type: ignore[attr-defined]
    assert table[0, reference.NONFINITE] == 3
    assert table[0, reference.ZEROS] == 2
    assert not np.isfinite(table[0, reference.SQUARE])


@pytest.mark.parametrize("implementation", [reference, compiled])
@pytest.mark.parametrize("size", SIZES[1:])
def test_joins(implementation: object, size: int) -> None:
    random = np.random.default_rng(size)
    parts = [random.normal(size=size).astype("float32") for _ in range(3)]
    total = (parts[0] + parts[1] + parts[2]) * np.float32(1.25)
    table = np.zeros((5, reference.COLUMNS))
    gap = implementation.join(parts, total, table, 1)  # type: ignore[attr-defined]
    for row, part in enumerate(parts, start=1):
        wide = part.astype("float64")
        assert table[row, reference.SQUARE] == pytest.approx((wide**2).sum())
        inner = wide @ total.astype("float64")
        assert table[row, reference.INNER] == pytest.approx(inner, rel=1e-6, abs=1e-6)
    assert table[4, reference.SQUARE] == pytest.approx((total.astype("float64") ** 2).sum())
    difference = total.astype("float64") - sum(part.astype("float64") for part in parts)
    assert gap == pytest.approx((difference**2).sum(), rel=1e-4)


@pytest.mark.parametrize("implementation", [reference, compiled])
@pytest.mark.parametrize("scale", [1e-30, 1e-18, 1e18, 1e25])
def test_numbers_whose_squares_single_precision_cannot_hold(
    implementation: object, scale: float
) -> None:
    random = np.random.default_rng(3)
    parts = [(scale * random.normal(size=9000)).astype("float32") for _ in range(2)]
    parts[0][:5000] = 0
    total = parts[0] + parts[1]
    table = np.zeros((3, reference.COLUMNS))
    implementation.join(parts, total, table, 0)  # type: ignore[attr-defined]
    for row, x in enumerate([*parts, total]):
        wide = x.astype("float64")
        expected = [wide @ wide, wide.sum(), (x == 0).sum(), 0, wide @ total.astype("float64")]
        np.testing.assert_allclose(table[row], expected, rtol=1e-6)
        implementation.measure(x, table, row)  # type: ignore[attr-defined]
        np.testing.assert_allclose(table[row, :4], expected[:4], rtol=1e-6)


LAYOUTS = {
    "vector": lambda x: x.ravel(),
    "slice of three axes": lambda x: x[:, 1],
    "slice of many rows": lambda x: x[:, :, 0],
    "permuted": lambda x: x.transpose(0, 2, 1, 3),
    "last axis with holes": lambda x: x[..., ::2],
    "five axes": lambda x: x[None],
    "scalar": lambda x: x[0, 0, 0, 0],
}


@pytest.mark.parametrize("implementation", [reference, compiled])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "complex64"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_same(implementation: object, dtype: str, layout: str) -> None:
    same = implementation.same  # type: ignore[attr-defined]
    whole = np.random.default_rng(0).normal(size=(6, 32, 5, 64)).astype(dtype)
    part = LAYOUTS[layout](whole)
    assert same(part, np.array(part)) and same(np.array(part), part)
    for place in (0, -1):
        for other in (0.5, np.nan):
            changed = np.array(part)
            changed.flat[place] = other
            assert not same(part, changed) and not same(changed, part)
    assert not same(changed, changed)  # NaN: nothing is known of it but that it is one
    assert same(whole[:0], whole[:0])


REFUSED = {
    "two types": [np.ones(4, "float32"), np.ones(4)],
    "two sizes": [np.ones(4), np.ones(5)],
    "whole numbers": [np.ones(4, "int32")],
    "complex": [np.ones(4, "complex64")],
    "other byte order": [np.ones(4, ">f4")],
    "holes": [np.ones(4), np.ones((4, 4))[:, 1]],
    "turned": [np.ones((4, 3)).T],
}


@pytest.mark.parametrize("implementation", [reference, compiled])
@pytest.mark.parametrize("arrays", REFUSED.values(), ids=REFUSED)
def test_what_is_not_read_in_place_is_refused(
    implementation: object, arrays: list[np.ndarray]
) -> None:
    table = np.zeros((3, reference.COLUMNS))
    gap = implementation.join(arrays[:1], arrays[-1], table, 0)  # type: ignore[attr-defined]
    assert gap == reference.REFUSED
    assert not table.any()


def test_elements_that_are_not_aligned() -> None:
    x = np.frombuffer(b"?" + np.arange(5.0).tobytes(), np.float64, offset=1)
    assert not x.flags.aligned
    moments = Moments()
    assert moments.stats(moments.add(x)).norm == pytest.approx(np.linalg.norm(x))
    first, difference = moments.add_join([x, 2 * x], 3 * x)
    assert difference == pytest.approx(0, abs=1e-12)
    assert moments.stats(first).norm == pytest.approx(np.linalg.norm(x))


@pytest.mark.parametrize("implementation", [reference, compiled])
@pytest.mark.parametrize("shape", [(3, 4, 5), (40, 30, 50)])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_tiles(implementation: object, shape: tuple[int, ...], axis: int) -> None:
    total = np.random.default_rng(axis).normal(size=shape).astype("float32")
    total.flat[::7] = 0
    places = np.split(total, [1, 2], axis)
    sent = [np.array(place) for place in places]
    table = np.full((8, reference.COLUMNS), 99.0)
    for row, array in enumerate(sent):
        reference.measure(array.ravel(), table, row)
    rows = list(range(3))
    assert implementation.tiles(places, sent, rows, table, 3)  # type: ignore[attr-defined]
    alone = np.zeros((1, reference.COLUMNS))
    for row, index in enumerate(rows):
        whole = np.zeros_like(total)
        np.split(whole, [1, 2], axis)[index][...] = sent[index]
        reference.measure(whole.ravel(), alone, 0)
        np.testing.assert_allclose(table[3 + row], alone[0], rtol=1e-6)
    reference.measure(total.ravel(), alone, 0)
    np.testing.assert_allclose(table[6], alone[0], rtol=1e-6)
    assert (table[7] == 99.0).all()
    sent[2].flat[-1] += 1
    assert not implementation.tiles(places, sent, rows, table, 3)  # type: ignore[attr-defined]


def test_a_vanishing_gradient_does_not_underflow() -> None:
    moments = Moments()
    row = moments.add(np.full(100, 1e-30, "float32"))
    assert moments.stats(row).rms == pytest.approx(1e-30)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(24.0).reshape(2, 3, 4).transpose(2, 0, 1),
        np.arange(24.0, dtype="float32").reshape(4, 6)[:, ::2],
        np.broadcast_to(np.arange(4.0), (5, 4)),
        np.broadcast_to(np.float64(3.0), (2, 3)),
        np.float32(2.5),
        np.arange(5, dtype="float16"),
        np.array([3 + 4j, 0]),
        np.zeros((0, 3)),
    ],
    ids=lambda a: f"{np.asarray(a).dtype}{np.shape(a)}",
)
def test_any_layout_is_measured_in_place(array: np.ndarray) -> None:
    moments = Moments()
    stats = moments.stats(moments.add(array))
    assert stats.norm == pytest.approx(np.linalg.norm(np.ravel(array)))
    if np.asarray(array).dtype.kind == "f":
        assert stats.size == np.size(array)
        assert stats.zeros == np.count_nonzero(array == 0)


def test_the_table_grows() -> None:
    moments = Moments()
    rows = [moments.add(np.full(2, float(i))) for i in range(1000)]
    assert [moments.stats(row).rms for row in rows] == pytest.approx(range(1000))
