"""Products by matrix tiles against float64, and against products by vectors."""

from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba")

from numba import njit

import localgrad as lg
from localgrad import nn
from localgrad.kernels.cpu import sequences
from localgrad.kernels.cpu.host import host
from localgrad.kernels.cpu.microkernel import ACCUMULATE, RELU
from localgrad.kernels.cpu.rectangle import prepare, rectangle
from localgrad.kernels.cpu.tile_rectangle import scratch_bytes, tile_rectangle
from localgrad.kernels.cpu.workspace import workspace

pytestmark = pytest.mark.skipif(
    not host().tiles, reason="this processor has no matrix tiles (AMX with bfloat16)"
)

ZERO = np.float32(0)


@njit
def by_tiles(  # type: ignore[no-untyped-def]
    a, a_row, a_k, b, b_k, b_column, c, c_row, m, k, n, init, flags, sums, work, thread, threads
):
    tile_rectangle(a, a_row, a_k, b, b_k, b_column, c, c_row, m, k, n, init, flags, sums, work,
                   thread, threads)  # fmt: skip


@njit
def by_vectors(  # type: ignore[no-untyped-def]
    a, a_row, a_k, b, b_k, b_column, c, c_row, m, k, n, init, flags, sums, work, thread, threads
):
    rectangle(ZERO, (a, a_row, a_k, b, b_k, b_column, c, c_row, m, k, n, init, flags, sums, work,
                     thread, threads))  # fmt: skip


def strides(matrix: np.ndarray) -> tuple[int, int, int]:
    return matrix.ctypes.data, matrix.strides[0] // 4, matrix.strides[1] // 4


def multiplied(
    how: Any, a: np.ndarray, b: np.ndarray, c: np.ndarray | None = None,
    bias: np.ndarray | None = None, flags: int = 0, sums: np.ndarray | None = None,
    threads: int = 1,
) -> np.ndarray:  # fmt: skip
    prepare(np.dtype(np.float32))
    (m, k), n = a.shape, b.shape[1]
    result = np.empty((m, n), np.float32) if c is None else c.copy()
    for thread in range(threads):
        how(*strides(a), *strides(b), result.ctypes.data, n, m, k, n,
            0 if bias is None else bias.ctypes.data, flags,
            0 if sums is None else sums.ctypes.data, workspace(scratch_bytes(k, n)), thread,
            threads)  # fmt: skip
    return result


def normal(rng: np.random.Generator, rows: int, columns: int, turned: bool = False) -> np.ndarray:
    """A matrix in the middle of another's memory, so that nothing is on a cache line by chance."""
    if turned:
        return normal(rng, columns, rows).T
    memory = rng.standard_normal((rows + 3, columns + 5)).astype(np.float32)
    return memory[1 : rows + 1, 3 : 3 + columns]


def error(result: np.ndarray, exact: np.ndarray) -> float:
    return float(np.abs(result - exact).max() / np.sqrt((exact**2).mean()))


@pytest.mark.parametrize("turned", [(False, False), (False, True), (True, False), (True, True)])
@pytest.mark.parametrize(
    "shape",
    [(1, 1, 1), (16, 32, 16), (32, 64, 32), (15, 31, 17), (33, 65, 47), (70, 100, 130),
     (129, 600, 40), (20, 1200, 700)],
)  # fmt: skip
def test_products_are_as_exact_as_vectors(
    shape: tuple[int, int, int], turned: tuple[bool, bool]
) -> None:
    rng = np.random.default_rng(sum(shape))
    m, k, n = shape
    a, b = normal(rng, m, k, turned[0]), normal(rng, k, n, turned[1])
    exact = a.astype(np.float64) @ b.astype(np.float64)
    for threads in (1, 2, 3):
        ours = error(multiplied(by_tiles, a, b, threads=threads), exact)
        assert ours <= 1.2 * error(multiplied(by_vectors, a, b), exact) + 2e-7


def test_every_bit_of_a_float32_counts() -> None:
    """One product an element: as near as a float32 can be, which one bfloat16 part is not."""
    rng = np.random.default_rng(0)
    a = np.diag(rng.standard_normal(64).astype(np.float32))
    b = rng.standard_normal((64, 64)).astype(np.float32)
    exact = a.astype(np.float64) @ b.astype(np.float64)
    assert (np.abs(multiplied(by_tiles, a, b) - exact) <= 2.0**-23 * np.abs(exact)).all()


@pytest.mark.parametrize("shape", [(48, 40, 50), (64, 600, 64)])
def test_start_bias_relu_and_sums(shape: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(1)
    m, k, n = shape
    a, b, c = normal(rng, m, k, True), normal(rng, k, n), np.ascontiguousarray(normal(rng, m, n))
    bias = rng.standard_normal(n).astype(np.float32)
    exact = a.astype(np.float64) @ b.astype(np.float64)
    assert error(multiplied(by_tiles, a, b, bias=bias), exact + bias) < 3e-6
    assert error(multiplied(by_tiles, a, b, c, flags=ACCUMULATE), exact + c) < 3e-6
    clamped = multiplied(by_tiles, a, b, bias=bias, flags=RELU)
    assert error(clamped, np.maximum(exact + bias, 0)) < 3e-6
    sums = np.ones(m, np.float32)
    multiplied(by_tiles, a, b, sums=sums)
    np.testing.assert_allclose(sums, 1 + a.sum(axis=1, dtype=np.float64), rtol=0, atol=1e-4)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 3.4e38, -3.4e38])
@pytest.mark.parametrize("where", ["left", "right"])
def test_what_has_no_parts_is_multiplied_by_vectors(bad: float, where: str) -> None:
    rng = np.random.default_rng(2)
    a, b = normal(rng, 150, 70), normal(rng, 70, 90)
    (a if where == "left" else b)[41, 33] = bad
    with np.errstate(over="ignore", invalid="ignore"):
        expected = multiplied(by_vectors, a, b)
    assert not np.isfinite(expected).all() or abs(bad) < np.inf
    np.testing.assert_allclose(multiplied(by_tiles, a, b), expected, rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize("scale", [1e-28, 1e-33, 1e-37, 1e-41])
def test_very_small_numbers(scale: float) -> None:
    """The unit takes subnormal numbers, and parts that are subnormal, as zero."""
    rng = np.random.default_rng(3)
    a, b = normal(rng, 64, 64), normal(rng, 64, 64)
    small = (a * np.float32(scale)).astype(np.float32)
    exact = small.astype(np.float64) @ b.astype(np.float64)
    assert error(multiplied(by_tiles, small, b), exact) < 2e-6 + 1e-45 * 8 / scale


def test_zeros_stay_zeros() -> None:
    nothing, b = np.zeros((64, 64), np.float32), np.ones((64, 64), np.float32)
    assert (multiplied(by_tiles, nothing, b) == 0).all()


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
@pytest.mark.parametrize("where", ["nowhere", "state", "weight", "upstream"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -3.4e38, 1e-41])
def test_recurrent_layers_by_tiles_and_by_vectors(
    kind: str, where: str, bad: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One number that has no parts, or nothing but numbers too small to have them."""
    rng = np.random.default_rng(4)
    x, h, upstream = (
        (rng.standard_normal(shape) * 0.1).astype("f4")
        for shape in ((24, 27, 40), (1, 27, 72), (24, 27, 72))
    )

    def changed(array: np.ndarray, here: str) -> np.ndarray:
        if here == where and abs(bad) < 1:
            return (array * bad).astype("f4")
        result = array.copy()
        if here == where:
            result[..., 5, 3] = bad
        return result

    def run() -> list[np.ndarray]:
        lg.manual_seed(0)
        layer = getattr(nn, kind)(40, 72)
        recurrent = layer.weight_hh_l0.numpy()
        layer.load_state_dict(
            {**layer.state_dict(), "weight_hh_l0": lg.asarray(changed(recurrent, "weight"))}
        )
        leaves = [lg.asarray(a, requires_grad=True) for a in (x, changed(h, "state"))]
        given = (leaves[1], lg.asarray(h)) if kind == "LSTM" else leaves[1]
        y, _ = layer(leaves[0], given)
        y.backward(lg.asarray(changed(upstream, "upstream")))
        return [y.numpy(), *(t.grad.numpy() for t in (*leaves, *layer.parameters()))]

    assert sequences.tiles_pay(24, 14, 72, 4 * 72, 2, 4)
    with np.errstate(all="ignore"):
        tiles = run()
        monkeypatch.setattr(sequences, "tiles_pay", lambda *sizes: False)
        vectors = run()
    for a, b in zip(tiles, vectors):
        finite = np.isfinite(b)
        np.testing.assert_array_equal(np.isnan(a), np.isnan(b))
        np.testing.assert_array_equal(np.isfinite(a), finite)
        bound = 1e-5 * abs(b[finite]).max(initial=0) + 1e-43
        np.testing.assert_allclose(a[finite], b[finite], rtol=0, atol=bound)
