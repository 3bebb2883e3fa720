"""Finding one's way: open and close, search, filter, routes, the panel, keys, links, copies."""

from __future__ import annotations

import math
import re
import struct
from typing import Any

import numpy as np

import localgrad as lg
from localgrad.ledger.model import Formula
from tests.browser.conftest import Open, until
from tests.browser.synthetic import transformer, with_findings

# Wide enough that nothing is left out for being too small.
WIDE = (6400, 1200)


def search(page: Any, text: str) -> None:
    page.keyboard.press("/")
    page.fill(".search input", text)


def selected(page: Any) -> str:
    return str(page.locator(".panel h2").inner_text())


def node_named(record: Any, name: str) -> int:
    return next(node.id for node in record.nodes if node.label == name)


def test_a_group_opens_and_closes_by_click_and_by_key(open_ledger: Open) -> None:
    page = open_ledger(transformer(12))
    page.locator('[data-item="m:blocks"] .chevron').click()
    assert page.locator('[data-item="m:blocks.1"]').count() == 1
    page.locator('[data-item="m:blocks.1"] .body').dblclick()
    assert page.locator('[data-item="m:blocks.1.attn"]').count() == 1
    page.keyboard.press("Backspace")
    assert page.locator('[data-item="m:blocks.1.attn"]').count() == 0
    page.keyboard.press("Enter")
    assert page.locator('[data-item="m:blocks.1.attn"]').count() == 1
    page.keyboard.press("c")
    assert page.locator('[data-item="m:blocks.1"]').count() == 0


def test_search_by_name_by_operation_and_by_line(open_ledger: Open) -> None:
    record = transformer(12)
    page = open_ledger(record)
    search(page, "blocks.7.attn.q.weight")
    assert page.locator(".result").first.inner_text().startswith("blocks.7.attn.q.weight")
    page.keyboard.press("Enter")
    assert selected(page) == "blocks.7.attn.q.weight"
    search(page, "softmax blocks.3")
    page.keyboard.press("Enter")
    assert selected(page) == "softmax"
    assert "blocks.3.attn" in page.locator(".kicker").inner_text()
    line = record.nodes[record.nodes[-1].id - 1].where
    search(page, line)
    assert page.locator(".result .where").first.inner_text() == line
    search(page, "no such thing")
    assert page.locator(".result").count() == 0
    assert page.locator(".results .nothing").is_visible()


def joined_in_a_block(record: Any) -> Any:
    return next(
        node for node in record.nodes if len(node.arrived) == 2 and node.op == "add" and node.module
    )


def test_the_panel_of_a_node_tells_its_whole_account(open_ledger: Open) -> None:
    record = transformer(2)
    page = open_ledger(record)
    node = joined_in_a_block(record)
    search(page, node.where)
    page.keyboard.press("Escape")
    page.goto(page.url.partition("#")[0] + f"#open=m:blocks~m:{node.module}&at=n{node.id}")
    until(page, f"document.querySelector('[data-item=n{node.id}].selected') !== null")
    headings = page.locator(".panel h3").all_inner_texts()
    assert headings == [
        "Local rule",
        "Forward value, and the gradient that arrived",
        "Upstream: who sent it back",
        "Downstream: what it passed on",
        "Distribution of the value",
        "Distribution of the gradient",
        f"{node.where} in forward",
    ]
    assert "∂a = g" in page.locator(".formula .rule").first.inner_text()
    titles = page.locator(".formula .local-title").all_inner_texts()
    assert titles == ["All, as rms: upstream × gain = downstream"]
    assert page.locator(".formula .local-line").count() == len(node.downstream)
    upstream = page.locator(".panel table").nth(1)
    assert upstream.locator("tbody tr").count() == 2
    assert upstream.locator("tfoot td").all_inner_texts()[2] == "100 %"
    assert "Balances" in page.locator(".panel .note").first.inner_text()
    marked = page.locator(".source .line.marked .line-number").inner_text()
    assert marked == str(node.line)
    upstream.locator("button").first.click()
    assert page.locator(f'[data-item="n{node.id}"].selected').count() == 0


def test_the_panel_names_summed_axes_and_draws_both_distributions(open_ledger: Open) -> None:
    x = lg.linspace(-2, 2, 512).reshape((64, 8))
    shift = lg.asarray([0.5] * 8, requires_grad=True)
    with lg.Ledger(level="values") as ledger:
        (x + shift).tanh().sum().backward()
    record = ledger.complete()
    page = open_ledger(record)
    search(page, "add")
    page.keyboard.press("Enter")
    down = page.locator(".panel table").last
    assert down.locator("thead th").all_inner_texts() == ["input", "norm", "gain", "summed"]
    assert down.locator("tbody tr td").last.inner_text() == "Σ over 0"
    add = next(node for node in record.nodes if node.op == "add")
    assert page.locator(".formula .local-title").first.inner_text().startswith("One element")
    assert page.locator(".formula .local-line").first.inner_text() == add.local
    for tone, stats in (("value", add.value), ("gradient", add.upstream)):
        assert stats is not None and stats.histogram is not None
        bars = page.locator(f".histogram.{tone} rect")
        tall = [float(bars.nth(i).get_attribute("height")) for i in range(bars.count())]
        roots = [math.sqrt(count / max(stats.histogram)) for count in stats.histogram]
        assert all(abs(one / 56 - other) < 0.02 for one, other in zip(tall, roots, strict=True))


def test_statistics_that_were_not_measured_have_no_row(open_ledger: Open) -> None:
    x = lg.asarray([1.0, 2.0], requires_grad=True)
    with lg.Ledger(level="norms") as ledger:
        (x * x).sum().backward()
    page = open_ledger(ledger.record)
    search(page, "multiply")
    page.keyboard.press("Enter")
    names = page.locator(".panel table").first.locator("td.first").all_inner_texts()
    assert names == ["rms", "norm", "mean", "zeros", "not finite"]


def test_a_route_lights_the_way_from_the_loss(open_ledger: Open) -> None:
    record = transformer(2)
    page = open_ledger(record, size=WIDE)
    page.keyboard.press("e")
    search(page, "blocks.0.attn.q.weight")
    page.keyboard.press("Enter")
    page.click('[data-action="route"]')
    page.keyboard.press("0")
    target = node_named(record, "blocks.0.attn.q.weight")
    on_route = reachable(record, target)
    dim = set(page.eval_on_selector_all(".item.leaf.dim", "e => e.map(m => m.dataset.item)"))
    leaves = set(page.eval_on_selector_all(".item.leaf", "e => e.map(m => m.dataset.item)"))
    assert leaves - dim == {f"n{number}" for number in on_route} & leaves
    assert page.locator(".edge.lit").count() >= 5
    page.keyboard.press("Escape")
    assert page.locator(".dim").count() == 0


def reachable(record: Any, start: int) -> set[int]:
    found, queue = {start}, [start]
    while queue:
        for number in record.nodes[queue.pop()].arrived:
            consumer = record.edges[number].consumer
            if consumer not in found:
                found.add(consumer)
                queue.append(consumer)
    return found


def test_filters_dim_what_does_not_match(open_ledger: Open) -> None:
    record = transformer(2)
    page = open_ledger(record, size=WIDE)
    page.keyboard.press("e")
    page.keyboard.press("f")
    page.check('[data-filter="parameter"]')
    lit = page.eval_on_selector_all(".item.leaf:not(.dim)", "e => e.map(m => m.dataset.item)")
    assert set(lit) == {f"n{node.id}" for node in record.nodes if node.kind == "parameter"}
    page.check('[data-filter="join"]')
    assert page.locator(".item.leaf:not(.dim)").count() == 0
    page.get_by_role("button", name="Clear").click()
    assert page.locator(".dim").count() == 0
    page.keyboard.press("f")
    page.locator(".popover input[type=range]").fill("0.5")
    lit = page.eval_on_selector_all(".item.leaf:not(.dim)", "e => e.map(m => m.dataset.item)")
    far = {f"n{edge.consumer}" for edge in record.edges if abs(math.log10(edge.gain)) >= 0.5}
    assert set(lit) == far and 0 < len(far) < len(record.nodes)


def test_one_card_is_open_at_a_time_and_escape_closes_it(open_ledger: Open) -> None:
    page = open_ledger(transformer(2))
    card = page.locator(".popover")
    page.keyboard.press("f")
    assert card.is_visible()
    page.keyboard.press("Escape")
    assert not card.is_visible()
    page.keyboard.press("f")
    search(page, "weight")
    assert not card.is_visible() and page.locator(".results").is_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("f")
    page.keyboard.press("?")
    assert not card.is_visible() and page.locator(".help").is_visible()


def test_arrows_walk_along_the_edges(open_ledger: Open) -> None:
    record = transformer(2)
    page = open_ledger(record, size=WIDE)
    page.keyboard.press("e")
    search(page, "head.weight")
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowRight")
    assert selected(page) == "matmul"
    page.keyboard.press("ArrowRight")
    assert selected(page) == "add"
    page.keyboard.press("ArrowRight")
    assert selected(page) == "loss"
    page.keyboard.press("ArrowLeft")
    assert selected(page) == "add"


def test_a_link_given_to_an_open_page_is_followed_and_stays(open_ledger: Open) -> None:
    record = transformer(2)
    page = open_ledger(record)
    page.keyboard.press("e")  # the view that is now to be saved must not win
    node = joined_in_a_block(record)
    link = f"#open=m:blocks~m:{node.module}&at=n{node.id}"
    page.evaluate(f"location.hash = {link!r}")
    until(page, f"document.querySelector('[data-item=n{node.id}].selected') !== null")
    page.wait_for_timeout(400)
    assert f"at=n{node.id}" in page.evaluate("location.hash")
    page.reload()
    page.wait_for_selector("#localgrad-view[data-ready]")
    assert page.locator(f'[data-item="n{node.id}"].selected').count() == 1


def test_the_graph_is_framed_for_those_who_come_by_key_only(open_ledger: Open) -> None:
    page = open_ledger(transformer(2), scheme="dark")
    outline = "getComputedStyle(document.querySelector('svg.graph')).outlineStyle"
    page.locator(".item .title").first.click()
    assert page.evaluate("document.activeElement.matches('svg.graph')")
    assert page.evaluate(outline) == "none"
    page.keyboard.press("Escape")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.matches('svg.graph')")
    assert page.evaluate(outline) == "solid"
    page.keyboard.press("ArrowLeft")
    assert page.locator(".item.selected").count() == 1
    assert page.evaluate(outline) == "none"


def test_tab_walks_into_the_graph_and_out_again_and_round(open_ledger: Open) -> None:
    page = open_ledger(with_findings(transformer(2)))
    where = "document.activeElement.matches({!r})"
    seen: list[str] = []
    while seen.count("search") < 2:
        page.keyboard.press("Tab")
        places = {"search": ".search input", "graph": "svg.graph", "panel": ".panel *"}
        found = [name for name, mark in places.items() if page.evaluate(where.format(mark))]
        seen.append(found[0] if found else "")
        assert len(seen) < 200, "a key never came round"
    assert seen.count("graph") == 1 and seen[seen.index("graph") + 1] == "panel"


def test_an_edge_has_a_sheet_of_its_own(open_ledger: Open) -> None:
    record = transformer(2)
    page = open_ledger(record)
    loss = record.nodes[-1]
    edge = record.edges[loss.downstream[0]]
    page.keyboard.press("e")
    page.eval_on_selector(
        f'[data-edge="n{edge.source}>n{edge.consumer}"] .edge-hit',
        "line => line.dispatchEvent(new MouseEvent('click', {bubbles: true}))",
    )
    assert page.locator(".panel .kicker").inner_text() == "edge"
    facts = page.locator(".panel dl.facts").inner_text()
    assert "share of the sum" in facts and "cosine with the sum" in facts


def test_a_link_restores_the_view(open_ledger: Open) -> None:
    record = with_findings(transformer(12))
    page = open_ledger(record)
    page.click('[data-chip="3"]')
    page.keyboard.press("r")
    page.click('[data-action="theme"]')
    page.click('[data-action="link"]')
    link = page.evaluate("window.copied.text")
    assert "#" in link
    again = open_ledger(url=link)
    state = (
        "() => [document.querySelector('.world').getAttribute('transform'),"
        " document.getElementById('localgrad-view').dataset.theme,"
        " document.querySelector('.panel h2').textContent,"
        " document.querySelectorAll('.edge.lit').length,"
        " [...document.querySelectorAll('.item.open')].map(m => m.dataset.item).sort()]"
    )
    before, after = page.evaluate(state), again.evaluate(state)
    assert before[1:] == after[1:]
    assert before[1] == "dark"
    places = [
        [float(number) for number in re.findall(r"-?[\d.]+", text[0])] for text in (before, after)
    ]
    assert all(abs(a - b) < 1 for a, b in zip(*places))


def test_copies_as_markdown_and_as_png(open_ledger: Open) -> None:
    record = transformer(2)
    page = open_ledger(record)
    search(page, "head.weight")
    page.keyboard.press("Enter")
    page.keyboard.press("m")
    until(page, "window.copied.text")
    text = page.evaluate("window.copied.text")
    assert text.startswith("## head.weight\n")
    assert "| consumer | norm | share | cosine |" in text
    page.keyboard.press("p")
    until(page, "window.copied.png")
    *head, size = page.evaluate("window.copied.png")
    assert bytes(head[:8]) == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", bytes(head[16:24]))
    stage = page.locator(".stage").bounding_box()
    assert (width, height) == (round(stage["width"]) * 2, round(stage["height"]) * 2)
    assert size > 20_000


def test_everything_has_a_key_and_the_keys_are_listed(open_ledger: Open) -> None:
    page = open_ledger(transformer(2))
    page.keyboard.press("?")
    assert page.locator(".help").is_visible()
    assert page.locator(".help .row").count() >= 20
    page.keyboard.press("Escape")
    assert not page.locator(".help").is_visible()
    page.keyboard.press("s")
    assert not page.locator(".panel").is_visible()


def test_every_declared_rule_is_drawn_as_mathematics(open_ledger: Open) -> None:
    """One node an operation of the registry, LaTeX as the ledger records it."""
    from localgrad.ledger.describe import formula_of
    from localgrad.local.operation import Operation

    record = transformer(1)
    rules = {
        (op.name, rule.text, rule.latex)
        for op in Operation.registry
        if op.module.startswith("localgrad.") and (rule := formula_of(op)).latex
    }
    assert len(rules) > 100
    loss = record.nodes[-1]
    latex = ",\\quad ".join(str(rule[2]) for rule in sorted(rules))
    loss.formula = Formula(",  ".join(rule[1] for rule in sorted(rules)), latex)
    lines = latex.count(",\\quad ") + 1
    page = open_ledger(record)
    search(page, "loss")
    page.keyboard.press("Enter")
    assert page.locator(".formula .rule math").count() == lines
    assert page.locator(".formula .words").count() == 0
    assert page.locator(".formula mfrac").first.bounding_box()["height"] > 20


def test_a_rule_that_is_no_latex_stays_text(open_ledger: Open) -> None:
    record = transformer(1)
    record.nodes[-1].formula = Formula("g·`x` <b>", r"\frac{g")
    page = open_ledger(record)
    search(page, "loss")
    page.keyboard.press("Enter")
    assert page.locator(".formula .words").inner_text() == "g·x <b>"
    assert page.locator(".formula code").inner_text() == "x"
    assert page.locator(".formula math").count() == 0


def test_members_of_a_list_run_one_by_one_stand_on_their_own(open_ledger: Open) -> None:
    """`for stage in self.stages: x = relu(stage(x))`: nobody calls the list itself."""

    class Net(lg.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            stages = [lg.nn.Sequential(lg.nn.Linear(3, 3), lg.nn.Tanh()) for _ in range(3)]
            self.stages = lg.nn.ModuleList(stages)

        def forward(self, x: Any) -> Any:
            for stage in self.stages:
                x = lg.nn.functional.relu(stage(x))
            return x

    model = Net()
    with lg.Ledger(model) as ledger:
        model(lg.ones((2, 3))).sum().backward()
    page = open_ledger(ledger.record)
    assert page.locator('[data-item="m:stages"]').count() == 0
    for number in range(3):
        mark = page.locator(f'[data-item="m:stages.{number}"]')
        assert f"stages.{number}" in mark.text_content()
    names = page.locator(".profile .name").all_text_contents()
    assert not any("@" in name for name in names)


def test_infinite_values_and_small_numbers_are_written_as_numbers(open_ledger: Open) -> None:
    x = lg.asarray([1e-30, 2.0], requires_grad=True)
    w = lg.asarray([0.0, 0.0], requires_grad=True)
    with np.errstate(all="ignore"), lg.Ledger() as ledger:
        (lg.log(w) * (x * 3e-5)).sum().backward()
    ledger.findings()
    page = open_ledger(ledger.complete())
    card = page.locator(".item", has_text="log").first
    assert "∞" in card.text_content() and "NaN" not in card.text_content()
    search(page, "log")
    page.keyboard.press("Enter")
    lines = page.locator(".local-line").all_inner_texts()
    assert any("·10⁻" in line for line in lines) and any("∞" in line for line in lines)
    assert not any("e-" in line or "inf" in line for line in lines)
