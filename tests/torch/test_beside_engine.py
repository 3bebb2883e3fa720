"""One network, one set of weights, both libraries: the same ledger, node for node."""

from __future__ import annotations

import importlib
import math
from typing import Any

import numpy as np
import pytest

import localgrad as lg
from localgrad.ledger.compare import align
from localgrad.ledger.model import LedgerRecord
from localgrad.ledger.vocabulary import alike
from tests.nn.twins import twins

torch = pytest.importorskip("torch")

from localgrad.torch import Ledger  # noqa: E402

TOLERANCE = 1e-9
STEPS = {"log_softmax", "reshape", "expand", "clone"}  # of PyTorch, for what is one operation here
WHOLE = {"group_norm"}  # one operation of PyTorch, for what are several here


def perceptron(nn: Any) -> Any:
    layers = nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 5), nn.ReLU(), nn.Linear(5, 3)
    return nn.Sequential(*layers)


def residual(nn: Any) -> Any:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(2, 2, 3, padding=1, bias=False)
            self.norm1 = nn.BatchNorm2d(2)
            self.conv2 = nn.Conv2d(2, 2, 3, padding=1)
            self.relu = nn.ReLU()

        def forward(self, x: Any) -> Any:
            y = self.conv2(self.relu(self.norm1(self.conv1(x))))
            return self.relu(y + x)

    head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 3)
    return nn.Sequential(nn.Conv2d(1, 2, 3), Block(), Block(), *head)


def transformer(nn: Any) -> Any:
    functional = importlib.import_module(nn.__name__ + ".functional")

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.qkv, self.out = nn.LayerNorm(6), nn.Linear(6, 18), nn.Linear(6, 6)
            self.norm2, self.fc1, self.fc2 = nn.LayerNorm(6), nn.Linear(6, 8), nn.Linear(8, 6)

        def forward(self, x: Any) -> Any:
            qkv = self.qkv(self.norm1(x)).reshape((3, 4, 3, 2, 3))
            q, k, v = (qkv[:, :, i].swapaxes(1, 2) for i in range(3))
            y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.out(y.swapaxes(1, 2).reshape((3, 4, 6)))
            return x + self.fc2(functional.gelu(self.fc1(self.norm2(x))))

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks, self.head = nn.Sequential(Block(), Block()), nn.Linear(24, 3)

        def forward(self, x: Any) -> Any:
            return self.head(self.blocks(x).reshape((3, 24)))

    return Model()


def shared(nn: Any) -> Any:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.step, self.head = nn.Linear(5, 5), nn.Linear(5, 3)

        def forward(self, x: Any) -> Any:
            for _ in range(3):
                x = self.step(x).tanh() * 0.5 + x
            return self.head(x)

    return Model()


def views(nn: Any) -> Any:
    """A value seen in every way: cut, turned, stretched, laid flat."""

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.wide, self.gate, self.head = nn.Linear(6, 8), nn.Linear(6, 1), nn.Linear(24, 3)

        def forward(self, x: Any) -> Any:
            y = self.wide(x)
            first, last = y[:, 0], y[:, -1]
            middle = y[:, 1:3].reshape((4, 16)) * self.gate(x)[:, 0]
            gated = (first * last)[:, None].swapaxes(1, 2).reshape((4, 8))
            together = importlib.import_module(nn.__name__.partition(".")[0]).concat(
                [middle, gated.tanh()], axis=1
            )
            return self.head(together)

    return Model()


def pools(nn: Any) -> Any:
    return nn.Sequential(
        nn.Conv2d(1, 2, 3),
        nn.MaxPool2d(2),
        nn.Conv2d(2, 3, 3, padding=1),
        nn.AvgPool2d(2),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d((2, 1)),
        nn.Flatten(),
        nn.Linear(6, 3),
    )


def groups(nn: Any) -> Any:
    """Group norm twice around a convolution, in a residual block."""

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.norm1 = nn.Conv2d(1, 4, 3), nn.GroupNorm(2, 4)
            self.conv, self.norm2 = nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.GroupNorm(4, 4)
            self.pool, self.flat, self.head = nn.AvgPool2d(2), nn.Flatten(), nn.Linear(16, 3)

        def forward(self, x: Any) -> Any:
            x = self.stem(x)
            x = x + self.norm2(self.conv(self.norm1(x).tanh()))
            return self.head(self.flat(self.pool(x)))

    return Model()


def unfused(nn: Any) -> Any:
    """Attention written out: a product, the scale, a softmax, a product."""
    functional = importlib.import_module(nn.__name__ + ".functional")

    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.q, self.k, self.v = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 6)
            self.out = nn.Linear(6, 6)

        def heads(self, x: Any) -> Any:
            return x.reshape((3, 4, 2, 3)).swapaxes(1, 2)

        def forward(self, x: Any) -> Any:
            q, k, v = self.heads(self.q(x)), self.heads(self.k(x)), self.heads(self.v(x))
            scores = (q @ k.swapaxes(2, 3)) / math.sqrt(3)
            y = functional.softmax(scores, dim=-1) @ v
            return self.out(y.swapaxes(1, 2).reshape((3, 4, 6)))

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = Attention(), Attention()
            self.head = nn.Linear(24, 3)

        def forward(self, x: Any) -> Any:
            x = x + self.first(x)
            return self.head((x + self.second(x)).reshape((3, 24)))

    return Model()


def instances(nn: Any) -> Any:
    """Instance norm with and without a scale of its own, which PyTorch repeats by instance."""
    return nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.InstanceNorm2d(4, affine=True),
        nn.Tanh(),
        nn.Conv2d(4, 4, 3, padding=1, bias=False),
        nn.InstanceNorm2d(4),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(16, 3),
    )


CASES = {
    "views": (views, (4, 3, 6)),
    "pools": (pools, (3, 1, 12, 12)),
    "perceptron": (perceptron, (4, 6)),
    "residual": (residual, (3, 1, 6, 6)),
    "transformer": (transformer, (3, 4, 6)),
    "shared": (shared, (4, 5)),
    "groups": (groups, (3, 1, 6, 6)),
    "unfused": (unfused, (3, 4, 6)),
    "instances": (instances, (3, 1, 6, 6)),
}
# Instance norm is a batch norm of views in PyTorch and a layer norm of views here.
NODE_FOR_NODE = [name for name in CASES if name != "instances"]


def both(name: str, level: str) -> tuple[LedgerRecord, LedgerRecord]:
    build, shape = CASES[name]
    ours, theirs = twins(build)
    x = np.random.default_rng(0).standard_normal(shape)
    labels = np.arange(shape[0]) % 3
    with lg.Ledger(ours, level=level) as here:
        lg.nn.functional.cross_entropy(ours(lg.asarray(x)), lg.asarray(labels)).backward()
    with Ledger(theirs, level=level) as there:
        given, wanted = torch.from_numpy(x), torch.from_numpy(labels)
        torch.nn.functional.cross_entropy(theirs(given), wanted).backward()
    here.findings(), there.findings()
    return here.record, there.record


@pytest.mark.parametrize("level", ["norms", "edges", "values"])
@pytest.mark.parametrize("name", NODE_FOR_NODE)
def test_the_same_network_yields_the_same_ledger(name: str, level: str) -> None:
    ours, theirs = both(name, level)
    assert ours.loss == pytest.approx(theirs.loss, rel=TOLERANCE)
    alignment = align(ours, theirs)
    nodes = [(ours.nodes[i], theirs.nodes[j]) for i, j in alignment.nodes]
    matched = {i for i, _ in alignment.nodes}
    whole = {node.module for _, node in nodes if alike(node.op) in WHOLE}
    parts = {node.id for node in ours.nodes if node.id not in matched}
    assert {ours.nodes[i].module for i in parts} == whole
    pairs = dict(alignment.nodes)
    steps = {alike(node.op) for node in theirs.nodes if node.id not in pairs.values()}
    assert steps <= STEPS
    for here, there in nodes:
        # PyTorch's products run on (batch · length, width): the same elements.
        assert math.prod(here.shape) == math.prod(there.shape)
        assert here.upstream is not None and there.upstream is not None
        assert here.upstream.norm == pytest.approx(there.upstream.norm, rel=TOLERANCE), here
        assert here.upstream.rms == pytest.approx(there.upstream.rms, rel=TOLERANCE)
    edges = [(ours.edges[i], theirs.edges[j]) for i, j in alignment.edges]
    outer = {edge.id for edge in ours.edges if edge.source not in parts}
    assert {i for i, _ in alignment.edges} == outer
    for here, there in edges:
        assert here.size == there.size
        assert here.norm == pytest.approx(there.norm, rel=TOLERANCE)
        assert here.share == pytest.approx(there.share, rel=TOLERANCE)
        assert here.cosine == pytest.approx(there.cosine, rel=TOLERANCE)
        if here.consumer not in parts:  # the gain of a part is its own alone
            consumer = theirs.nodes[pairs[here.consumer]]  # at the end of PyTorch's steps
            assert here.gain == pytest.approx(there.rms / consumer.upstream.rms, rel=TOLERANCE)
        if here.contribution is not None and there.contribution is not None:
            given = np.asarray(there.contribution).reshape(here.contribution.shape)
            np.testing.assert_allclose(here.contribution, given, 1e-7, 1e-12)
    assert [f.kind for f in ours.findings] == [f.kind for f in theirs.findings] == []


@pytest.mark.parametrize("name", CASES)
def test_parameters_are_split_alike_by_use(name: str) -> None:
    ours, theirs = both(name, "norms")
    named = {node.label: node for node in ours.parameters()}
    assert len(named) == len(theirs.parameters())
    for there in theirs.parameters():
        here = named[there.label]
        assert here.names == there.names and here.module == there.module
        a, b = (
            sorted((e.norm, e.share) for e in r.arrived(n))
            for r, n in ((ours, here), (theirs, there))
        )
        np.testing.assert_allclose(a, b, 1e-9, 1e-15)  # the bias of attention's keys has none


@pytest.mark.parametrize("name", CASES)
def test_the_two_ledgers_compare_without_a_difference(name: str) -> None:
    ours, theirs = both(name, "norms")
    compared = lg.Ledger.compare(ours, theirs, tolerance=1e-6)
    assert compared.compare is not None
    assert compared.compare.first_divergence is None, compared.compare.message
