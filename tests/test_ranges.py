"""The gradients of slices by kernels, against what NumPy makes of the same index."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import localgrad as lg
from localgrad.kernels.neighbours import new_alike, side_by_side
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


def pieces(whole: np.ndarray) -> list[tuple[int, int, np.ndarray]]:
    return [(1, 0, whole[:, 0]), (1, 1, whole[:, 1:3]), (1, 3, whole[:, 3])]


def test_pieces_that_lie_side_by_side_are_one_array_without_a_copy() -> None:
    whole = np.arange(2 * 4 * 3, dtype="float32").reshape(2, 4, 3)
    for given in (pieces(whole), pieces(whole)[::-1]):
        joined = side_by_side(given, whole.shape)
        assert joined.base is whole.base and joined.shape == whole.shape
        assert np.shares_memory(joined, whole)
        np.testing.assert_array_equal(joined, whole)


FAULTS = ["one lacks", "one twice", "a copy", "other places", "other axis"]


@pytest.mark.parametrize("fault", FAULTS)
def test_pieces_that_do_not_are_no_array(fault: str) -> None:
    whole = np.arange(2 * 4 * 3, dtype="float32").reshape(2, 4, 3)
    given = pieces(whole)
    if fault == "one lacks":
        given.pop()
    elif fault == "one twice":
        given.append(given[0])
    elif fault == "a copy":
        given[1] = (1, 1, whole[:, 1:3].copy())
    elif fault == "other places":
        given[0], given[2] = (1, 0, whole[:, 3]), (1, 3, whole[:, 0])
    else:
        given[0] = (0, 0, whole[0])
    assert side_by_side(given, whole.shape) is None


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 2, 1, 3), (3, 1, 0, 2)])
def test_new_arrays_lie_as_the_pieces_of_one_array_do(order: tuple[int, ...]) -> None:
    memory = np.zeros(5 * 7 * 3 * 2 * 4, "float32").reshape(5, 7, 3, 2, 4)
    parts = [memory[:, :, i].transpose(order) for i in range(3)]
    made = new_alike(parts, np.empty)
    assert made is not None
    assert [m.strides for m in made] == [p.strides for p in parts]
    begins = [m.ctypes.data - made[0].ctypes.data for m in made]
    assert begins == [p.ctypes.data - parts[0].ctypes.data for p in parts]


def test_arrays_that_are_not_all_of_one_are_not_imitated() -> None:
    memory = np.zeros((5, 4, 6), "float32").reshape(5, 4, 6)
    apart = [memory[:, 0], memory[:, 1], memory[:, 3]]
    some = [memory[:, 0], memory[:, 1], memory[:, 2]]  # a quarter of it would be nobody's
    own = [np.zeros((5, 6), "float32") for _ in range(3)]
    unlike = [memory[:, 0], memory[:, 1], memory[:, 2].astype("float64")]
    for arrays in (apart, some, own, unlike, [memory[:, 0], memory[:4, 1], memory[:, 2]]):
        assert new_alike(arrays, np.empty) is None


def test_attention_sends_back_to_one_array_what_is_sent_to_three() -> None:
    rng = np.random.default_rng(2)
    drawn = rng.standard_normal((3, 40, 3, 4, 16)).astype("float32")
    upstream = lg.asarray(rng.standard_normal((3, 4, 40, 16)).astype("float32"))

    def attended(q: Any, k: Any, v: Any) -> Any:
        heads = [t.swapaxes(1, 2) for t in (q, k, v)]
        y = lg.nn.functional.scaled_dot_product_attention(*heads, is_causal=True)
        return (y * upstream).sum()

    x = lg.asarray(drawn, requires_grad=True)
    h = x * 1  # what is cut apart is a value inside of the graph
    attended(*(h[:, :, i] for i in range(3))).backward()
    apart = [lg.asarray(drawn[:, :, i].copy(), requires_grad=True) for i in range(3)]
    attended(*apart).backward()
    assert x.grad is not None
    for i, part in enumerate(apart):
        assert part.grad is not None
        np.testing.assert_array_equal(x.grad.numpy()[:, :, i], part.grad.numpy())
    # A piece that somebody else uses as well, and a second use of the whole.
    x.grad = None
    h = x * 1
    q, k, v = (h[:, :, i] for i in range(3))
    (attended(q, k, v) + (k * k).sum() + (h * 3).sum()).backward()
    grad = x.grad.numpy()
    for i, part in enumerate(apart):
        more = 3 + (2 * drawn[:, :, i] if i == 1 else 0)
        np.testing.assert_allclose(grad[:, :, i], part.grad.numpy() + more, rtol=1e-6, atol=1e-5)


def test_a_leaf_that_is_cut_apart_owns_its_gradient() -> None:
    x = lg.asarray(np.arange(12.0).reshape(3, 4), requires_grad=True)
    g = lg.asarray(np.ones((3, 4)))
    for _ in range(2):
        lg.concat([x[:, :2], x[:, 2:]], axis=1).backward(g)
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy(), 2)
    np.testing.assert_array_equal(g.numpy(), 1)


def test_an_error_in_a_piece_names_its_line() -> None:
    def refuse(g: Any, like: Any) -> Any:
        raise ValueError("no")

    half = lg.linear("half_that_refuses", lambda x: x[:2], refuse, into=lambda b, g: None)
    x = lg.asarray(np.arange(4.0), requires_grad=True)
    with pytest.raises(ValueError, match="no") as raised:
        half(x).sum().backward()
    assert any("half_that_refuses" in note for note in raised.value.__notes__)
