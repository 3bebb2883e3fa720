"""A layer and the relu behind it, computed in one pass: the same numbers, the same graph."""

from typing import Any

import numpy as np
import pytest

import localgrad as lg
from localgrad import nn
from localgrad.local.composite import Composite

RNG = np.random.default_rng(0)


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(),
        nn.Conv2d(16, 16, 3, bias=False), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(16 * 15 * 15, 64), nn.ReLU(), nn.ReLU(),
        nn.Linear(64, 10), nn.Sigmoid(), nn.Linear(10, 10),
    )  # fmt: skip


def one_by_one(net: nn.Sequential, x: Any) -> Any:
    for module in net:
        x = module(x)
    return x


def names(y: Any) -> list[tuple[str, str]]:
    found, node = [], y.source
    while node.inputs:
        found.append((node.op.name, node.module))
        node = node.inputs[0] or node.inputs[1]
    return found


def test_numbers_and_graph_are_those_of_the_modules_called_one_by_one() -> None:
    net = network()
    data = RNG.standard_normal((4, 3, 32, 32)).astype("f4")
    results = []
    for road in (net, lambda x: one_by_one(net, x)):
        x = lg.asarray(data, requires_grad=True)
        y = road(x)
        graph = names(y)
        y.backward(np.ones(y.shape, "f4"))
        results.append((y.numpy(), x.grad.numpy(), *[p.grad.numpy() for p in net.parameters()]))
        net.zero_grad()
        assert [name for name, _ in graph].count("relu") == 4
        results.append([name for name, _ in graph])
    for a, b in zip(results[0], results[2], strict=True):
        np.testing.assert_array_equal(a, b)
    assert results[1] == results[3]
    modules = {module: name for name, module in names(net(lg.asarray(data)))}
    assert modules["1"] == modules["3"] == modules["7"] == "relu" and modules["6"] == "linear"
    with lg.no_grad():
        np.testing.assert_array_equal(net(lg.asarray(data)).numpy(), results[0][0])


def test_it_is_one_pass_and_a_ledger_still_sees_what_lies_between(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    passes = []
    plain = Composite.clamped
    monkeypatch.setattr(
        Composite, "clamped", lambda op, *a, **o: (passes.append(op.name), plain(op, *a, **o))[1]
    )
    net, x = network(), lg.asarray(RNG.standard_normal((4, 3, 32, 32)).astype("f4"))
    net(x)
    assert passes == ["convolution_with_bias", "linear"]
    passes.clear()
    with lg.Ledger() as ledger:
        net(x).sum().backward()
    assert passes == []
    seen = [node.op for node in ledger.nodes]
    assert seen.count("relu") == 4


def test_a_layer_whose_forward_was_replaced_is_called() -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    net[0].forward = lambda x: -x
    assert net(lg.asarray([[1.0, -2.0, 3.0, -4.0]])).tolist() == [[0, 2, 0, 4]]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity(value: float) -> None:
    net = nn.Sequential(nn.Linear(200, 100), nn.ReLU())
    data = RNG.standard_normal((64, 200)).astype("f4")
    data[3, 5] = value
    x = lg.asarray(data)
    np.testing.assert_array_equal(net(x).numpy(), one_by_one(net, x).numpy())


def test_an_error_says_what_the_layer_says() -> None:
    net = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
    with pytest.raises(lg.LocalgradError) as alone:
        net[0](lg.ones((4, 5)))
    with pytest.raises(lg.LocalgradError) as behind:
        net(lg.ones((4, 5)))
    assert str(alone.value).split(" at ")[0] == str(behind.value).split(" at ")[0]
