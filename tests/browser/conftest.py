"""A real browser for the report's tests.

Chromium is the one that ``LOCALGRAD_CHROMIUM`` names, or one on the path, or the one Playwright
installed. Every page is watched: an error in its script, or any request that is not the file
itself, fails the test that opened it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from localgrad.ledger.model import LedgerRecord
from localgrad.report.html import write_html
from tests.browser.synthetic import document

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")

# What goes to the clipboard, kept where a test can read it.
CLIPBOARD = """
window.copied = {};
navigator.clipboard.writeText = async (text) => { window.copied.text = text; };
navigator.clipboard.write = async ([item]) => {
  const blob = await item.getType("image/png");
  const bytes = new Uint8Array(await blob.arrayBuffer());
  window.copied.png = Array.from(bytes.slice(0, 32)).concat([bytes.length]);
};
"""

Open = Callable[..., Any]


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One browser for all tests."""
    playwright = pytest.importorskip("playwright.sync_api")
    found = os.environ.get("LOCALGRAD_CHROMIUM") or next(
        filter(None, map(shutil.which, NAMES)), None
    )
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=found, args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def open_ledger(browser: Any, tmp_path: Path) -> Iterator[Open]:
    """Opens the page of a ledger: ``page = open_ledger(record)``."""
    contexts: list[Any] = []
    complaints: list[str] = []

    def open_page(
        record: LedgerRecord | None = None,
        *,
        url: str | None = None,
        scheme: str = "light",
        size: tuple[int, int] = (1440, 900),
    ) -> Any:
        if url is None:
            assert record is not None
            place = write_html(document(record), tmp_path / f"ledger{len(contexts)}.html")
            url = place.as_uri()
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme=scheme,
            reduced_motion="reduce",
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.add_init_script(CLIPBOARD)
        page.on("pageerror", lambda error: complaints.append(f"script error: {error}"))
        page.on("console", lambda message: _note(message, complaints))
        page.on("request", lambda request: _watch(request, complaints))
        page.goto(url)
        page.wait_for_selector("#localgrad-view[data-ready]")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def until(page: Any, expression: str) -> Any:
    """Wait for a true value (Playwright's own wait is an `eval`, which the page forbids)."""
    for _ in range(200):
        value = page.evaluate(expression)
        if value:
            return value
        page.wait_for_timeout(25)
    raise AssertionError(f"never became true: {expression}")


def _note(message: Any, complaints: list[str]) -> None:
    if message.type in ("error", "warning"):
        complaints.append(f"console: {message.text}")


def _watch(request: Any, complaints: list[str]) -> None:
    scheme = request.url.partition(":")[0]
    if scheme not in ("file", "data", "blob"):
        complaints.append(f"network: {request.url}")
