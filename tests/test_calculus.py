"""Derivatives of functions: against closed forms, PyTorch and each other, in every nesting."""

import numpy as np
import pytest

import localgrad as lg


def f(x: lg.Tensor) -> lg.Tensor:
    return (lg.sin(x) * lg.exp(0.5 * x)).sum()


X = np.array([0.3, -1.2, 2.0])


def df(x: np.ndarray) -> np.ndarray:
    return np.cos(x) * np.exp(0.5 * x) + 0.5 * np.sin(x) * np.exp(0.5 * x)


def ddf(x: np.ndarray) -> np.ndarray:
    return np.exp(0.5 * x) * (np.cos(x) - 0.75 * np.sin(x))


def test_grad_and_value() -> None:
    value, gradient = lg.value_and_grad(f)(X)
    assert value.item() == pytest.approx((np.sin(X) * np.exp(0.5 * X)).sum())
    np.testing.assert_allclose(gradient.numpy(), df(X), rtol=1e-12)
    assert not gradient.requires_grad and not value.requires_grad


def test_perturbations_are_not_confused() -> None:
    assert lg.grad(lambda x: x * lg.grad(lambda y: x * y)(2.0))(4.0).item() == 8.0
    assert lg.grad(lambda x: x * lg.jvp(lambda y: x * y, (2.0,), (1.0,))[1])(4.0).item() == 8.0
    assert (
        lg.jvp(lambda x: x * lg.jvp(lambda y: x + y, (1.0,), (1.0,))[1], (3.0,), (1.0,))[1].item()
        == 1.0
    )


@pytest.mark.parametrize("mode", ["auto", "reverse", "forward"])
def test_jacobian(mode: str) -> None:
    def g(x: lg.Tensor) -> lg.Tensor:
        return lg.outer(x[:2], lg.sin(x))

    jacobian = lg.jacobian(g, mode=mode)(X)
    assert jacobian.shape == (2, 3, 3)
    expected = np.zeros((2, 3, 3))
    for i in range(2):
        for j in range(3):
            expected[i, j, i] += np.sin(X[j])
            expected[i, j, j] += X[i] * np.cos(X[j])
    np.testing.assert_allclose(jacobian.numpy(), expected, rtol=1e-12)


def test_hessian_and_products() -> None:
    np.testing.assert_allclose(lg.hessian(f)(X).numpy(), np.diag(ddf(X)), atol=1e-12)
    v = np.array([1.0, -2.0, 0.5])
    np.testing.assert_allclose(lg.hvp(f, (X,), (v,)).numpy(), ddf(X) * v, rtol=1e-12)


@pytest.mark.parametrize("order", ["ff", "fr", "rf", "rr"])
def test_second_derivatives_by_every_composition(order: str) -> None:
    def along(g, x):  # forward mode along the unit direction
        return lg.jvp(g, (x,), (1.0,))[1]

    def derivative(g, kind: str):
        return (lambda x: along(g, x)) if kind == "f" else lg.grad(g)

    def h(x: lg.Tensor) -> lg.Tensor:
        return lg.tanh(x) * x

    second = derivative(derivative(h, order[1]), order[0])(lg.asarray(0.7, dtype=lg.float64))
    t = np.tanh(0.7)
    expected = 2 * (1 - t * t) + 0.7 * (-2 * t * (1 - t * t))
    assert second.item() == pytest.approx(expected, rel=1e-12)


def test_structures() -> None:
    parameters = {"w": lg.asarray([1.0, 2.0]), "b": (lg.asarray(3.0), [lg.asarray(4.0)])}

    def g(p: dict) -> lg.Tensor:
        return (p["w"] * p["b"][0]).sum() + p["b"][1][0] ** 2

    found = lg.grad(g)(parameters)
    assert found["w"].tolist() == [3.0, 3.0]
    assert found["b"][0].item() == 3.0
    assert found["b"][1][0].item() == 8.0


def test_vjp_may_be_pulled_often_and_has_the_outputs_structure() -> None:
    outputs, pull = lg.vjp(lambda a, b: {"p": a * b, "s": a + b}, 2.0, 5.0)
    assert outputs["p"].item() == 10.0
    for _ in range(2):
        a, b = pull({"p": lg.asarray(1.0), "s": lg.asarray(10.0)})
        assert (a.item(), b.item()) == (15.0, 12.0)
    with pytest.raises(lg.ShapeError, match="nested"):
        pull(lg.asarray(1.0))


def test_a_closures_parameter_can_be_differentiated_through_a_gradient() -> None:
    w = lg.asarray(2.0, requires_grad=True)
    penalty = lg.grad(lambda x: w * x**2)(3.0) ** 2  # (2 w x)² = 4 w² x²
    penalty.backward()
    assert w.grad.item() == pytest.approx(8 * 2.0 * 9.0)


def test_a_function_that_does_not_return_a_scalar() -> None:
    with pytest.raises(lg.GraphError, match="one number"):
        lg.grad(lambda x: x * 2)(X)


def test_per_example_gradients_match_a_sweep_for_each() -> None:
    rng = np.random.default_rng(0)
    w = lg.asarray(rng.standard_normal((3, 4)), requires_grad=True)
    b = lg.asarray(rng.standard_normal(4), requires_grad=True)
    v = lg.asarray(rng.standard_normal((1, 4)), requires_grad=True)
    x = lg.asarray(rng.standard_normal((5, 3)))

    def losses(mix: bool) -> lg.Tensor:
        h = x @ w + b
        if mix:  # the examples meet: their mean is subtracted
            h = h - h.mean(axis=0, keepdims=True)
        return (lg.tanh(h) @ v.mT).reshape(5)

    for mix in (False, True):
        found = lg.per_example_gradients(losses(mix), [w, b, v])
        for i in range(5):
            alone = lg.gradients(losses(mix)[i], [w, b, v])
            for mine, theirs in zip(found, alone):
                np.testing.assert_allclose(mine.numpy()[i], theirs.numpy(), atol=1e-14)
    with pytest.raises(lg.ShapeError, match="one loss per example"):
        lg.per_example_gradients((x @ w).sum(), [w])


def test_checkpoint_gives_the_same_gradients_and_keeps_nothing() -> None:
    w = lg.asarray(X, requires_grad=True)

    def block(x: lg.Tensor) -> lg.Tensor:
        return lg.exp(lg.sin(x) * w)

    x = lg.asarray(X + 1, requires_grad=True)
    block(block(x)).sum().backward()
    expected = x.grad.numpy().copy(), w.grad.numpy().copy()
    x.grad = w.grad = None
    y = lg.checkpoint(block)(lg.checkpoint(block)(x))
    assert y.node.retained == {}
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), expected[0])
    np.testing.assert_array_equal(w.grad.numpy(), expected[1])
    second = lg.hessian(lambda x: lg.checkpoint(block)(x).sum())(X).numpy()
    np.testing.assert_allclose(second, lg.hessian(lambda x: block(x).sum())(X).numpy())


def test_checkpoint_replays_random_draws() -> None:
    lg.manual_seed(3)
    x = lg.asarray(np.ones(100), requires_grad=True)
    y = lg.checkpoint(lambda x: lg.nn.functional.dropout(x, 0.5) ** 2)(x)
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * y.numpy())


def test_a_checkpoint_that_cannot_be_repeated_says_so() -> None:
    calls = []

    def fickle(x: lg.Tensor) -> lg.Tensor:
        calls.append(1)
        return lg.sin(x) if len(calls) == 1 else lg.exp(x)

    y = lg.checkpoint(fickle)(lg.asarray(1.0, requires_grad=True))
    with pytest.raises(lg.GraphError, match="`sin` at first and `exp`"):
        y.backward()


def test_the_checker_names_the_operation_that_is_wrong() -> None:
    wrong = lg.pointwise("wrong", forward=lambda x: np.sin(x), x=lambda x: np.cos(x) * 1.001)
    with pytest.raises(lg.GradientMismatch) as caught:
        lg.check_gradients(lambda x: lg.exp(wrong(x) * 2), np.array([0.1, 0.5]))
    message = str(caught.value)
    assert "`wrong`" in message and "g·cos(x)·1.001" in message and "test_calculus.py:" in message


def test_the_checker_accepts_functions_that_are_right() -> None:
    rng = np.random.default_rng(1)
    report = lg.check_gradients(
        lambda x, w: lg.softmax(lg.tanh(x @ w), axis=-1),
        rng.standard_normal((2, 3)),
        rng.standard_normal((3, 4)),
    )
    assert {row.order for row in report.rows} == {1, 2}
    assert max(row.error for row in report.rows) < 1e-8
    assert "order" in str(report)


def test_the_checker_finds_a_wrong_second_order() -> None:
    # The vjp is right, but hides its dependence on x from the graph.
    hidden = lg.custom(
        "hidden",
        forward=lambda x: x**3,
        vjp=lambda g, x: g * lg.asarray(3 * np.asarray(x) ** 2),
    )
    with pytest.raises(lg.GradientMismatch, match="order 2"):
        lg.check_gradients(hidden, np.array([0.4, 1.5]))
