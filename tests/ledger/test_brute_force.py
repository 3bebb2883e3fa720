"""Every number of the ledger, recomputed by separate sweeps that know nothing of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import localgrad as lg
from localgrad.graph.node import Node
from localgrad.graph.record import state
from localgrad.ledger.model import EdgeRecord
from tests.ledger.gallery import HEALTHY, Case

LEVELS = ("norms", "edges", "values")


class Tap:
    """An observer that keeps a copy of everything that was sent and nothing else."""

    def __init__(self) -> None:
        self.contributions: dict[tuple[Node, Node, int], np.ndarray] = {}
        self.sums: dict[Node, np.ndarray] = {}

    def arrived(self, node: Node, upstream: Any) -> None:
        parts = upstream if isinstance(upstream, tuple) else (upstream,)
        flat = [np.asarray(part, "float64") for part in parts if part is not None]
        self.sums[node] = flat[0] if len(flat) == 1 else np.concatenate([f.ravel() for f in flat])

    def sent(self, node: Node, upstream: Any, downstreams: Any, needs: Any) -> None:
        if node.op.name == "getitem":  # added in place, so told by what it was made of
            whole = np.zeros(node.likes[0].shape)  # type: ignore[index]
            np.add.at(whole, node.options["key"], np.asarray(upstream, "float64"))
            downstreams = (whole,)
        for argument, (source, array) in enumerate(zip(needs, downstreams)):
            if source is not None and array is not None and not isinstance(array, tuple):
                self.contributions[source, node, argument] = np.asarray(array, "float64")

    def _nothing(self, *_: Any) -> None:
        return

    made = constant = cut = mutated = began = ended = _nothing


def record(build: Callable[[], Any], level: str) -> tuple[lg.Ledger, Any]:
    lg.manual_seed(0)
    model, step = build()
    with np.errstate(all="ignore"), lg.Ledger(model, level=level) as ledger:
        step()
    return ledger, model


# Not those whose sweep is itself recorded, or that sweep more than once.
SINGLE = [c for c in HEALTHY if c.name not in ("gradient_penalty", "accumulation")]


def tapped(case: Case) -> Tap:
    """The same step from the same seed, listened to by a `Tap`."""
    lg.manual_seed(0)
    _, step = case.build()
    tap = Tap()
    state.observer = tap
    try:
        step()
    finally:
        state.observer = None
    return tap


@pytest.mark.parametrize("case", SINGLE, ids=lambda case: case.name)
def test_norms_shares_cosines_gains_and_balance_are_what_their_definitions_say(case: Case) -> None:
    ledger, _ = record(case.build, "norms")
    tap = tapped(case)
    nodes = sorted(tap.sums, key=lambda node: node.serial)
    swept = [node for node in ledger.nodes if node.upstream is not None]
    twin = {r.id: n for r, n in zip(swept, nodes, strict=True)}
    checked = 0
    for edge in ledger.edges:
        source, consumer = twin.get(edge.source), twin.get(edge.consumer)
        if edge.cut or ledger.nodes[edge.consumer].op == "part":
            continue  # a cut carries nothing; a part fills one place of several
        g = tap.contributions[source, consumer, edge.argument]
        total = tap.sums[source]
        arrived = tap.sums[consumer]
        scale = np.linalg.norm(g)
        assert edge.norm == pytest.approx(scale, rel=1e-6, abs=1e-30)
        assert edge.zeros == np.count_nonzero(g == 0)
        if edge.share is not None:
            assert edge.share == pytest.approx(
                np.vdot(g, total) / np.vdot(total, total), rel=1e-4, abs=1e-5
            )
        if edge.cosine is not None and scale:
            product = scale * np.linalg.norm(total)
            assert edge.cosine == pytest.approx(np.vdot(g, total) / product, abs=1e-5)
        if edge.gain is not None:
            ratio = np.sqrt(np.mean(g**2)) / np.sqrt(np.mean(arrived**2))
            assert edge.gain == pytest.approx(ratio, rel=1e-5, abs=1e-30)
        checked += 1
    assert checked >= 2


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("case", HEALTHY, ids=lambda case: case.name)
def test_shares_sum_to_one_on_every_join_and_the_books_balance(case: Case, level: str) -> None:
    ledger, _ = record(case.build, level)
    for node in ledger.nodes:
        edges = ledger.record.arrived(node)
        if not edges:
            continue
        if edges[0].share is not None:
            assert sum(edge.share or 0.0 for edge in edges) == pytest.approx(1, abs=1e-4)
        assert node.balance is not None and node.balance < 1e-2
    assert len(ledger.edges) >= 2


@pytest.mark.parametrize("case", SINGLE, ids=lambda case: case.name)
def test_what_came_through_the_edges_of_a_join_is_the_whole_gradient(case: Case) -> None:
    ledger, model = record(case.build, "norms")
    if model is None or isinstance(model, dict) or case.name == "manual_update":
        return
    gradients = {name: p.grad for name, p in model.named_parameters()}
    joins = [n for n in ledger.nodes if len(ledger.record.arrived(n)) > 1 and n.kind == "op"]
    for node in joins[:4]:
        whole = behind(ledger, node.id)
        total: dict[str, np.ndarray] = {}
        for edge in ledger.record.arrived(node):
            for name, part in ledger.through(edge).items():
                total[name] = total.get(name, np.zeros(())) + part.numpy().astype("float64")
        for name, value in total.items():
            if name in whole and gradients.get(name) is not None:
                expected = gradients[name].numpy()
                scale = np.abs(expected).max()
                np.testing.assert_allclose(value, expected, rtol=2e-3, atol=2e-5 * scale + 1e-12)


def behind(ledger: lg.Ledger, node: int) -> set[str]:
    """Parameters whose every route to the loss passes through `node`: remove it, none is left."""
    reached: set[int] = set()
    stack = [n.id for n in ledger.nodes if n.kind == "loss"]
    while stack:
        for edge in ledger.record.downstream(ledger.nodes[stack.pop()]):
            if edge.source != node and edge.source not in reached:
                reached.add(edge.source)
                stack.append(edge.source)
    parameters = (n for n in ledger.nodes if n.kind == "parameter" and n.upstream is not None)
    return {n.names[0] for n in parameters if n.id not in reached}


def chain(x: Any, w: Any, v: Any, leave_out: int | None = None) -> Any:
    """A value with three consumers, one of which can be taken out of the graph."""
    h = lg.tanh(x @ w)
    parts = [h, h, h]
    if leave_out is not None:
        parts = [p if i == leave_out else p.detach() for i, p in enumerate(parts)]
    return ((parts[0] @ v) ** 2 + lg.sigmoid(parts[1]).sum(axis=-1, keepdims=True)).mean() + (
        parts[2] ** 3
    ).sum()


@pytest.mark.parametrize("argument", range(3))
def test_through_an_edge_is_the_gradient_with_the_other_branches_detached(argument: int) -> None:
    random = np.random.default_rng(1)
    x = lg.asarray(random.normal(size=(5, 4)))
    w = lg.asarray(random.normal(size=(4, 3)), requires_grad=True)
    v = lg.asarray(random.normal(size=(3, 1)), requires_grad=True)
    with lg.Ledger() as ledger:
        chain(x, w, v).backward()
    node = next(n for n in ledger.nodes if n.op == "tanh")
    consumers = {0: "matmul", 1: "sigmoid", 2: "pow"}
    edge = next(
        e for e in ledger.record.arrived(node) if ledger.nodes[e.consumer].op == consumers[argument]
    )
    part = ledger.through(edge)
    w.grad = None
    chain(x, w, v, leave_out=argument).backward()
    name = next(name for name in part if part[name].shape == (4, 3))
    np.testing.assert_allclose(part[name].numpy(), w.grad.numpy(), rtol=1e-10)


def test_a_value_that_is_used_often_is_explained_by_one_sweep(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from localgrad.ledger import replay

    w = lg.asarray(np.random.default_rng(0).normal(size=(3, 3)), requires_grad=True)
    with lg.Ledger() as ledger:
        h = lg.ones((2, 3))
        for _ in range(50):
            h = lg.tanh(h @ w)
        h.sum().backward()
    sweeps = []
    real = replay.sweep
    monkeypatch.setattr(replay, "sweep", lambda *a, **k: sweeps.append(1) or real(*a, **k))
    explained = ledger.explain(w, (0, 1))
    assert len(explained.terms) == 50 and len(sweeps) == 1
    assert explained.total == pytest.approx(w.grad.numpy()[0, 1])


def test_one_element_is_the_sum_of_its_products() -> None:
    random = np.random.default_rng(2)
    model = lg.nn.Sequential(lg.nn.Linear(4, 5), lg.nn.Tanh(), lg.nn.Linear(5, 2))
    x = lg.asarray(random.normal(size=(7, 4)).astype("float32"))
    with lg.Ledger(model) as ledger:
        (model(x) ** 2).mean().backward()
    for name, parameter in model.named_parameters():
        for index in np.ndindex(*parameter.shape):
            explanation = ledger.explain(name, index)
            assert explanation.total == pytest.approx(parameter.grad.numpy()[index], rel=1e-4)


def test_routes_carry_everything_and_their_shares_sum_to_one() -> None:
    random = np.random.default_rng(3)
    w = lg.asarray(random.normal(size=(4, 4)), requires_grad=True)
    x = lg.asarray(random.normal(size=(6, 4)))
    with lg.Ledger() as ledger:
        h = x @ w
        h = h + lg.tanh(h)
        h = h + lg.sin(h)
        (h * h).mean().backward()
    routes = ledger.paths(w, k=100)
    assert len(routes) == 8  # two skips, and both arguments of h * h
    assert sum(route.share for route in routes) == pytest.approx(1)
    assert [abs(r.share) for r in routes] == sorted((abs(r.share) for r in routes), reverse=True)
    for route in routes:
        assert ledger.nodes[route.nodes[0]].kind == "loss" and route.nodes[-1] == ledger.of(w).id
        for edge, consumer, source in zip(route.edges, route.nodes, route.nodes[1:]):
            found: EdgeRecord = ledger.edges[edge]
            assert (found.consumer, found.source) == (consumer, source)
    assert ledger.paths(w, k=2) == routes[:2]
