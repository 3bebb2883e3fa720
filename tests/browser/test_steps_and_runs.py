"""The slider over recorded steps, and two runs on one layout."""

from __future__ import annotations

from typing import Any

from tests.browser.conftest import Open
from tests.browser.synthetic import compared, transformer, with_steps

WIDTHS = (
    "Object.fromEntries([...document.querySelectorAll('.edge-flow')].map("
    "mark => [mark.dataset.edge, +mark.querySelector('.edge-line').getAttribute('stroke-width')]))"
)
COLOURS = (
    "Object.fromEntries([...document.querySelectorAll('.edge-flow')].map("
    "mark => [mark.dataset.edge, mark.querySelector('.edge-line').getAttribute('stroke')]))"
)


def move_to(page: Any, step: int) -> None:
    page.locator(".steps input").evaluate(
        f"slider => {{ slider.value = {step}; slider.dispatchEvent(new Event('input')); }}"
    )


def test_a_ledger_without_steps_has_no_slider(open_ledger: Open) -> None:
    page = open_ledger(transformer(2))
    assert not page.locator(".steps").is_visible()


def test_the_slider_changes_marks_on_scales_that_stay(open_ledger: Open) -> None:
    page = open_ledger(with_steps(transformer(2)))
    legend = page.locator(".legend").inner_text()
    ticks = page.locator(".profile .tick").all_text_contents()
    transform = page.locator(".world").get_attribute("transform")
    move_to(page, 0)
    first = page.evaluate(WIDTHS)
    move_to(page, 23)
    last = page.evaluate(WIDTHS)
    assert first.keys() == last.keys() and len(first) >= 4
    # Every norm falls a hundredfold, on one log scale: every width falls by the same amount.
    falls = [first[edge] - last[edge] for edge in first if last[edge] > 1.01]
    assert min(falls) > 1 and max(falls) - min(falls) < 0.05
    assert page.locator(".legend").inner_text() == legend
    assert page.locator(".profile .tick").all_text_contents() == ticks
    assert page.locator(".world").get_attribute("transform") == transform


def test_the_slider_shows_step_loss_and_gradients_of_that_step(open_ledger: Open) -> None:
    record = with_steps(transformer(2))
    page = open_ledger(record)
    now = page.locator(".steps .now b")
    assert now.inner_text() == "end"
    page.keyboard.press("[")
    assert now.inner_text() == "step 1150"
    move_to(page, 0)
    assert now.inner_text() == "step 0"
    assert page.locator(".steps .now span").inner_text() == "loss 2.5"
    page.keyboard.press("]")
    assert now.inner_text() == "step 50"
    page.get_by_role("button", name="end", exact=True).click()
    assert now.inner_text() == "end"
    assert page.locator(".steps .now span").inner_text() == "loss 2.3"
    page.keyboard.press("]")
    assert now.inner_text() == "end"
    page.keyboard.press(" ")
    assert now.inner_text() == "step 0"


def test_a_recorded_step_shows_no_values_of_the_end(open_ledger: Open) -> None:
    """Gradients are recorded over the steps, values are not."""
    page = open_ledger(with_steps(transformer(2)))
    table = page.locator(".panel .part-table").last
    assert page.locator(".item text.value").count() > 3
    assert table.locator("th").all_inner_texts() == ["name", "value", "gradient", "ratio"]
    move_to(page, 0)
    assert page.locator(".item text.value").count() == 0
    assert page.locator(".item text.gradient").count() > 3
    assert table.locator("th").all_inner_texts() == ["name", "gradient"]


def test_the_panel_draws_a_norm_over_the_steps(open_ledger: Open) -> None:
    page = open_ledger(with_steps(transformer(2)))
    page.keyboard.press("/")
    page.fill(".search input", "head.weight")
    page.keyboard.press("Enter")
    assert page.locator(".series-chart canvas").count() == 1
    blank = page.evaluate(
        "(() => { const canvas = document.querySelector('.series-chart canvas');"
        "const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;"
        "return data.every(value => value === 0); })()"
    )
    assert not blank


def test_many_steps_are_thinned_and_the_page_says_so(open_ledger: Open) -> None:
    page = open_ledger(with_steps(transformer(12), count=300))
    text = page.locator(".steps .now span").inner_text()
    shown = page.locator(".steps input").get_attribute("max")
    assert f"({shown} of 300 shown)" in text
    assert int(shown) < 100


def test_two_runs_share_one_layout(open_ledger: Open) -> None:
    page = open_ledger(compared(transformer(2), transformer(2, seed=9, decay=0.6)))
    boxes = "[...document.querySelectorAll('.item')].map(m => m.getAttribute('transform'))"
    places, here = page.evaluate(boxes), page.evaluate(WIDTHS)
    numbers = page.locator(".item text.gradient").all_text_contents()
    page.click('[data-run="other"]')
    assert page.evaluate(boxes) == places
    assert page.evaluate(WIDTHS) != here
    assert page.locator(".item text.gradient").all_text_contents() != numbers
    page.click('[data-run="here"]')
    assert page.evaluate(WIDTHS) == here


def test_the_difference_is_coloured_by_the_ratio(open_ledger: Open) -> None:
    """The other run decays faster, so that its gradients are smaller: blue."""
    page = open_ledger(compared(transformer(3), transformer(3, seed=9, decay=0.5)))
    page.click('[data-run="difference"]')
    assert "other ÷ this" in page.locator(".legend").inner_text()
    colours = page.evaluate(COLOURS).values()
    bluish = [c for c in colours if _blue(c) > _red(c) + 20]
    assert len(bluish) >= len(colours) - 1
    page.keyboard.press("d")
    assert page.locator('[data-run="here"].on').count() == 1


def _red(colour: str) -> int:
    return int(colour[4:].split(",")[0])


def _blue(colour: str) -> int:
    return int(colour.rstrip(")").split(",")[2])


def test_the_first_divergence_is_marked_and_reached(open_ledger: Open) -> None:
    record = compared(transformer(3), transformer(3, seed=9))
    assert record.compare is not None
    edge = record.edges[record.compare.first_divergence or 0]
    page = open_ledger(record)
    assert "the runs part here first" in page.locator(".panel .notice").first.inner_text()
    page.click('[data-action="divergence"]')
    mark = page.locator(f'[data-edge="n{edge.source}>n{edge.consumer}"]')
    assert "divergent" in mark.get_attribute("class")
    assert "selected" in mark.get_attribute("class")
    assert page.locator(".panel .kicker").inner_text() == "edge"
