"""What a person reads in a terminal and in a notebook."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from rich.text import Text

import localgrad as lg
from localgrad.ledger.model import LedgerRecord, NodeRecord, Stats
from localgrad.report import notebook, profile
from localgrad.report.hanging import Hanging
from localgrad.report.text import explanation_text, ledger_text
from tests.ledger.synthetic import residual_ledger


class Net(lg.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inward = lg.nn.Linear(3, 4)
        self.block = lg.nn.Linear(4, 4)
        self.outward = lg.nn.Linear(4, 1)

    def forward(self, x: Any) -> Any:
        h = self.inward(x)
        h = h + lg.tanh(self.block(h))
        return self.outward(h)


@pytest.fixture
def ledger() -> lg.Ledger:
    lg.manual_seed(0)
    model = Net()
    x = lg.asarray(np.random.default_rng(0).normal(size=(6, 3)).astype("float32"))
    with lg.Ledger(model) as found:
        (model(x) ** 2).mean().backward()
    return found


def test_a_healthy_step_says_so(ledger: lg.Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    text = str(ledger)
    ledger.show()
    assert capsys.readouterr().out.splitlines()[0] == text.splitlines()[0]
    assert "healthy: nothing found" in text
    assert "Net   loss" in text
    for block in ("inward", "block", "outward"):
        assert block in text
    assert "█" in text and "%" in text


def test_a_ledger_that_saw_no_backward_pass_calls_nothing_healthy() -> None:
    model = Net()
    with lg.Ledger(model) as ledger:
        model(lg.ones((2, 3)))
    assert "no backward pass was recorded" in str(ledger)
    assert "healthy" not in str(ledger)


def test_the_report_ends_with_the_thickest_routes_as_a_tree(ledger: lg.Ledger) -> None:
    lines = str(ledger).splitlines()
    start = lines.index("thickest routes from the loss to inward.weight")
    tree = lines[start + 1 :]
    assert tree[0].startswith("└── +100.0%  mean → ")
    branches = [line for line in tree[1:] if "── " in line]
    shares = [float(line.split("── ")[1].split("%")[0]) for line in branches]
    assert len(shares) == 2 and sum(shares) == pytest.approx(100, abs=0.11)


def test_a_nan_has_no_routes() -> None:
    w = lg.asarray(np.zeros(3, "float32"), requires_grad=True)
    with np.errstate(all="ignore"), lg.Ledger() as ledger:
        lg.sqrt((w * w).sum()).backward()
    assert "routes" not in str(ledger)


@pytest.mark.parametrize("width", [80, 120])
def test_the_profile_keeps_to_its_lines(width: int) -> None:
    lines = ledger_text(residual_ledger(12), width).splitlines()
    assert max(len(line) for line in lines) <= width
    start = next(i for i, line in enumerate(lines) if line.startswith("gradient norm"))
    bars = lines[start + 1 : lines.index("", start)]
    assert all("█" in line or "▒" in line for line in bars)


def test_the_profile_goes_as_deep_as_it_takes_to_see_a_course() -> None:
    nodes = [
        NodeRecord(i, "add", module=f"encoder.layers.{i}", upstream=Stats(4, 2.0, 1.0))
        for i in range(12)
    ]
    bars = profile.profile(LedgerRecord(nodes=nodes))
    assert [bar.label for bar in bars] == [f"encoder.layers.{i}" for i in range(12)]


def test_findings_come_with_line_numbers_and_advice() -> None:
    w = lg.asarray(np.zeros(3, "float32"), requires_grad=True)
    with np.errstate(all="ignore"), lg.Ledger() as ledger:
        lg.sqrt((w * w).sum()).backward()
    text = str(ledger)
    assert "nonfinite test_text.py:" in text
    assert "→" in text and "1e-12" in text


def test_an_explanation_spells_the_arithmetic_out(
    ledger: lg.Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    explanation = ledger.explain("inward.bias", 1)
    printed = capsys.readouterr().out
    assert "∂loss/∂inward.bias[1]" in printed
    assert "×" in printed and "routes from the loss" in printed
    assert f"= {explanation.total:.6g}" in printed
    assert str(explanation).splitlines()[0] in printed


def test_a_gradient_that_is_nan_came_by_no_route() -> None:
    w = lg.asarray(np.zeros(3, "float32"), requires_grad=True)
    with np.errstate(all="ignore"), lg.Ledger() as ledger:
        lg.sqrt((w * w).sum()).backward()
    explanation = ledger.explain(w)
    assert explanation.routes == [] and "routes" not in str(explanation)


def test_an_explanation_of_a_join_shows_both_branches_and_the_balance(
    ledger: lg.Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    joined = next(n for n in ledger.nodes if len(n.arrived) == 2)
    explanation = ledger.explain(joined)
    assert len(explanation.terms) == 2
    assert sum(term.edge.share or 0.0 for term in explanation.terms) == pytest.approx(1)
    assert "the books balance" in capsys.readouterr().out


def indents(text: str) -> list[int]:
    return [len(line) - len(line.lstrip()) for line in text.splitlines()]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_line_that_is_too_long_goes_on_under_its_own_words(width: int) -> None:
    x = lg.asarray(np.random.default_rng(0).normal(size=(2, 5, 6, 6)).astype("float32"))
    layer = lg.nn.Conv2d(5, 4, 3)
    with lg.Ledger(layer) as ledger:
        layer(x).sum().backward()
    text = explanation_text(ledger.explain("weight", (0, 0, 0, 0)), width)
    lines = text.splitlines()
    assert max(map(len, lines)) <= width
    start = next(i for i, line in enumerate(lines) if "from " in line)
    stop = next(i for i, line in enumerate(lines) if "routes from" in line)
    found = indents("\n".join(lines[start + 1 : stop]))
    assert found and set(found) <= {12, 14, 18}  # its words, more of the sum, more of the rule
    assert " ".join("".join(lines[start:stop]).split()).count("x[n, c, i] ←") == 0  # of another
    assert (18 in found) is (width <= 80)


def test_findings_go_on_under_their_own_words() -> None:
    w = lg.asarray(np.zeros(3, "float32"), requires_grad=True)
    with np.errstate(all="ignore"), lg.Ledger() as ledger:
        lg.sqrt((w * w).sum()).backward()
    ledger.findings()
    lines = ledger_text(ledger.record, 60).splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("nonfinite "))
    stop = next(i for i, line in enumerate(lines) if i > start and not line.strip())
    assert stop - start > 3 and min(indents("\n".join(lines[start + 1 : stop]))) == 4
    advice = next(i for i, line in enumerate(lines) if "→" in line)
    assert set(indents("\n".join(lines[advice + 1 : stop]))) <= {6}


def test_a_narrow_window_is_filled_from_its_margin() -> None:
    console = Console(width=20, record=True, file=io.StringIO())
    console.print(Hanging(Text("aaaa bbbb cccc dddd eeee"), 12))
    assert console.export_text().split("\n")[1] == "eeee"


def test_questions_that_cannot_be_answered_say_why(ledger: lg.Ledger) -> None:
    with pytest.raises(lg.LocalgradError, match=r"did you mean 'inward\.weight'"):
        ledger.of("inward.wieght")
    with pytest.raises(lg.LocalgradError, match="one number per axis"):
        ledger.explain("inward.weight", 7)
    with pytest.raises(lg.LocalgradError, match="no edge of this ledger"):
        ledger.through(10_000)
    with pytest.raises(lg.LocalgradError, match="took no part"):
        ledger.of(lg.asarray([1.0], requires_grad=True))
    with pytest.raises(lg.LocalgradError, match="heard of nothing"):
        _ = lg.Ledger().nodes


def test_a_tensor_and_a_name_find_the_same_node() -> None:
    model = Net()
    with lg.Ledger(model) as ledger:
        y = model(lg.ones((2, 3)))
        (y**2).mean().backward()
    assert ledger.of(model.block.weight) == ledger.of("block.weight")
    assert ledger.of(y).op == "linear" and ledger.of("outward").op == "linear"


def test_a_question_after_the_optimiser_step_is_answered_with_what_happened() -> None:
    model = Net()
    with lg.Ledger(model) as ledger:
        (model(lg.ones((2, 3))) ** 2).mean().backward()
    optimizer = lg.optim.SGD(model.parameters(), lr=0.1)
    optimizer.step()
    edge = ledger.record.arrived(ledger.of("inward.weight"))[0]
    with pytest.raises(lg.GraphError, match=r"before optimiser\.step"):
        ledger.through(edge)


def test_notebooks_get_html_in_which_every_name_is_escaped() -> None:
    node = NodeRecord(0, "<script>", label="<b>", module="<i>", where="a<b.py:1", absence="<u>")
    text = notebook.node_html(node)
    assert "<script>" not in text and "&lt;script&gt;" in text
    record = residual_ledger()
    record.title = "<script>alert(1)</script>"
    assert "<script>" not in notebook.ledger_html(record)
    assert "<table>" in record.edges[0]._repr_html_()
    assert "<table>" in record.nodes[0]._repr_html_()


def test_a_tensor_shows_its_value_over_its_gradient() -> None:
    x = lg.asarray([1.0, 2.0], requires_grad=True)
    (x * x).sum().backward()
    text = x._repr_html_()
    assert text.index("[1., 2.]") < text.index("[2., 4.]")


def test_the_profile_has_a_bar_a_block_and_stays_short() -> None:
    bars = profile.profile(residual_ledger(200))
    assert 3 < len(bars) <= 40
    (joined,) = [bar for bar in profile.profile(residual_ledger(2)) if bar.label == "blocks.0"]
    assert joined.norm > 0


def test_the_table_has_a_row_an_edge(ledger: lg.Ledger) -> None:
    frame = ledger.to_frame()
    assert len(frame) == len(ledger.edges)
    assert frame.loc[0, "norm"] == ledger.edges[0].norm
    assert set(frame["consumer"]) >= {"inward linear", "block linear"}


def test_two_runs_print_where_they_part_and_write_one_page(tmp_path: Path) -> None:
    ledgers = []
    for scale in (1.0, 3.0):
        lg.manual_seed(0)
        model = Net()
        with lg.Ledger(model) as ledger:
            (model(lg.ones((2, 3))) ** 2 * scale).mean().backward()
        ledgers.append(ledger)
    both = lg.Ledger.compare(*ledgers)
    assert "the runs part at" in str(both)
    assert len(repr(both)) < 100
    assert "the runs part at" in both._repr_html_()
    page = both.to_html(tmp_path / "both.html")
    assert "first_divergence" in page.read_text(encoding="utf-8")


def test_a_notebook_shows_the_report_in_the_cell_itself(
    ledger: lg.Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """rich would write past the HTML, into the cell, as soon as it finds itself in a notebook."""
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    assert "gradient norm by depth" in ledger._repr_html_()
    weight = ledger.record.parameters()[0].label
    assert "the whole gradient" in ledger.explain(weight)._repr_html_()


def test_at_the_prompt_an_explanation_that_was_printed_is_one_short_line(ledger: lg.Ledger) -> None:
    assert (
        repr(ledger.explain("outward.weight")) == "<Explanation of outward.weight: 1 contribution>"
    )
    element = ledger.explain("outward.weight", (0, 3))
    assert repr(element) == "<Explanation of outward.weight[0, 3]: 1 contribution>"


def test_what_was_not_counted_is_not_told(ledger: lg.Ledger) -> None:
    assert "0 of 4 zero" in str(ledger.explain("outward.weight"))
    ledger.of("outward.weight").upstream.zeros = None
    assert "zero" not in str(ledger.explain("outward.weight"))


def test_a_page_for_a_folder_that_is_not_there(tmp_path: Path) -> None:
    x = lg.asarray([1.0, 2.0], requires_grad=True)
    with lg.Ledger() as ledger:
        (x * x).sum().backward()
    with pytest.raises(lg.LocalgradError, match=r"test_text\.py:\d+") as caught:
        ledger.to_html(tmp_path / "nowhere" / "page.html")
    assert f"there is no folder {tmp_path / 'nowhere'}" in str(caught.value)
    assert isinstance(caught.value, FileNotFoundError)
