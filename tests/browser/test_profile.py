"""The depth profile calls its columns by the module's own name, whatever the model looks like."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import numpy as np

import localgrad as lg
from localgrad import nn
from tests.browser.conftest import Open
from tests.browser.synthetic import flat, transformer

STEPS = 64


class Sequence(nn.Module):
    """Three modules, fewer than a profile of modules needs."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(3, 4)
        self.recurrent = nn.GRU(4, 4, batch_first=True)
        self.head = nn.Linear(4, 2)

    def forward(self, x: Any) -> Any:
        return self.head(self.recurrent(self.embed(x))[0][:, -1])


class Cells(nn.Module):
    """A cell that is called at every step."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.cell, self.head = nn.Linear(3, 4), nn.LSTMCell(4, 4), nn.Linear(4, 2)

    def forward(self, x: Any) -> Any:
        x, state = self.embed(x), None
        for step in range(x.shape[1]):
            state = self.cell(x[:, step], state)
        assert state is not None
        return self.head(state[0])


class Loop(nn.Module):
    """A recurrence of bare operations, between two modules."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Linear(3, 4), nn.Linear(4, 2)
        self.mix = nn.Parameter(lg.ones((4, 4)) / 4)

    def forward(self, x: Any) -> Any:
        x = self.embed(x)
        state = x[:, 0]
        for step in range(x.shape[1]):
            state = (state @ self.mix + x[:, step]).tanh()
        return self.head(state)


class Steps(nn.Module):
    """Two modules that take turns at every step: twice as many calls as a profile has columns."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.read = nn.Linear(7, 4), nn.Linear(4, 2)

    def forward(self, x: Any) -> Any:
        state, total = lg.zeros((x.shape[0], 4)), 0.0
        for step in range(x.shape[1]):
            state = self.cell(lg.concat([x[:, step], state], axis=1)).tanh()
            total = total + (self.read(state) ** 2).sum()
        return total


def opened(open_ledger: Open, kind: type[nn.Module]) -> Any:
    lg.manual_seed(0)
    model = kind()
    x = np.random.default_rng(0).normal(size=(2, STEPS, 3)).astype(np.float32)
    with lg.Ledger(model) as ledger:
        model(lg.asarray(x)).sum().backward()
    return open_ledger(ledger.record)


def names(page: Any) -> list[str]:
    return page.locator(".profile .name").all_text_contents()


def test_few_modules_are_named_as_modules_and_not_as_operations(open_ledger: Open) -> None:
    page = opened(open_ledger, Sequence)
    found = names(page)
    assert found[0] == "embed" and "head" in found and "linear" not in found
    assert "recurrent" in found and "gru" in found  # one of several operations of that module
    page.locator(".profile .column").nth(0).hover()
    assert page.locator(".tooltip").inner_text().startswith("embed")


def test_the_calls_of_a_cell_are_numbered_over_its_name(open_ledger: Open) -> None:
    page = opened(open_ledger, Cells)
    assert page.locator(".profile .column").count() == STEPS + 2
    found = names(page)
    assert found[0] == "embed" and found[-2:] == ["head", "cell"]
    assert found[1:4] == ["2", "3", "4"] and not any("…" in name for name in found)
    page.locator(".profile .column").nth(7).click()
    assert "call 7" in page.locator(".panel h2").inner_text()


def test_the_steps_of_a_bare_loop_are_columns(open_ledger: Open) -> None:
    page = opened(open_ledger, Loop)
    found = names(page)
    assert found[0] == "embed" and "head" in found and "10" in found and found[-1] == "step"
    assert page.locator(".profile .column").count() >= STEPS


def test_too_many_calls_are_gathered_by_step(open_ledger: Open) -> None:
    page = opened(open_ledger, Steps)
    assert page.locator(".profile .column").count() >= STEPS
    assert names(page)[-1] == "step" and "20" in names(page)
    page.locator(".profile .column").nth(20).hover()
    assert page.locator(".tooltip").inner_text().startswith("step 21")


def test_a_small_model_shows_the_operation_at_which_the_gradient_breaks(open_ledger: Open) -> None:
    lg.manual_seed(0)
    model = nn.ModuleList([nn.Linear(3, 4) for _ in range(4)])
    with np.errstate(all="ignore"), lg.Ledger(model) as ledger:
        x = model[1](model[0](lg.ones((2, 3)))[:, :3])
        lg.sqrt(model[3](model[2](x[:, :3])[:, :3]) * 0).sum().backward()
    page = open_ledger(ledger.record)
    bars = page.locator(".profile .column > :nth-child(2)")
    kinds = [bars.nth(i).get_attribute("class") for i in range(bars.count())]
    column = kinds.index("bar nonfinite")
    assert "sqrt" in names(page) and kinds.count("bar nonfinite") < len(kinds)
    page.locator(".profile .column").nth(column).hover()
    assert "test_profile.py:" in page.locator(".tooltip").inner_text()


def test_a_block_with_a_nan_inside_is_marked(open_ledger: Open) -> None:
    record = transformer(12)
    inside = [n for n in record.nodes if n.module.startswith("blocks.3") and n.upstream is not None]
    inside[2].upstream.norm = inside[2].upstream.rms = float("nan")
    page = open_ledger(record)
    marked = page.locator(".profile .column:has(.bar.nonfinite)")
    assert marked.count() == 1
    marked.hover()
    assert page.locator(".tooltip").inner_text().startswith("blocks.3")


def test_stretches_of_a_model_without_modules_are_named_by_whole_numbers(open_ledger: Open) -> None:
    found = names(open_ledger(flat(2000)))
    assert len(found) > 10 and all(re.fullmatch(r"\d+–\d+", name) for name in found)


def test_names_keep_clear_of_each_other_and_of_the_border(open_ledger: Open) -> None:
    for kind in (Cells, Loop):
        page = opened(open_ledger, kind)
        boxes = [mark.bounding_box() for mark in page.locator(".profile .name").all()]
        first_row = [box for box in boxes if box["y"] == boxes[0]["y"]]
        assert len(first_row) > 8
        for left, right in pairwise(first_row):
            assert left["x"] + left["width"] < right["x"]
        assert first_row[-1]["x"] + first_row[-1]["width"] <= 1440
