"""The data model: JSON there and back, columns, numbers JSON has no word for."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from localgrad.ledger import interchange
from localgrad.ledger.model import (
    Alignment,
    Comparison,
    EdgeRecord,
    LedgerRecord,
    NodeRecord,
    Stats,
)
from tests.ledger.synthetic import residual_ledger


def test_a_ledger_survives_the_journey_through_json() -> None:
    record = residual_ledger()
    assert interchange.loads(interchange.dumps(record)) == record


def test_a_comparison_survives_the_journey_through_json() -> None:
    record = residual_ledger()
    record.compare = Comparison(
        residual_ledger(seed=1), Alignment([(0, 0), (1, 1)], [(2, 2)]), 2, "they part", [0.5]
    )
    assert interchange.loads(interchange.dumps(record)) == record


def test_nonfinite_numbers_are_strings_in_json_and_numbers_again_after() -> None:
    node = NodeRecord(0, "log", upstream=Stats(2, math.nan, math.inf, -math.inf))
    edge = EdgeRecord(0, 0, 0, norm=math.inf, contribution=[[1.0, math.nan], [-math.inf, 2.0]])
    text = interchange.dumps(LedgerRecord(loss=math.nan, nodes=[node], edges=[edge]))
    parsed = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert parsed["loss"] == "nan"
    assert parsed["edges"]["contribution"] == [[[1.0, "nan"], ["-inf", 2.0]]]
    back = interchange.loads(text)
    assert back.loss is not None and math.isnan(back.loss)
    assert back.nodes[0].upstream is not None and back.nodes[0].upstream.mean == -math.inf
    assert isinstance(back.edges[0].contribution, list)
    assert math.isnan(back.edges[0].contribution[0][1])


def test_nodes_and_edges_are_columns_of_one_length() -> None:
    data = interchange.to_dict(residual_ledger())
    assert len({len(column) for column in data["nodes"].values()}) == 1
    data["edges"]["norm"].pop()
    with pytest.raises(interchange.LedgerFormatError, match="differ in length"):
        interchange.from_dict(data)


def test_another_format_is_refused_by_name() -> None:
    with pytest.raises(interchange.LedgerFormatError, match=r"localgrad-ledger/1.*'other/9'"):
        interchange.from_dict({"format": "other/9"})


def test_unknown_fields_are_ignored_and_missing_ones_take_their_default() -> None:
    data = interchange.to_dict(residual_ledger())
    data["nodes"]["colour"] = ["red"] * len(data["nodes"]["id"])
    del data["nodes"]["balance"], data["thresholds"]
    assert interchange.from_dict(data).nodes[3].balance is None


def test_saving_replaces_the_file_whole(tmp_path: Path) -> None:
    target = tmp_path / "ledger.json"
    target.write_text("old")
    interchange.save(residual_ledger(), target)
    assert interchange.load(target) == residual_ledger()
    assert [path.name for path in tmp_path.iterdir()] == ["ledger.json"]
