"""Makes the picture that the README opens with: the report of a real, short training.

    python tools/readme_picture.py [FOLDER]

A small transformer reads scikit-learn's digits, a row of pixels a token, and does not learn: its
author ended it in sigmoids without a skip, and the ledger names the line. The training is recorded
as it goes, the report is opened in a browser (Playwright, Chromium), and two pictures of it are
taken, one light and one dark. LOCALGRAD_CHROMIUM names the browser if it is not on the path.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import localgrad as lg
from localgrad import nn
from localgrad.ledger import StepLog, attach
from localgrad.nn import functional

ROOT = Path(__file__).resolve().parent.parent
WIDTH, TOKENS, BATCH = 32, 8, 64
STEPS, EVERY = 200, 10
BLOCKS, GATES = 6, 4
PICTURES = ROOT / "docs" / "pictures"
SIZE = {"width": 1360, "height": 760}
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu"]


class Attention(nn.Module):
    """Attention with one head."""

    def __init__(self) -> None:
        super().__init__()
        self.query = nn.Linear(WIDTH, WIDTH)
        self.key = nn.Linear(WIDTH, WIDTH)
        self.value = nn.Linear(WIDTH, WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Any) -> Any:
        scores = self.query(x) @ self.key(x).mT / WIDTH**0.5
        return self.out(functional.softmax(scores, dim=-1) @ self.value(x))


class Block(nn.Module):
    """Attention and a perceptron, each beside a skip."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(WIDTH), Attention()
        self.norm2 = nn.LayerNorm(WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Any) -> Any:
        x = x + self.attention(self.norm1(x))
        return x + self.down(functional.gelu(self.up(self.norm2(x))))


class Gate(nn.Module):
    """A bottleneck whose author forgot the skip."""

    def __init__(self) -> None:
        super().__init__()
        self.squeeze, self.expand = nn.Linear(WIDTH, 8), nn.Linear(8, WIDTH)

    def forward(self, x: Any) -> Any:
        return functional.sigmoid(self.expand(functional.sigmoid(self.squeeze(x))))


class Reader(nn.Module):
    """A digit, row by row, to ten scores."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(8, WIDTH)
        self.position = nn.Parameter(lg.zeros((TOKENS, WIDTH)))
        self.blocks = nn.Sequential(*[Block() for _ in range(BLOCKS)])
        self.gates = nn.Sequential(*[Gate() for _ in range(GATES)])
        self.head = nn.Linear(WIDTH, 10)

    def forward(self, x: Any) -> Any:
        x = self.embed(x) + self.position
        return self.head(self.gates(self.blocks(x)).mean(axis=1))


def recorded() -> Any:
    """Train for a moment, recording; return the ledger of the last step with all steps in it."""
    from sklearn.datasets import load_digits

    lg.manual_seed(0)
    images, labels = load_digits(return_X_y=True)
    images = images.reshape(-1, TOKENS, 8).astype(np.float32) / 16
    model = Reader()
    optimizer = lg.optim.AdamW(model.parameters(), lr=3e-3)
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        log = StepLog(folder, model, every=EVERY)
        for step in range(STEPS):
            rows = rng.choice(len(images), BATCH, replace=False)
            x, y = lg.asarray(images[rows]), lg.asarray(labels[rows])
            optimizer.zero_grad()
            with log.step(step):
                functional.cross_entropy(model(x), y).backward()
            optimizer.step()
        optimizer.zero_grad()
        with lg.Ledger(model, level="values") as ledger:
            functional.cross_entropy(model(x), y).backward()
        ledger.findings()
        attach(ledger.record, folder)
    ledger.record.title = "a digit reader"
    return ledger


def photograph(report: Path, folder: Path) -> list[Path]:
    """Open the report at its first finding, with what is around; a light and a dark picture."""
    from playwright.sync_api import sync_playwright

    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    found = os.environ.get("LOCALGRAD_CHROMIUM") or next(
        filter(None, map(shutil.which, names)), None
    )
    pictures = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=FLAGS)
        for theme in ("light", "dark"):
            page = browser.new_page(viewport=SIZE, device_scale_factor=2, color_scheme=theme)
            page.goto(report.as_uri())
            page.wait_for_selector("#localgrad-view[data-ready]")
            page.click('[data-chip="0"]')
            page.wait_for_timeout(600)
            page.focus("svg.graph")
            page.keyboard.press("-")
            page.wait_for_timeout(600)
            pictures.append(folder / f"report-{theme}.png")
            page.screenshot(path=pictures[-1])
        browser.close()
    return pictures


def main(folder: Path) -> None:
    """Record, write the report, photograph it."""
    ledger = recorded()
    if not ledger.record.findings:
        raise SystemExit("nothing was found: the picture would have nothing to tell")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        report = ledger.to_html(Path(place) / "report.html")
        for picture in photograph(report, folder):
            print(picture)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURES)
