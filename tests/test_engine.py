"""The engine: ordering, sums and their ownership, freeing, mutation, depth, threads, errors."""

import copy
import gc
import pickle
import threading
import weakref
from typing import Any

import numpy as np
import pytest

import localgrad as lg
from localgrad.graph.node import Node
from localgrad.ops.network.normalisation import layer_norm


def leaf(*numbers: float) -> lg.Tensor:
    return lg.asarray(np.array(numbers), requires_grad=True)


def test_a_node_waits_for_all_its_consumers() -> None:
    a = leaf(1.0)
    b = a + a
    c = b + b
    c.backward()
    assert a.grad.tolist() == [4.0]


def test_contributions_of_consumers_at_different_depths_add_up() -> None:
    x = leaf(0.3)
    y = x
    for _ in range(5):
        y = lg.sin(y) + x
    y.backward()
    step = 1e-6

    def f(v: float) -> float:
        w = v
        for _ in range(5):
            w = np.sin(w) + v
        return w

    assert x.grad.item() == pytest.approx((f(0.3 + step) - f(0.3 - step)) / (2 * step), rel=1e-8)


def test_a_buffer_handed_to_two_edges_is_not_added_into() -> None:
    a, b, c = leaf(1.0), leaf(2.0), leaf(3.0)
    # `add` hands the same upstream to both; a's sum must not show up in b or c.
    y = (a + b) + (a + c) + a * 10
    y.backward()
    assert (a.grad.item(), b.grad.item(), c.grad.item()) == (12.0, 1.0, 1.0)
    a.grad.numpy()[...] = 99.0
    assert (b.grad.item(), c.grad.item()) == (1.0, 1.0)


def test_the_upstream_that_a_user_passes_stays_theirs() -> None:
    x = leaf(1.0, 2.0)
    upstream = np.array([1.0, 1.0])
    (x + 0.0).backward(upstream)
    (x + 0.0).backward(upstream)
    assert upstream.tolist() == [1.0, 1.0]
    assert x.grad.tolist() == [2.0, 2.0]


def test_gradients_accumulate_and_gradients_function_leaves_grad_alone() -> None:
    x = leaf(3.0)
    (x * x).backward()
    (x * x).backward()
    assert x.grad.item() == 12.0
    assert lg.gradients(x * x, x).item() == 6.0
    assert x.grad.item() == 12.0


def test_retain_grad_on_a_value_that_is_no_leaf() -> None:
    x = leaf(2.0)
    y = x * x
    y.retain_grad()
    (y * 3).backward()
    assert y.grad.item() == 3.0


def test_a_million_nodes_are_built_swept_and_freed() -> None:
    x = leaf(1.0)
    y = x
    for _ in range(1_000_000):
        y = y + 1.0
    y.backward()
    assert x.grad.item() == 1.0
    y = x
    for _ in range(1_000_000):
        y = y + 1.0
    last = weakref.ref(y.node)
    del y  # freed without a sweep, and without recursion
    assert last() is None


def test_values_are_freed_as_the_sweep_passes() -> None:
    x = leaf(1.0)
    middle = lg.exp(x * 2)
    kept = weakref.ref(middle.value)
    y = middle * middle
    node = middle.node
    del middle
    assert kept() is not None
    y.backward()
    assert node.retained == {}
    del y
    assert kept() is None


def test_no_reference_cycles_are_left_behind() -> None:
    gc.collect()
    gc.disable()
    try:
        x = leaf(1.0, 2.0)
        loss = (lg.sin(x) * x).sum()
        node = weakref.ref(loss.node)
        loss.backward()
        del loss
        assert node() is None
    finally:
        gc.enable()


def test_a_second_sweep_says_what_was_freed_and_where() -> None:
    x = leaf(1.0)
    y = lg.exp(x)
    y.backward()
    with pytest.raises(lg.GraphError) as caught:
        y.backward()
    message = str(caught.value)
    assert "`exp`" in message
    assert message.count("test_engine.py:") == 2
    assert "retain_graph=True" in message


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copy_of_a_leaf_is_a_leaf_of_its_own(copied) -> None:
    x = leaf(3.0)
    x.grad = lg.asarray(1.0)
    y = copied(x)
    assert y.is_leaf and y.grad is None and not copied(x.detach()).requires_grad
    (y * y).backward()
    assert y.grad.item() == 6.0 and x.grad.item() == 1.0
    y.value[...] = 0
    assert x.item() == 3.0
    with pytest.raises(lg.GraphError, match="`multiply` computed, at test_engine.py"):
        copied(x * x)


def test_gradients_do_not_leave_out_what_was_freed() -> None:
    x = leaf(3.0)
    y = x * x
    y.backward()
    later = leaf(2.0)
    for allow_unused in (False, True):
        with pytest.raises(lg.GraphError, match="freed by the sweep"):
            lg.gradients(y * 2 + x, x, allow_unused=allow_unused)
    # Nothing behind it is asked for here, nor can a leaf that is younger lie behind it.
    assert lg.gradients(y * y, y).item() == 18.0
    assert lg.gradients(y * later, later).item() == 9.0
    assert lg.grad(lambda a: a * y)(lg.asarray(1.0)).item() == 9.0


def test_retain_graph_allows_a_second_sweep() -> None:
    x = leaf(1.5)
    y = x * x
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == 6.0


def test_a_partial_keeps_only_what_it_names() -> None:
    x, w = leaf(1.0), lg.asarray(np.array([2.0]))
    assert set((x * w).node.retained) == {"b"}  # x's gradient needs w; w needs none
    assert set(lg.exp(x).node.retained) == {"y"}
    assert (x + w).node.retained == {}


def test_in_place_change_of_a_retained_value_names_both_operations() -> None:
    x = leaf(1.0, 2.0)
    y = x * 1.0
    z = y * y
    y += 1  # line of the mutation
    with pytest.raises(lg.GraphError) as caught:
        z.backward(np.ones(2))
    message = str(caught.value)
    assert "`+=`" in message and "`multiply`" in message
    line = test_in_place_change_of_a_retained_value_names_both_operations.__code__.co_firstlineno
    assert f"test_engine.py:{line + 4}:" in message
    assert x.grad is None


def test_a_change_through_a_view_is_noticed() -> None:
    w = leaf(1.0, 2.0)
    y = w * w
    with lg.no_grad():
        view = w[0:1]
        view += 1.0
    with pytest.raises(lg.GraphError, match="changed, in place"):
        y.backward(np.ones(2))


def test_a_change_before_the_value_is_retained_is_allowed() -> None:
    w = leaf(1.0)
    with lg.no_grad():
        w += 1.0
    (w * w).backward()
    assert w.grad.item() == 4.0


def test_writing_into_a_recorded_value_keeps_gradients_right() -> None:
    x, v = leaf(1.0, 2.0, 3.0), leaf(5.0)
    y = x * 2
    y[1] = v[0] * 3
    y[0] += 1.0
    (y * y).sum().backward()
    assert y.tolist() == [3.0, 15.0, 6.0]
    assert x.grad.tolist() == [12.0, 0.0, 24.0]
    assert v.grad.tolist() == [90.0]


def test_a_leaf_is_not_changed_in_place_while_recording() -> None:
    x = leaf(1.0)
    with pytest.raises(lg.GraphError, match="no_grad"):
        x += 1.0
    with pytest.raises(lg.GraphError, match="no_grad"):
        x[0] = 1.0
    assert x.item() == 1.0


def test_where_a_node_was_made() -> None:
    x = leaf(1.0)
    y = lg.sin(x); line = test_where_a_node_was_made.__code__.co_firstlineno + 2  # noqa: E702
    assert y.node.where == f"test_engine.py:{line}"


def test_threads_record_independently() -> None:
    results: dict[str, bool] = {}
    started, stop = threading.Event(), threading.Event()

    def other() -> None:
        with lg.no_grad():
            started.set()
            stop.wait(5)
            results["other"] = (leaf(1.0) * 2).requires_grad

    thread = threading.Thread(target=other)
    thread.start()
    started.wait(5)
    results["main"] = (leaf(1.0) * 2).requires_grad
    stop.set()
    thread.join()
    assert results == {"main": True, "other": False}


def test_threads_sweep_their_own_graphs_at_once() -> None:
    found: list[float] = []

    def work(value: float) -> None:
        x = leaf(value)
        y = x
        for _ in range(200):
            y = y * 1.01
        y.backward()
        found.append(x.grad.item())

    threads = [threading.Thread(target=work, args=(float(i),)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert found == pytest.approx([1.01**200] * 8)


def test_second_and_third_derivatives_through_backward() -> None:
    x = leaf(2.0)
    y = x**4
    (first,) = lg.gradients(y, [x], create_graph=True)
    (second,) = lg.gradients(first, [x], create_graph=True)
    (third,) = lg.gradients(second, [x])
    assert (first.item(), second.item(), third.item()) == (32.0, 48.0, 48.0)
    z = x**3
    z.backward(create_graph=True)
    gradient = x.grad
    x.grad = None
    gradient.backward()
    assert x.grad.item() == 12.0


def test_a_user_function_that_returns_what_it_kept_is_not_corrupted() -> None:
    w = np.array([2.0, 3.0])
    odd = lg.custom("odd", forward=lambda x: x.sum(), vjp=lambda g, x: x)
    x = lg.asarray(w, requires_grad=True)
    (odd(x) + odd(x) + odd(x)).backward()
    assert w.tolist() == [2.0, 3.0]
    assert x.grad.tolist() == [6.0, 9.0]


def test_an_error_inside_a_backward_names_the_forward() -> None:
    def fails(g: object, x: object) -> object:
        raise ZeroDivisionError("planted")

    bad = lg.custom("bad", forward=lambda x: x * 2, vjp=fails)
    y = bad(leaf(1.0))
    with pytest.raises(ZeroDivisionError) as caught:
        y.backward()
    assert any("`bad`" in note and "test_engine.py" in note for note in caught.value.__notes__)


# -- bad input ------------------------------------------------------------------------------------


def test_shapes_that_do_not_fit() -> None:
    a, b = lg.zeros((3, 4), requires_grad=True), lg.zeros(3)
    with pytest.raises(lg.ShapeError) as caught:
        a + b
    message = str(caught.value)
    assert "`add`" in message and "[3, 4]" in message and "test_engine.py:" in message
    assert "y[:, None]" in message
    with pytest.raises(lg.ShapeError, match=r"`matmul`.*\[3, 4\].*\[3, 4\]"):
        a @ lg.zeros((3, 4))


def test_backward_on_a_value_that_is_no_scalar() -> None:
    x = leaf(1.0, 2.0)
    with pytest.raises(lg.GraphError) as caught:
        (x * 2).backward()
    assert ".sum().backward()" in str(caught.value)
    assert "backward(upstream)" in str(caught.value)
    with pytest.raises(lg.ShapeError, match="upstream"):
        (x * 2).backward(np.ones(3))


def test_backward_on_a_constant() -> None:
    with pytest.raises(lg.GraphError, match="requires_grad=True"):
        lg.asarray(1.0).backward()


def test_an_integer_leaf() -> None:
    with pytest.raises(lg.ShapeError, match="float"):
        lg.asarray([1, 2], requires_grad=True)


def test_gradients_of_an_unused_input() -> None:
    x, y = leaf(1.0), leaf(2.0)
    with pytest.raises(lg.GraphError, match="allow_unused"):
        lg.gradients(x * 2, [x, y])
    assert lg.gradients(x * 2, [x, y], allow_unused=True)[1] is None


def test_a_partial_that_names_something_unknown() -> None:
    with pytest.raises(lg.errors.DeclarationError, match="`q`"):
        lg.pointwise("odd", forward=lambda x: x, x=lambda q: q)


def test_a_partial_of_something_that_forward_does_not_take() -> None:
    with pytest.raises(lg.errors.DeclarationError, match="for `z`.*; it takes x"):
        lg.pointwise("odd", forward=lambda x: x, z=lambda x: 1)


def test_no_gradient_of_an_option_is_lost_without_a_word() -> None:
    scaled = lg.pointwise("scaled", forward=lambda x, by=1.0: x * by, x=lambda by: by)
    x, by = leaf(2.0), leaf(3.0)
    for call in (
        lambda: scaled(x, by),
        lambda: scaled(x, by=by),
        lambda: scaled(2.0, by),
        lambda: lg.leaky_relu(x, negative_slope=by),
        lambda: lg.var(x, correction=by),
        lambda: lg.nn.functional.layer_norm(lg.ones((2, 3)), (3,), eps=by),
    ):
        with pytest.raises(lg.GraphError, match="no derivative with respect to"):
            call()
    scaled(x, by.detach()).backward()
    assert x.grad.item() == 3.0
    with lg.no_grad():
        assert scaled(x, by).item() == 6.0


def test_nodes_stay_small() -> None:
    assert not hasattr(Node, "__dict__") or "__dict__" not in dir(Node)
    assert not hasattr(leaf(1.0) * 2, "__dict__")


def test_parts_of_one_source_add_into_one_buffer() -> None:
    """Slices that overlap, integer places that repeat: their gradients add, as by single sweeps."""
    rng = np.random.default_rng(0)
    x = lg.asarray(rng.standard_normal((6, 4)), requires_grad=True)
    keys = [np.s_[1:4], np.s_[2:, 1], (np.array([0, 0, 3]),), np.s_[::-2]]
    factors = [rng.standard_normal(x.numpy()[key].shape) for key in keys]
    expected = np.zeros((6, 4))
    for key, factor in zip(keys, factors):
        np.add.at(expected, key, factor)
    y = sum((x[key] * factor).sum() for key, factor in zip(keys, factors))
    y.backward(retain_graph=True)
    np.testing.assert_allclose(x.grad.numpy(), expected)
    y.backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * expected)


def test_a_number_beside_an_array_is_read_as_numpy_reads_it() -> None:
    numbers = (1.1, 2, True, 0.0, -0.0, 1e-46, 16777217, 2**64 + 1, np.inf, np.nan)
    for dtype in (np.float16, np.float32, np.float64, np.int64, np.complex64):
        values = np.array([-2, -1, 1, 3], dtype)
        x = lg.asarray(values)
        if dtype != np.int64:
            x.requires_grad_()
        for number in numbers:
            for ours, theirs in ((lg.multiply, np.multiply), (lg.divide, np.divide)):
                with np.errstate(all="ignore"):
                    try:
                        expected = theirs(values, number), theirs(number, values)
                    except OverflowError:
                        continue
                    found = ours(x, number).numpy(), ours(number, x).numpy()
                for f, e in zip(found, expected):
                    assert f.dtype == e.dtype and f.tobytes() == e.tobytes()


def test_a_vjp_that_forgets_an_argument_is_told_so() -> None:
    op = lg.custom("forgetful", lambda a, b: a * b, lambda g, b: g * b)
    with pytest.raises(lg.errors.DeclarationError, match=r"1 gradients for 2 arguments.*\n.*a, b"):
        op(leaf(1.0), leaf(2.0)).backward()


@pytest.mark.parametrize("shape", [(3, 5), (40, 4, 128)])
@pytest.mark.parametrize("other", ["skip", "piece", "both"])
def test_a_rule_that_adds_to_what_has_arrived(shape: tuple[int, ...], other: str) -> None:
    rng = np.random.default_rng(0)
    drawn, upstream = rng.standard_normal((2, *shape)).astype("float32")

    def gradient(norm: Any) -> tuple[np.ndarray, np.ndarray]:
        x = lg.asarray(drawn, requires_grad=True)
        w = lg.asarray(np.linspace(1, 2, shape[-1], dtype="float32"), requires_grad=True)
        h = x * 2
        y = norm(h, w)  # made before the others: what these send has arrived when its turn comes
        y = y + h if other != "piece" else y
        y = lg.concat([y[..., :2], y[..., 2:] * h[..., 2:]], axis=-1) if other != "skip" else y
        (y * lg.asarray(upstream)).sum().backward()
        assert x.grad is not None and w.grad is not None
        return x.grad.numpy(), w.grad.numpy()

    def derived(h: Any, w: Any) -> Any:
        return layer_norm.derivation(h, w, None)

    assert layer_norm.adds
    for found, expected in zip(gradient(lambda h, w: layer_norm(h, w, None)), gradient(derived)):
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-5)


def test_what_has_arrived_is_added_in_another_buffer() -> None:
    x = lg.asarray(np.random.default_rng(0).standard_normal((64, 256)).astype("float32"))
    x.requires_grad_()
    h = x * 1
    g = lg.asarray(np.ones((64, 256), "float32"))
    (h + layer_norm(h, None, None)).backward(g)  # both receive g itself
    np.testing.assert_array_equal(g.numpy(), 1)
