"""The generated kernels against the NumPy reference: values, gradients, updates, threads.

Every case runs twice, on the kernels and on the reference that runs where Numba is absent, and
must agree to the precision of its type. Sizes are large enough for the kernels to be taken.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import localgrad as lg
from localgrad import nn, optim
from localgrad.kernels import cpu, dispatch, dispatch_layers

pytest.importorskip("numba")

F = nn.functional
RNG = np.random.default_rng(0)


@contextmanager
def reference_only(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        for module in (dispatch, dispatch_layers):
            if hasattr(module, "kernels_allowed"):
                patched.setattr(module, "kernels_allowed", lambda: False)
        yield


def close(a: Any, b: Any, dtype: str) -> None:
    a, b = np.asarray(a), np.asarray(b)
    assert a.dtype == b.dtype and a.shape == b.shape
    scale = float(abs(b[np.isfinite(b)]).max(initial=1e-6))
    bound = (2e-4 if dtype == "float32" else 1e-11) * scale
    np.testing.assert_allclose(a, b, rtol=0, atol=bound)


def swept(f: Callable[..., Any], data: list[np.ndarray], upstream_seed: int = 1) -> list[Any]:
    """f's outputs, and the downstream of every float argument."""
    leaves = [lg.asarray(d, requires_grad=d.dtype.kind == "f") for d in data]
    y = f(*leaves)
    rng = np.random.default_rng(upstream_seed)
    y.backward(rng.standard_normal(y.shape).astype(y.dtype))
    return [y.numpy(), *(t.grad.numpy() for t in leaves if t.grad is not None)]


def compare(
    f: Callable[..., Any], data: list[np.ndarray], dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = [d.astype(dtype) if d.dtype.kind == "f" else d for d in data]
    fast = swept(f, data)
    with reference_only(monkeypatch):
        slow = swept(f, data)
    assert len(fast) == len(slow)
    for a, b in zip(fast, slow):
        close(a, b, dtype)


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape)


def random_convolutions(count: int) -> list[tuple[Any, ...]]:
    rng = np.random.default_rng(7)
    cases = []
    while len(cases) < count:
        groups = int(rng.choice([1, 1, 1, 2, 4]))
        inputs, outputs = (groups * int(rng.integers(1, 12)) for _ in range(2))
        kernel, stride, padding, dilation = (
            tuple(int(v) for v in rng.integers(low, high, 2))
            for low, high in ((1, 6), (1, 4), (0, 4), (1, 3))
        )
        size = tuple(int(v) for v in rng.integers(6, 20, 2))
        if all(n + 2 * p > d * (k - 1) for n, p, d, k in zip(size, padding, dilation, kernel)):
            cases.append((inputs, outputs, size, kernel, stride, padding, dilation, groups))
    return cases


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", random_convolutions(50), ids=str)
def test_convolutions(case: Any, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs, outputs, size, kernel, stride, padding, dilation, groups = case
    data = [normal(3, inputs, *size), normal(outputs, inputs // groups, *kernel), normal(outputs)]
    compare(
        lambda x, w, b: F.conv2d(x, w, b, stride, padding, dilation, groups),
        data,
        dtype,
        monkeypatch,
    )


@pytest.mark.parametrize(
    "case",
    [  # weights beyond the first-level cache; images much larger than what the window leaves
        (64, 64, (16, 16), (7, 7), (1, 1), (3, 3), (1, 1), 1),
        (256, 96, (8, 9), (7, 7), (1, 1), (3, 3), (1, 1), 1),
        (96, 40, (19, 17), (7, 7), (1, 1), (2, 0), (2, 1), 1),
        (77, 60, (30, 7), (7, 7), (1, 1), (0, 0), (1, 1), 1),
        (64, 64, (20, 20), (7, 7), (2, 1), (3, 3), (1, 1), 1),
        (64, 32, (20, 20), (7, 7), (1, 1), (8, 9), (1, 1), 1),
        # tall and narrow: one or two columns of results
        (6, 9, (33, 5), (3, 4), (1, 1), (0, 0), (1, 1), 3),
        (20, 10, (41, 6), (3, 3), (2, 2), (1, 0), (1, 1), 1),
        (40, 8, (25, 9), (2, 4), (1, 3), (0, 0), (1, 2), 2),
    ],
    ids=str,
)
def test_large_convolutions(case: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    test_convolutions(case, "float64", monkeypatch)


LAYERS: dict[str, tuple[Callable[..., Any], list[np.ndarray]]] = {
    "linear": (F.linear, [normal(64, 130), normal(70, 130), normal(70)]),
    "linear of a sequence": (F.linear, [normal(5, 40, 70), normal(33, 70), normal(33)]),
    "matmul": (lg.matmul, [normal(4, 40, 50), normal(4, 50, 60)]),
    "relu": (F.relu, [normal(40, 1000)]),
    "gelu": (F.gelu, [normal(40, 1000)]),
    "sigmoid": (lg.sigmoid, [normal(40, 1000)]),
    "softmax": (lambda x: lg.softmax(x, axis=-1), [normal(200, 100)]),
    "log softmax": (lambda x: lg.log_softmax(x, axis=1), [normal(200, 100)]),
    "layer norm": (
        lambda x, w, b: F.layer_norm(x, (96,), w, b), [normal(12, 64, 96), normal(96), normal(96)],
    ),
    "batch norm": (
        lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True),
        [normal(8, 16, 12, 12), normal(16), normal(16)],
    ),
    "max pool": (lambda x: F.max_pool2d(x, 2), [normal(8, 16, 14, 14)]),
    "overlapping max pool": (lambda x: F.max_pool2d(x, 3, 1, 1), [normal(8, 16, 14, 14)]),
    "cross entropy": (
        lambda x, t: F.cross_entropy(x, t), [normal(300, 65), RNG.integers(0, 65, 300)],
    ),
    "ignored targets": (
        lambda x, t: F.cross_entropy(x, t, ignore_index=3),
        [normal(300, 65), RNG.integers(0, 65, 300)],
    ),
    "embedding": (lambda w, i: F.embedding(i, w), [normal(65, 128), RNG.integers(0, 65, (16, 64))]),
    "attention": (F.scaled_dot_product_attention, [normal(3, 4, 64, 32) for _ in range(3)]),
    "causal attention": (
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
        [normal(3, 4, 65, 32) for _ in range(3)],
    ),
    "long attention": (
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
        [normal(1, 2, 300, 16) for _ in range(3)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", LAYERS)
def test_layers(name: str, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    compare(*LAYERS[name], dtype, monkeypatch)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize(
    "shape",
    [(20, 16, 48, 64), (70, 27, 37, 45), (2, 600, 24, 40), (5, 9, 200, 230)],
    ids=["whole tiles", "edges and several blocks of times", "more rows than a block",
         "weights too large to be kept at hand"],
)
def test_recurrent_layers(
    shape: tuple[int, ...], kind: str, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    times, batch, inputs, size = shape
    x = normal(times, batch, inputs).astype(dtype)

    def run() -> list[np.ndarray]:
        lg.manual_seed(0)
        layer = getattr(nn, kind)(inputs, size)
        layer = layer.double() if dtype == "float64" else layer
        leaf = lg.asarray(x, requires_grad=True)
        y, _ = layer(leaf)
        (y * y).sum().backward()
        return [y.numpy(), leaf.grad.numpy(), *(p.grad.numpy() for p in layer.parameters())]

    fast = run()
    with reference_only(monkeypatch):
        slow = run()
    for a, b in zip(fast, slow):
        close(a, b, dtype)


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_recurrent_layers_in_any_order(
    kind: str, batch_first: bool, bias: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Odd sizes, given first states, and an upstream for every result and for the last alone."""
    x, states = normal(5, 9, 37).astype("f4"), [normal(1, 5, 45).astype("f4") for _ in range(2)]
    x = x if batch_first else np.ascontiguousarray(x.swapaxes(0, 1))
    upstream = normal(*x.shape[:2], 45).astype("f4")

    def run(wanted: str) -> list[np.ndarray]:
        lg.manual_seed(0)
        layer = getattr(nn, kind)(37, 45, batch_first=batch_first, bias=bias)
        leaves = [lg.asarray(a, requires_grad=True) for a in (x, *states)]
        given = tuple(leaves[1:]) if kind == "LSTM" else leaves[1]
        y, last = layer(leaves[0], given)
        last = sum(last, 0) if kind == "LSTM" else last
        total = (last * last).sum()
        if wanted == "all":
            total = total + (y * lg.asarray(upstream)).sum()
        total.backward()
        wanted_leaves = leaves if kind == "LSTM" else leaves[:2]
        return [y.numpy(), *(t.grad.numpy() for t in (*wanted_leaves, *layer.parameters()))]

    for wanted in ("all", "last"):
        fast = run(wanted)
        with reference_only(monkeypatch):
            slow = run(wanted)
        for a, b in zip(fast, slow):
            close(a, b, "float32")


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_nan_stays_in_its_row_of_a_recurrent_layer(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, h = normal(24, 32, 64).astype("f4"), normal(1, 32, 64).astype("f4")
    h[0, 5, 3] = np.nan

    def run() -> list[np.ndarray]:
        lg.manual_seed(0)
        layer = getattr(nn, kind)(64, 64)
        leaf = lg.asarray(x, requires_grad=True)
        states = [lg.asarray(h), lg.asarray(np.zeros_like(h))]
        y, _ = layer(leaf, tuple(states) if kind == "LSTM" else states[0])
        y.sum().backward()
        return [y.numpy(), leaf.grad.numpy()]

    fast = run()
    with reference_only(monkeypatch):
        slow = run()
    for a, b in zip(fast, slow):
        assert np.isnan(b[:, 5]).all() and np.isfinite(np.delete(b, 5, axis=1)).all()
        close(a, b, "float32")


@pytest.mark.parametrize(
    "make",
    [
        lambda p: optim.SGD(p, lr=0.1),
        lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
        lambda p: optim.Adam(p, lr=0.01),
        lambda p: optim.Adam(p, lr=0.01, amsgrad=True, weight_decay=0.1, maximize=True),
        lambda p: optim.AdamW(p, lr=0.01, weight_decay=0.1),
        lambda p: optim.RMSprop(p, lr=0.01),
        lambda p: optim.Adagrad(p, lr=0.01),
    ],
    ids=["SGD", "SGD with all", "Adam", "Adam with all", "AdamW", "RMSprop", "Adagrad"],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_updates(make: Any, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    start = [normal(*shape).astype(dtype) for shape in ((200, 300), (9, 3, 5, 5), (7,), (1,), ())]
    slopes = [[np.asarray(normal(*s.shape), dtype) for s in start] for _ in range(5)]

    def run() -> list[np.ndarray]:
        parameters = [nn.Parameter(s.copy()) for s in start]
        optimiser = make(parameters)
        for number, step in enumerate(slopes):
            for p, g in zip(parameters[: number + 3], step):  # the last ones begin later
                p.grad = lg.asarray(g.copy())
            optimiser.step()
        return [p.numpy() for p in parameters]

    fast = run()
    with reference_only(monkeypatch):
        slow = run()
    for a, b in zip(fast, slow):
        close(a, b, dtype)


@pytest.mark.parametrize(
    "change",
    [
        lambda g: np.asfortranarray(g),
        lambda g: np.repeat(g, 2, axis=1)[:, ::2],
        lambda g: g.astype("f8"),
        lambda g: np.frombuffer(g.tobytes(), "f4").reshape(g.shape),
        lambda g: np.frombuffer(b"." + g.tobytes(), "f4", offset=1).reshape(g.shape),
    ],
    ids=["columns", "strides", "another type", "read-only", "unaligned"],
)
def test_updates_by_gradients_that_lie_otherwise(change: Any) -> None:
    """A kernel reads memory by addresses, so it must see what it cannot read."""
    start, slope = normal(50, 60).astype("f4"), normal(50, 60).astype("f4")

    def run(g: np.ndarray) -> list[np.ndarray]:
        found = []
        for make in (optim.SGD, lambda p, lr: optim.SGD(p, lr=lr, momentum=0.9), optim.Adam):
            parameter = nn.Parameter(start.copy())
            optimiser = make([parameter], lr=0.1)
            for _ in range(3):
                parameter.grad = lg.asarray(g)
                optimiser.step()
            found.append(parameter.numpy())
        return found

    for a, b in zip(run(change(slope)), run(slope)):
        close(a, b, "float32")


def called_from_a_kernel(callee: Any) -> Any:
    from numba import njit

    return njit(lambda *arguments: callee(*arguments))


def test_what_only_kernels_call_refuses_a_call_from_python() -> None:
    from localgrad.kernels.cpu import objects

    array = np.zeros(7, "f4")
    assert called_from_a_kernel(objects.size_of)(id(array)) == 7
    with pytest.raises(TypeError):
        objects.size_of(id(array))


def test_an_update_finds_where_arrays_lie() -> None:
    """The compiled code reads NumPy's array objects; their form is checked here, field by field."""
    from localgrad.kernels.cpu import objects

    data_of, size_of, elements = map(
        called_from_a_kernel, (objects.data_of, objects.size_of, objects.elements))

    for array in (np.zeros((3, 4, 5)), np.zeros(7, "f4"), np.zeros(()), np.zeros((0, 4))):
        like = objects.LIKES[array.dtype]
        assert data_of(id(array)) == array.ctypes.data
        assert size_of(id(array)) == array.size
        assert elements(np.array([[id(array)]]), like) == array.size
        array.flags.writeable = False
        assert elements(np.array([[id(array)]]), like) == -1
    one = np.float32(0)
    a, b = np.zeros(6, "f4"), np.zeros(8, "f4")
    assert elements(np.array([[id(a)], [id(b)]]), one) == -1
    c = a.astype("f8")
    assert elements(np.array([[id(a)], [id(c)]]), one) == -1
    assert objects.places_of([a], [b]).tolist() == [[id(a)], [id(b)]]


def test_a_kernel_tells_which_arrays_it_can_take() -> None:
    from localgrad.kernels.cpu import objects

    runs, steps_with, is_labels = map(
        called_from_a_kernel, (objects.is_run, objects.in_step, objects.is_run_of_labels))

    one = np.float32(0)
    model = np.zeros((2, 3, 4, 5), "f4")
    last = np.zeros((2, 4, 5, 3), "f4").transpose(0, 3, 1, 2)
    bytes_ = np.zeros(model.nbytes + 1, np.uint8)
    unaligned = bytes_[1:].view("f4").reshape(model.shape)
    for array, is_run, in_step in (
        (model, True, True),
        (np.ones((2, 3, 4, 5), "f4"), True, True),
        (last, False, False),
        (np.zeros((2, 3, 4, 10), "f4")[..., ::2], False, False),
        (np.broadcast_to(np.float32(1), model.shape), False, False),
        (model[:, ::-1], False, False),
        (unaligned, False, False),
        (model.astype("f8"), False, False),
        (model.astype(">f4"), False, False),
        (model.astype("i4"), False, False),
        (model.reshape(-1), True, False),
        (model[:1], True, False),
    ):
        assert runs(id(array), one) == is_run
        assert steps_with(id(array), id(model), one) == in_step
    assert steps_with(id(last.copy(order="K")), id(last), one)
    assert steps_with(id(model[:, :1, :1]), id(np.zeros((2, 1, 1, 5), "f4")), one) is False
    assert steps_with(id(model[:1, :, :, :]), id(np.zeros((1, 3, 4, 5), "f4")), one)
    for labels, fits in ((np.zeros(4, "i8"), True), (np.zeros(4, "i4"), False),
                         (np.zeros(8, "i8")[::2], False), (np.zeros(4, "u8"), False)):
        assert is_labels(id(labels)) == fits


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nan_and_inf_go_through(
    bad: float, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = normal(64, 200).astype(dtype)
    x[3, 5] = bad
    weight = normal(100, 200).astype(dtype)
    for f in (
        lambda a: F.linear(a, lg.asarray(weight)),
        lambda a: F.relu(a),
        lambda a: F.layer_norm(a, (200,)),
        lambda a: F.softmax(a, -1),
        lambda a: F.log_softmax(a, -1),
        lambda a: F.cross_entropy(a, lg.zeros(64, dtype=lg.int64), reduction="none"),
    ):
        fast = f(lg.asarray(x)).numpy()
        with reference_only(monkeypatch), np.errstate(invalid="ignore"):
            slow = f(lg.asarray(x)).numpy()
        np.testing.assert_array_equal(np.isnan(fast), np.isnan(slow))
        finite = np.isfinite(slow)
        np.testing.assert_array_equal(np.isfinite(fast), finite)
        close(fast[finite], slow[finite], dtype)


def test_fixed_statistics_send_nothing_of_a_nan_back(monkeypatch: pytest.MonkeyPatch) -> None:
    x = normal(2, 4, 40, 40)
    x[0, 1, 2, 3] = np.nan
    mean, variance = (lg.asarray(v) for v in (normal(4), abs(normal(4))))
    _, fast = swept(lambda a: F.batch_norm(a, mean, variance), [x])
    with reference_only(monkeypatch):
        _, slow = swept(lambda a: F.batch_norm(a, mean, variance), [x])
    assert np.isfinite(fast).all()
    np.testing.assert_allclose(fast, slow)


@pytest.mark.parametrize("size", [1 << 13, 1 << 20])
def test_a_channel_whose_first_value_is_an_outlier(size: int) -> None:
    x = np.full((1, 2, size), 0.1, "f4")
    x[0, 0, 0] = 31.4
    mean, variance = cpu.channel_moments(x)
    np.testing.assert_allclose(mean, x.mean((0, 2), dtype="f8"), rtol=1e-5)
    np.testing.assert_allclose(variance, x.var((0, 2), dtype="f8"), rtol=1e-4, atol=1e-12)


def test_empty_arrays() -> None:
    assert F.linear(lg.zeros((0, 200)), lg.zeros((100, 200))).shape == (0, 100)
    assert F.conv2d(lg.zeros((0, 8, 40, 40)), lg.zeros((8, 8, 3, 3))).shape == (0, 8, 38, 38)


def test_strides_and_alignments_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    base = normal(80, 300).astype("f4")
    weight = normal(90, 150).astype("f4")
    for x in (base[:, ::2], base[::-1, :150], np.asfortranarray(base[:, 150:])):
        compare(F.linear, [x, weight], "float32", monkeypatch)
    shifted = np.frombuffer(bytearray(4 * 80 * 150 + 1), np.uint8)[1:].view("f4").reshape(80, 150)
    shifted[...] = base[:, :150]
    expected = F.linear(lg.asarray(base[:, :150].copy()), lg.asarray(weight)).numpy()
    close(F.linear(lg.asarray(shifted), lg.asarray(weight)).numpy(), expected, "float32")
    memory = np.frombuffer(bytearray(4 * 2 * 20 * 20 * 8 + 1), np.uint8)[1:].view("f4")
    images = memory.reshape(2, 20, 20, 8).transpose(0, 3, 1, 2)  # unaligned, channels last
    images[...] = normal(2, 8, 20, 20)
    assert not images.flags.aligned
    kernel = normal(4, 8, 3, 3).astype("f4")
    for f in (lambda x: F.conv2d(x, lg.asarray(kernel)), F.relu):
        for got, wanted in zip(swept(f, [images]), swept(f, [images.copy()]), strict=True):
            close(got, wanted, "float32")


def test_threads_change_nothing_beyond_rounding_and_runs_repeat_bit_for_bit() -> None:
    x, w = normal(8, 32, 14, 14).astype("f4"), normal(64, 32, 5, 5).astype("f4")

    def run() -> list[np.ndarray]:
        return swept(lambda a, b: F.conv2d(a, b, padding=2), [x, w])

    before = cpu.get_num_threads()
    try:
        lg.set_num_threads(1)
        one = run()
        lg.set_num_threads(2)
        two, again = run(), run()
    finally:
        lg.set_num_threads(before)
    for a, b, c in zip(one, two, again):
        close(a, b, "float32")
        np.testing.assert_array_equal(b, c)


def test_a_steady_loop_takes_no_new_memory() -> None:
    """The same step again finds every array of the last one; other sizes let the old ones go."""
    from localgrad.kernels.cpu import arena

    def step(rows: int) -> None:
        held = [arena.empty((rows, width), np.dtype(np.float32)) for width in (512, 700, 512)]
        held.append(cpu.relu(held[0]))
        del held[1]
        held.append(arena.empty((rows, 300), np.dtype(np.float32)))

    arena.release()
    before = arena.usage()[0]
    step(64)
    once = arena.usage()[0] - before
    for _ in range(100):
        step(64)
    assert arena.usage()[0] - before == once > 0
    for _ in range(arena.PERIOD):
        step(32)
    assert arena.usage()[0] - before < once


@pytest.mark.parametrize("shape", [(128, 10, 512), (300, 7, 900), (2000, 40, 33), (768, 128, 65)])
def test_the_two_products_of_a_linear_backward_do_not_meet(shape: tuple[int, int, int]) -> None:
    """One thread may be at the weights while another is at the input: time and again the same."""
    m, n, k = shape
    rng = np.random.default_rng(0)
    g, x, weight = (rng.standard_normal(s, np.float32) for s in ((m, n), (m, k), (n, k)))
    expected = (g @ weight, g.T @ x, g.sum(0))
    first = cpu.linear_backward(g, x, weight)
    for got, right in zip(first, expected):
        np.testing.assert_allclose(got, right, rtol=1e-4, atol=1e-3)
    for _ in range(100):
        for got, before in zip(cpu.linear_backward(g, x, weight), first):
            np.testing.assert_array_equal(got, before)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "key",
    [
        np.s_[:, :, 1],
        np.s_[2:9, ::2],
        np.s_[..., 5:],
        np.s_[:, :, :, :, ::-1],
        np.s_[None, :, 3:60],
        np.s_[::-1],
    ],
    ids=str,
)
def test_slices_added_into_their_source(
    key: Any, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two slices of one source share the buffer of its gradient, whatever runs they lie in."""
    compare(lambda x: x[key] * 2 + x[key] * x[key], [normal(12, 64, 3, 4, 32)], dtype, monkeypatch)
