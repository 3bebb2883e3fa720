"""The local rules with their numbers: one element of every argument, worked out."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest

import localgrad as lg
from localgrad import nn
from localgrad.ledger import LedgerRecord

TERM = r"(-?[\d.e+-]+|\(-[\d.e+-]+\)|inf|nan)"


def read(text: str) -> float:
    return float(text.strip("()"))


def worked(record: LedgerRecord) -> dict[str, str]:
    return {node.op: node.local for node in record.nodes if node.local}


def test_the_arithmetic_of_a_product() -> None:
    w = lg.asarray([[2.0], [-3.0]], requires_grad=True)
    x = lg.asarray([[1.0, 4.0]])
    with lg.Ledger() as ledger:
        (lg.matmul(x, w) * 5).sum().backward()
    assert worked(ledger.complete()) == {
        "matmul": "b[1, 0]: 5×4 = 20",
        "multiply": "a[0, 0]: 1×5 = 5",
        "sum": "x[0, 0]: 1×1 = 1",
    }


def test_an_infinite_slope_is_one_product_and_not_zero_times_infinity_elsewhere() -> None:
    x = lg.asarray([4.0, 0.0, 0.0], requires_grad=True)
    with np.errstate(divide="ignore"), lg.Ledger() as ledger:
        x.sqrt().sum().backward()
    assert worked(ledger.complete())["sqrt"] == "x[1]: 1×inf = inf"


def test_every_line_of_a_network_is_true() -> None:
    """What a line says its products add up to is that element of the contribution itself."""
    lg.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1, bias=False),
        nn.BatchNorm2d(3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(48, 4),
    )
    x = lg.asarray(np.random.default_rng(0).normal(size=(5, 2, 4, 4)).astype("f"))
    with lg.Ledger(model, level="values") as ledger:
        nn.functional.cross_entropy(model(x), lg.asarray([0, 1, 2, 3, 0])).backward()
    record = ledger.complete()
    seen = 0
    for node in record.nodes:
        edges = {edge.name: edge for edge in record.downstream(node)}
        assert (node.local is not None) == bool(edges)
        for line in (node.local or "").splitlines():
            name, index, terms, total = re.fullmatch(
                r"(\w+)(?:\[([\d, ]+)\])?: (.*) = (\S+)", line
            ).groups()
            value = edges[name].contribution
            place = tuple(map(int, index.split(", "))) if index else ()
            assert math.isclose(read(total), value[place], rel_tol=1e-4)
            assert abs(value[place]) == np.max(np.abs(value))
            parts = [read(g) * read(t) for g, t in re.findall(rf"{TERM}×{TERM}", terms)]
            rest = re.search(r"more \((\S+)\)", terms)
            summed = sum(parts) + (float(rest[1]) if rest else 0.0)
            assert summed == pytest.approx(read(total), rel=2e-2, abs=1e-6)
            seen += 1
    assert seen == 10


def test_a_nan_shows_the_product_that_it_is() -> None:
    x = lg.asarray([0.0, 1.0], requires_grad=True)
    with lg.Ledger() as ledger, np.errstate(all="ignore"):
        lg.where(x > 0, lg.sqrt(x), 0.0).sum().backward()
    assert worked(ledger.complete())["sqrt"] == "x[0]: 0×inf = nan"


def test_parameters_that_have_moved_on_are_not_worked_with() -> None:
    w = lg.asarray([1.0, 2.0], requires_grad=True)
    with lg.Ledger() as ledger:
        (w * w).sum().backward()
    with lg.no_grad():
        w -= 0.1
    assert "multiply" not in worked(ledger.complete())
    assert ledger.to_json()


def test_a_black_box_without_forward_mode_is_left_out() -> None:
    def pull(g: Any, x: Any) -> Any:
        if not isinstance(x, np.ndarray):
            raise TypeError("arrays only")
        return g * 3 * x**2

    cube = lg.custom("cube", lambda x: x**3, pull)
    x = lg.asarray([2.0], requires_grad=True)
    with lg.Ledger() as ledger:
        cube(x).sum().backward()
    assert worked(ledger.complete()) == {"sum": "x[0]: 1×1 = 1"}
