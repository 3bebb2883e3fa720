"""Ledgers that were recorded, not made up: every row of the page is one of the record."""

from __future__ import annotations

from typing import Any

import numpy as np

import localgrad as lg
from localgrad import nn
from tests.browser.conftest import Open


class Recurrent(nn.Module):
    """One cell and one read-out, called at every step of a loop."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.Linear(6, 4)
        self.read = nn.Linear(4, 2)

    def forward(self, x: Any) -> Any:
        h = lg.zeros((x.shape[0], 4))
        total = 0.0
        for step in range(x.shape[1]):
            h = self.cell(lg.concat([x[:, step], h], axis=1)).tanh()
            total = total + (self.read(h) ** 2).sum()
        return total


def recorded() -> lg.Ledger:
    lg.manual_seed(0)
    model = Recurrent()
    x = lg.asarray(np.random.default_rng(0).normal(size=(3, 7, 2)).astype(np.float32))
    with lg.Ledger(model, level="values") as ledger:
        model(x).backward()
    ledger.findings()
    return ledger


def test_the_steps_of_a_loop_are_told_apart_and_folded(open_ledger: Open) -> None:
    page = open_ledger(recorded().record)
    page.keyboard.press("c")
    cell = page.locator('[data-item="m:cell"]')
    assert cell.count() == 1
    cell.locator(".body").first.dblclick()
    assert page.locator('[data-item^="n"] .share').count() >= 7  # a tied weight, split per use
    text = " ".join(page.locator(".item").all_text_contents())
    # The first and the last step differ in what is added; those between are alike.
    assert "step 2 … 6" in text and "×5" in text


def test_the_table_of_a_tied_weight_is_its_account(open_ledger: Open) -> None:
    ledger = recorded()
    weight = ledger.of("cell.weight")
    page = open_ledger(ledger.record)
    page.keyboard.press("/")
    page.fill(".search input", "cell.weight")
    page.keyboard.press("Enter")
    table = page.locator(".panel table").nth(1)
    rows = table.locator("tbody tr")
    edges = ledger.record.arrived(weight)
    assert rows.count() == len(edges) == 7
    for index, edge in enumerate(edges):
        cells = rows.nth(index).locator("td").all_inner_texts()
        assert edge.norm is not None and edge.share is not None
        assert abs(number(cells[1]) - edge.norm) <= 0.006 * edge.norm
        assert abs(number(cells[2]) / 100 - edge.share) <= 0.006
    assert table.locator("tfoot td").nth(2).inner_text() == "100 %"


def number(text: str) -> float:
    """Read back what the page writes: 0.531, −3.2·10⁻⁵, 12 %."""
    plain = text.split("\n")[0].replace("−", "-").replace(" %", "").replace("·10", "e")
    return float(plain.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")))


def test_a_comparison_of_two_runs_opens(open_ledger: Open) -> None:
    page = open_ledger(lg.Ledger.compare(recorded(), recorded()))
    assert "the runs agree" in page.locator(".panel .notice").first.inner_text()
    page.click('[data-run="difference"]')
    assert page.locator(".edge").count() > 3


def test_the_steps_inside_of_a_fused_cell_fold(open_ledger: Open) -> None:
    """Seventeen operations a step; the weights that every step uses stand outside."""
    lg.manual_seed(0)
    model = nn.LSTM(3, 4)
    with lg.Ledger(model, inside=["lstm"]) as ledger:
        (model(lg.ones((6, 2, 3)))[0] ** 2).sum().backward()
    page = open_ledger(ledger.record)
    text = " ".join(page.locator(".item").all_text_contents())
    assert "step 1 … 6" in text and "×6" in text
    assert page.locator(".item.parameter").count() == 4


class Wide(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(6, 9), nn.Linear(9, 6)

    def forward(self, x: Any) -> Any:
        return x + self.down(nn.functional.relu(self.up(x)))


class Mixed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.mix = nn.LayerNorm(6), nn.Linear(6, 6)

    def forward(self, x: Any) -> Any:
        return x + self.mix(self.norm(x)).tanh()


def test_two_blocks_that_take_turns_fold_to_one_group(open_ledger: Open) -> None:
    lg.manual_seed(0)
    model = nn.Sequential(*[kind() for _ in range(14) for kind in (Mixed, Wide)], nn.Linear(6, 2))
    with lg.Ledger(model) as ledger:
        model(lg.ones((3, 6))).sum().backward()
    page = open_ledger(ledger.record)
    stack = page.locator(".item.stack")
    assert stack.count() == 1
    assert stack.text_content().startswith("0 … 27×14Mixed · Wide")
    stack.locator(".chevron").click()
    assert "0 … 1" in page.locator(".item.unit").first.text_content()


def unrolled(steps: int) -> lg.Ledger:
    lg.manual_seed(0)
    model = Recurrent()
    x = np.random.default_rng(0).normal(size=(3, steps, 2)).astype(np.float32)
    with lg.Ledger(model) as ledger:
        model(lg.asarray(x)).backward()
    return ledger


def readable(page: Any) -> bool:
    """Whether the smallest title among the closed items is as large on the screen as fine print."""
    heights = [title.bounding_box()["height"] for title in page.locator(".item .title").all()]
    return len(heights) > 6 and min(heights) >= 6


def test_all_of_sixty_four_steps_is_opened_as_far_as_it_can_be_read(open_ledger: Open) -> None:
    page = open_ledger(unrolled(64).record)
    page.click('[data-action="open"]')
    assert page.locator('[data-item^="m:"].open').count() == 2
    assert readable(page)
    assert "stayed closed" in page.locator(".toast.shown").inner_text()
    page.locator(".item.stack .title").click()
    page.keyboard.press("e")
    assert page.locator(".item.open.stack").count() == 1
    parts = page.locator(".item.chunk .title").all_text_contents()
    assert parts[:2] == ["step 2 … 9×8", "step 10 … 17×8"] and parts[-1] == "step 58 … 63×6"
    assert readable(page)
    rows = page.locator(".panel table").first.locator("tbody tr")
    assert rows.count() == 62  # each step, whatever the picture gathers


def test_all_of_a_small_network_is_opened_without_a_word(open_ledger: Open) -> None:
    page = open_ledger(unrolled(4).record, size=(2400, 1000))
    page.keyboard.press("e")
    assert page.locator(".item.group:not(.open)").count() == 0
    assert page.locator(".toast.shown").count() == 0
