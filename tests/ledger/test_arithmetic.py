"""Thresholds, their page, the bookkeeper's scalars, and births and absences on plain records."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

import localgrad as lg
from localgrad.ledger import arithmetic, findings
from localgrad.ledger.absence import NOT_IN_GRAPH
from localgrad.ledger.model import EdgeRecord, LedgerRecord, NodeRecord, Stats
from localgrad.ledger.thresholds import table
from tests.ledger.synthetic import residual_ledger

PAGE = Path(__file__).parents[2] / "docs" / "ledger.md"


def test_the_page_shows_the_thresholds_as_the_code_has_them() -> None:
    assert table() in PAGE.read_text(encoding="utf-8")


def test_an_unknown_threshold_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ValueError, match="did you mean 'vanishing'"):
        lg.Ledger(thresholds={"vanshing": 1.0})


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(lg.LocalgradError, match="'norms', 'edges', 'values'"):
        lg.Ledger(level="everything")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (3, "3 is none, at "),
        ("values", r"Write Ledger\(model, 'values'\) or Ledger\(level='values'\)"),
        (lg.nn.Linear, r"the class Linear is none.*\n.*model = Linear\(…\)"),
        ([lg.nn.Linear(2, 2), len], "a builtin_function_or_method is none"),
        (lg.ones(3), r"a Tensor is none, at test_arithmetic\.py:\d+"),
    ],
)
def test_what_is_no_model_is_refused_where_it_was_given(wrong: object, told: str) -> None:
    from localgrad.torch import Ledger as TorchLedger

    for kind in (lg.Ledger, TorchLedger):
        with pytest.raises(lg.LocalgradError, match=told):
            kind(wrong)


def test_a_misspelt_argument_of_a_ledger_is_refused_with_the_right_one() -> None:
    with pytest.raises(lg.LocalgradError, match="Write level=… for levle=…"):
        lg.Ledger(levle="values")  # type: ignore[call-arg]


def test_a_threshold_that_is_set_decides() -> None:
    w = lg.asarray([[1e-3]], requires_grad=True)
    v = lg.asarray([[1e-3]], requires_grad=True)
    found = {}
    for limit in (1e-4, 1e-2):
        with lg.Ledger(thresholds={"vanishing": limit}) as ledger:
            (lg.ones((1, 1)) @ w @ v).sum().backward()
        found[limit] = [finding.kind for finding in ledger.findings()]
    assert found == {1e-4: [], 1e-2: ["vanishing"]}


def test_shares_are_none_where_the_sum_is_rounding() -> None:
    edges = [EdgeRecord(i, 0, 1, norm=1.0) for i in range(2)]
    arithmetic.reconcile(edges, [1e-9, -1e-9], 1e-16, "float32")
    assert all(edge.cancels and edge.share is None and edge.cosine is None for edge in edges)


def test_a_single_contribution_is_the_whole_even_when_it_is_tiny() -> None:
    edge = EdgeRecord(0, 0, 1, norm=1e-20)
    arithmetic.reconcile([edge], [1e-40], 1e-40, "float32")
    assert edge.share == 1 and not edge.cancels


def test_nothing_is_shared_of_what_is_not_finite() -> None:
    edges = [EdgeRecord(i, 0, 1, norm=math.inf) for i in range(2)]
    arithmetic.reconcile(edges, [math.inf, math.nan], math.nan, "float32")
    assert [edge.share for edge in edges] == [None, None]


def test_gain_of_nothing_is_unknown() -> None:
    assert arithmetic.gain(1.0, 0.0) is None
    assert arithmetic.gain(0.0, 2.0) == 0.0


def test_a_broken_sum_is_an_imbalance_and_a_rounded_one_is_not() -> None:
    record = residual_ledger()
    record.findings = []
    assert not [f for f in findings.find(record) if f.kind == "imbalance"]
    joined = next(node for node in record.nodes if len(node.arrived) == 2)
    joined.balance = 1e-3
    (found,) = [f for f in findings.find(record) if f.kind == "imbalance"]
    assert found.node == joined.id and found.evidence["balance"] == 1e-3


def test_the_most_severe_findings_come_first() -> None:
    record = residual_ledger()
    first = record.nodes[4]
    first.balance = 1.0
    spare = NodeRecord(len(record.nodes), "parameter", "parameter", "spare", ["spare"], shape=[2])
    spare.absence = NOT_IN_GRAPH
    record.nodes.append(spare)
    record.findings = []
    kinds = [(f.severity, f.kind) for f in findings.find(record)]
    assert kinds == [("error", "imbalance"), ("warning", "unused")]


@pytest.mark.parametrize(
    ("upstream", "sent", "value", "birth"),
    [
        (0, 0, 0, None),
        (0, 3, 0, "local"),
        (0, 3, 2, "forward"),
        (1, 3, 0, "propagated"),
    ],
)
def test_births(upstream: int, sent: int, value: int, birth: str | None) -> None:
    from localgrad.ledger.birth import classify

    def stats(bad: int) -> Stats:
        return Stats(4, math.nan if bad else 1.0, 1.0, zeros=0, nonfinite=bad)

    nodes = [
        NodeRecord(0, "parameter", "parameter", "w", upstream=stats(sent), arrived=[0]),
        NodeRecord(1, "log", value=stats(value), upstream=stats(upstream), downstream=[0]),
        NodeRecord(2, "sum", "loss", upstream=stats(0), downstream=[1]),
    ]
    edges = [
        EdgeRecord(0, 0, 1, size=4, norm=1.0, nonfinite=sent),
        EdgeRecord(1, 1, 2, size=4, norm=1.0, nonfinite=upstream),
    ]
    nodes[1].arrived = [1]
    record = LedgerRecord(nodes=nodes, edges=edges)
    classify(record)
    assert nodes[1].birth == birth


def test_finite_contributions_with_a_nonfinite_sum_are_a_merge() -> None:
    from localgrad.ledger.birth import classify

    bad = Stats(1, math.inf, math.inf, nonfinite=1)
    good = Stats(1, 1e38, 1e38)
    nodes = [
        NodeRecord(0, "tanh", upstream=bad, arrived=[0, 1]),
        NodeRecord(1, "multiply", upstream=good, downstream=[0]),
        NodeRecord(2, "multiply", upstream=good, downstream=[1]),
    ]
    edges = [EdgeRecord(i, 0, i + 1, size=1, norm=3e38) for i in range(2)]
    record = LedgerRecord(nodes=nodes, edges=edges)
    classify(record)
    assert nodes[0].birth == "merge" and "2 finite contributions" in (nodes[0].birth_detail or "")
