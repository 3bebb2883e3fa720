"""What a report shows when it is opened: verdict, profile, graph, the meaning of every mark."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest

from localgrad.ledger.model import Finding
from tests.browser.conftest import Open
from tests.browser.synthetic import flat, transformer, with_findings

STAGE = ".stage"
# Wide enough that nothing is left out for being too small.
WIDE = (6400, 1200)


def centre(page: Any, selector: str) -> tuple[float, float]:
    box = page.locator(selector).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_it_opens_with_title_loss_and_a_sound_verdict(open_ledger: Open) -> None:
    page = open_ledger(transformer(2))
    assert page.title() == "transformer, 2 layers · localgrad"
    assert page.locator(".brand .loss b").inner_text() == "2.303"
    assert page.locator(".chip.healthy").count() == 1
    assert page.locator("svg.graph .item").count() > 4


def test_a_ledger_without_a_backward_pass_is_not_called_healthy(open_ledger: Open) -> None:
    ledger = transformer(2)
    ledger.loss, ledger.edges = None, []
    for node in ledger.nodes:
        node.upstream = None
    page = open_ledger(ledger)
    assert page.locator(".chip .kind").all_inner_texts() == ["no backward pass"]


def test_the_strip_holds_five_chips_and_names_the_rest(open_ledger: Open) -> None:
    page = open_ledger(with_findings(transformer(12)))
    assert page.locator(".chip").count() == 5
    assert page.locator(".chip .kind").all_inner_texts() == [
        "nonfinite",
        "vanishing",
        "cut",
        "dead",
        "cancelling",
    ]
    assert page.locator(".more").inner_text() == "and 2 more"


def test_findings_of_one_kind_share_a_chip_whose_clicks_take_turns(open_ledger: Open) -> None:
    record = transformer(2)
    dead = [node for node in record.nodes if node.op == "softmax"]
    record.findings = [
        Finding("dead", "warning", "dead", node.where, node.id, node.module) for node in dead
    ]
    page = open_ledger(record)
    assert page.locator(".chip").count() == 1
    assert page.locator(".chip .times").inner_text() == f"×{len(dead)}" == "×2"
    for node in [*dead, dead[0]]:
        page.click('[data-chip="0"]')
        assert page.locator(f'[data-item="n{node.id}"].selected').count() == 1


def test_the_first_look_can_be_read_in_a_small_window(open_ledger: Open) -> None:
    """Names and gradients are drawn in no less than seven pixels, and the loss is in the window."""
    page = open_ledger(flat(60), size=(1000, 700))
    sizes = page.eval_on_selector_all(
        ".item.leaf .title, .item.leaf text.gradient",
        "texts => texts.map(text => parseFloat(getComputedStyle(text).fontSize)"
        " * text.getScreenCTM().a)",
    )
    assert len(sizes) > 10 and min(sizes) >= 7
    stage, loss = (page.locator(name).bounding_box() for name in (STAGE, ".item.loss .body"))
    assert loss["x"] + loss["width"] <= stage["x"] + stage["width"]


def test_the_legend_hides_nothing(open_ledger: Open) -> None:
    for size in ((1400, 900), (1000, 700)):
        page = open_ledger(transformer(2), size=size)
        stage, legend = (page.locator(name).bounding_box() for name in (STAGE, ".legend"))
        assert stage["y"] + stage["height"] <= legend["y"]


# Machado, Oliveira and Fernandes (2009), full severity: what is left of red, green and blue.
BLINDNESS = {
    "protanopia": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "deuteranopia": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "tritanopia": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_scale_of_gains_can_be_read_by_the_colour_blind(open_ledger: Open, scheme: str) -> None:
    page = open_ledger(transformer(1), scheme=scheme)
    bar = page.locator(".legend svg").first.locator("rect")
    colours = [_channels(bar.nth(i).get_attribute("fill")) for i in (0, 12, 24)]
    for matrix in BLINDNESS.values():
        seen = [
            [sum(weight * part for weight, part in zip(row, colour)) for row in matrix]
            for colour in colours
        ]
        for one, other in itertools.combinations(seen, 2):
            assert math.dist(one, other) > 60


def test_a_chip_opens_what_hides_its_node_and_brings_it_to_the_middle(open_ledger: Open) -> None:
    record = with_findings(transformer(12))
    page = open_ledger(record)
    node = record.findings[1].node
    assert page.locator(f'[data-item="n{node}"]').count() == 0
    page.click('[data-chip="1"]')
    x, y = centre(page, f'[data-item="n{node}"] .body')
    middle_x, middle_y = centre(page, STAGE)
    assert math.hypot(x - middle_x, y - middle_y) < 60
    assert page.locator(f'[data-item="n{node}"].selected').count() == 1
    assert "vanishing" in page.locator(".panel .notice").first.inner_text()


def test_parameters_stand_at_the_left_and_the_loss_at_the_right(open_ledger: Open) -> None:
    record = transformer(2)
    page = open_ledger(record, size=WIDE)
    page.keyboard.press("e")
    loss = record.nodes[-1].id
    right, _ = centre(page, f'[data-item="n{loss}"] .body')
    boxes = page.locator(".item.parameter .body")
    assert boxes.count() == sum(node.kind == "parameter" for node in record.nodes)
    assert all(boxes.nth(i).bounding_box()["x"] < right for i in range(boxes.count()))


def test_identical_layers_are_folded_and_counted(open_ledger: Open) -> None:
    page = open_ledger(transformer(12))
    stack = page.locator('[data-item="m:blocks"]')
    assert "×12" in stack.text_content()
    assert stack.locator(".behind").count() == 2
    assert page.locator('[data-item="m:blocks.0"]').count() == 0


def test_value_stands_over_gradient(open_ledger: Open) -> None:
    page = open_ledger(transformer(2))
    item = page.locator(".item.loss")
    value, gradient = item.locator("text.value"), item.locator("text.gradient")
    assert value.bounding_box()["y"] < gradient.bounding_box()["y"]
    assert gradient.text_content() == "1"
    green, red = page.evaluate(
        "['value', 'gradient'].map(name => getComputedStyle("
        "document.querySelector(`.item.group text.${name}`)).fill)"
    )
    assert _channels(green)[1] > _channels(green)[0]
    assert _channels(red)[0] > _channels(red)[1]


def test_width_is_log_norm_and_colour_is_log_gain(open_ledger: Open) -> None:
    """Read back from the drawn marks, over a hundred edges."""
    record = transformer(2)
    page = open_ledger(record, size=WIDE)
    page.keyboard.press("e")
    drawn = page.evaluate(
        "Object.fromEntries([...document.querySelectorAll('.edge')].map(mark => [mark.dataset.edge,"
        "[+mark.querySelector('.edge-line').getAttribute('stroke-width'),"
        " mark.querySelector('.edge-line').getAttribute('stroke')]]))"
    )
    marks = [(edge, drawn.get(f"n{edge.source}>n{edge.consumer}")) for edge in record.edges]
    seen = [(edge, *mark) for edge, mark in marks if mark]
    assert len(seen) > 60
    norms = sorted((math.log10(edge.norm), width) for edge, width, _ in seen)
    (low, thin), (high, thick) = norms[0], norms[-1]
    for log_norm, width in norms:
        expected = thin + (thick - thin) * (log_norm - low) / (high - low)
        assert abs(width - expected) < 0.05
    for edge, _, colour in seen:
        red, _, blue = _channels(colour)
        if edge.gain > 2.5:
            assert red > blue + 20, (edge.gain, colour)
        if edge.gain < 0.4:
            assert blue > red + 20, (edge.gain, colour)


def test_cut_is_dashed_not_finite_is_hatched_zero_is_hollow(open_ledger: Open) -> None:
    record = with_findings(transformer(2))
    page = open_ledger(record, size=WIDE)
    page.keyboard.press("e")
    dashes = page.eval_on_selector(
        ".edge-cut .edge-line", "line => getComputedStyle(line).strokeDasharray"
    )
    assert dashes.startswith("5px")
    hatch = page.eval_on_selector(
        ".edge-nonfinite .edge-line", "line => getComputedStyle(line).stroke"
    )
    assert "lg-hatch" in hatch
    assert page.locator(".edge-zero .edge-core").count() >= 1
    ground, core = page.evaluate(
        "[getComputedStyle(document.getElementById('localgrad-view')).backgroundColor,"
        " getComputedStyle(document.querySelector('.edge-core')).stroke]"
    )
    assert ground == core
    assert page.locator(".item.gradient-nonfinite").count() >= 1


def test_joins_carry_a_signed_bar_whose_parts_are_the_shares(open_ledger: Open) -> None:
    record = transformer(2, seed=4)
    page = open_ledger(record, size=WIDE)
    page.keyboard.press("e")
    joins = [
        node
        for node in record.nodes
        if len(node.arrived) > 1 and page.locator(f'[data-item="n{node.id}"]').count()
    ]
    signs = set()
    for node in joins:
        shares = [record.edges[number].share for number in node.arrived]
        page_shares = page.eval_on_selector_all(
            f'[data-item="n{node.id}"] .share',
            "bars => bars.map(bar => [bar.classList.contains('against') ? -1 : 1,"
            " +bar.getAttribute('width') + 0.8])",
        )
        assert len(page_shares) == len(shares)
        whole = sum(abs(share) for share in shares)
        length = sum(width for _, width in page_shares)
        for share, (sign, width) in zip(shares, page_shares):
            assert math.copysign(1, share) == sign
            assert abs(width / length - abs(share) / whole) < 0.04
        signs |= {sign for sign, _ in page_shares}
    assert signs == {1, -1}


def test_the_depth_profile_has_a_bar_a_block_and_leads_to_it(open_ledger: Open) -> None:
    page = open_ledger(transformer(12))
    assert page.locator(".profile .column").count() == 15
    names = page.locator(".profile .name").all_text_contents()
    assert names == ["embed", *map(str, range(12)), "norm", "head", "blocks"]
    page.locator(".profile .column").nth(8).click()
    assert page.locator(".panel h2").inner_text() == "blocks.7"
    assert page.locator('[data-item="m:blocks.7"].selected').count() == 1


def test_light_and_dark_follow_the_system_and_the_switch(open_ledger: Open) -> None:
    page = open_ledger(transformer(2), scheme="dark")
    ground = "getComputedStyle(document.getElementById('localgrad-view')).backgroundColor"
    assert sum(_channels(page.evaluate(ground))) < 120
    page.click('[data-action="theme"]')
    assert sum(_channels(page.evaluate(ground))) > 700


def _channels(colour: str) -> list[int]:
    return [int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]


def test_a_phone_shows_title_tools_and_graph_without_overlap(open_ledger: Open) -> None:
    page = open_ledger(with_findings(transformer(12)), size=(400, 860))
    title = page.locator(".brand").bounding_box()
    tools = page.locator(".tools").bounding_box()
    assert title["y"] + title["height"] <= tools["y"]
    assert tools["x"] + tools["width"] <= 400
    assert page.locator(".tool").last.is_visible()
    assert not page.locator(".legend").is_visible()
