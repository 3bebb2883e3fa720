"""Hostile names, large graphs, small files, and no network."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from localgrad.errors_of_runs import RunError
from localgrad.report import html
from localgrad.report.embed import STEP_BUDGET, pack
from tests.browser.conftest import Open, until
from tests.browser.synthetic import (
    HOSTILE,
    HOSTILE_IMAGE,
    compared,
    document,
    flat,
    hostile,
    transformer,
    with_findings,
    with_steps,
)

# A shared machine is not always free: the best of so many openings counts.
TRIES = 4
MEGABYTE = 1_000_000


def test_hostile_names_stay_names(open_ledger: Open) -> None:
    page = open_ledger(hostile())
    page.keyboard.press("e")
    for identity in ("n0", "n1", "n2", "n3", "n4"):
        page.evaluate(f"location.hash = 'open=m:{HOSTILE_IMAGE}&at={identity}'")
        page.reload()
        page.wait_for_selector("#localgrad-view[data-ready]")
        assert page.evaluate("window.hacked") is None
        assert page.locator("#localgrad-view script, #localgrad-view img").count() == 0
    page.click('[data-chip="0"]')
    panel = page.locator(".panel").inner_text()
    assert HOSTILE in panel and HOSTILE_IMAGE in panel
    page.keyboard.press("/")
    page.fill(".search input", "script")
    assert page.locator(".result").count() >= 2
    page.keyboard.press("Escape")
    page.keyboard.press("m")
    until(page, "window.copied.text")
    assert "<script>" not in page.evaluate("window.copied.text").split("```")[0]
    assert page.evaluate("window.hacked") is None


def test_a_forged_link_is_only_a_view(open_ledger: Open) -> None:
    page = open_ledger(transformer(2))
    page.evaluate("location.hash = 'open=<img src=x onerror=hacked=1>~nowhere&at=n99999&step=77'")
    page.reload()
    page.wait_for_selector("#localgrad-view[data-ready]")
    assert page.locator(".item").count() > 3
    assert page.evaluate("window.hacked") is None


def test_the_page_forbids_every_request(open_ledger: Open) -> None:
    """The fixture fails the test on any request; here the policy itself is put to the proof."""
    page = open_ledger(transformer(2))
    policy = page.locator('meta[http-equiv="Content-Security-Policy"]').get_attribute("content")
    assert policy.startswith("default-src 'none'")
    text = html.render_html(document(transformer(2)))
    head, _, _ = text.partition('<script type="application/json"')
    assert " src=" not in head and " href=" not in head.replace('href="data:,"', "")


@pytest.mark.parametrize("make", [lambda: flat(5000), lambda: transformer(140)])
def test_five_thousand_nodes_open_in_two_seconds(open_ledger: Open, make: Any) -> None:
    record = make()
    assert len(record.nodes) >= 5000
    page = open_ledger(record)
    times = [float(page.get_attribute("#localgrad-view", "data-opened"))]
    while min(times) >= 2000 and len(times) < TRIES:
        page.reload()
        page.wait_for_selector("#localgrad-view[data-ready]")
        times.append(float(page.get_attribute("#localgrad-view", "data-opened")))
    assert min(times) < 2000
    assert page.locator("svg.graph *").count() < 3000


FRAMES = """async () => {
  const svg = document.querySelector("svg.graph");
  const { x, y, width, height } = svg.getBoundingClientRect();
  const times = [];
  let before = performance.now();
  for (let turn = 0; turn < 40; turn++) {
    svg.dispatchEvent(new WheelEvent("wheel", {
      deltaY: turn < 25 ? -40 : 40, clientX: x + width / 2, clientY: y + height / 2,
      bubbles: true, cancelable: true,
    }));
    await new Promise((done) => requestAnimationFrame(done));
    times.push(performance.now() - before);
    before = performance.now();
  }
  return times.sort((a, b) => a - b)[20];
}"""


def test_five_thousand_nodes_stay_fluid(open_ledger: Open) -> None:
    """Everything opened, zooming in and out: the middle frame is quick, without a GPU."""
    page = open_ledger(transformer(140))
    page.keyboard.press("e")
    assert page.locator(".item").count() > 5
    assert min(page.evaluate(FRAMES) for _ in range(2)) < 100
    page.keyboard.press("/")
    page.fill(".search input", "blocks.131.mlp.down.weight")
    page.keyboard.press("Enter")
    assert page.locator(".panel h2").inner_text() == "blocks.131.mlp.down.weight"
    assert page.locator("svg.graph *").count() < 3000


def test_the_page_of_fifty_layers_is_under_a_megabyte_and_a_half() -> None:
    record = with_steps(with_findings(transformer(50)), count=200)
    size = len(html.render_html(document(record)).encode())
    assert size < 1.5 * MEGABYTE


def test_packing_keeps_every_fact_to_five_digits() -> None:
    record = with_steps(compared(transformer(2), transformer(2, seed=3)))
    packed = json.loads(html.safe_json(pack(document(record))))
    nodes, edges = packed["nodes"], packed["edges"]
    assert nodes["count"] == len(record.nodes) and edges["count"] == len(record.edges)
    for node in record.nodes:
        place = nodes["module"]["index"][node.id]
        assert nodes["module"]["table"][place] == node.module
        assert node.value is not None
        assert math.isclose(nodes["value"]["norm"][node.id], node.value.norm, rel_tol=1e-4)
    for edge in record.edges:
        assert edge.share is not None
        assert math.isclose(edges["share"][edge.id], edge.share, rel_tol=1e-4, abs_tol=1e-12)
    assert packed["compare"]["alignment"]["nodes"][5] == [5, 5]
    assert packed["compare"]["nodes"]["count"] == len(record.nodes)


def test_recorded_steps_are_thinned_to_a_budget_with_both_ends() -> None:
    record = with_steps(transformer(12), count=500)
    packed = pack(document(record))
    steps = [step["step"] for step in packed["steps"]]
    numbers = sum(
        len(step["edge_norm"]) * 2 + len(step["upstream_norm"]) for step in packed["steps"]
    )
    assert steps[0] == 0 and steps[-1] == record.steps[-1].step
    assert packed["steps_recorded"] == 500
    assert numbers <= STEP_BUDGET
    assert steps == sorted(set(steps))


def test_json_cannot_leave_its_element() -> None:
    text = html.safe_json({"a": "</script><!--<script>", "b": "\u2028&\u2029"})
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == {"a": "</script><!--<script>", "b": "\u2028&\u2029"}


def test_a_failed_write_leaves_the_old_page(tmp_path: Path, monkeypatch: Any) -> None:
    place = html.write_html(document(transformer(1)), tmp_path / "ledger.html")
    before = place.read_bytes()

    def fail(*_: Any, **__: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="no space"):
        html.write_html(document(transformer(2)), place)
    assert place.read_bytes() == before


def test_a_missing_bundle_says_how_to_build_it(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(html, "STATIC", tmp_path)
    with pytest.raises(RunError, match=r"python tools/build_viewer\.py"):
        html.render_html(document(transformer(1)))


def test_the_widget_draws_the_same_report(open_ledger: Open, browser: Any) -> None:
    pytest.importorskip("anywidget")
    from localgrad.report.widget import ledger_widget

    widget = ledger_widget(document(with_findings(transformer(2))), height=600)
    page = open_ledger(transformer(1))
    page.evaluate(
        """async ([script, style, text]) => {
          document.body.replaceChildren();
          const sheet = document.createElement("style");
          sheet.textContent = style;
          const host = document.createElement("div");
          document.body.append(sheet, host);
          const values = { document: text, height: 600 };
          const part = document.createElement("script");
          part.type = "module";
          part.textContent = script.replace(/export\\s*\\{([^}]*) as default\\s*\\};?\\s*$/,
            "window.viewer = $1;");
          document.body.append(part);
          await new Promise((done) => setTimeout(done, 50));
          window.viewer.render({ model: { get: (name) => values[name] }, el: host });
        }""",
        [widget._esm, widget._css, widget.document],
    )
    page.wait_for_selector(".localgrad.embedded[data-ready]")
    assert page.locator(".embedded .chip").count() == 5
    assert page.locator(".embedded").bounding_box()["height"] == 600
    page.locator(".embedded .chip").first.click()
    assert page.locator(".embedded .item.selected").count() == 1
