"""From a PyTorch training script with a fault to its report in a browser."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Open

pytest.importorskip("torch")
EXAMPLE = Path(__file__).parents[2] / "examples" / "torch_fault.py"


def test_the_report_of_the_faulty_script_names_its_line(
    open_ledger: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    line = next(
        number
        for number, text in enumerate(EXAMPLE.read_text().splitlines(), 1)
        if "h / length" in text
    )
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    assert f"nonfinite at torch_fault.py:{line}" in capsys.readouterr().out
    page = open_ledger(url=(tmp_path / "report.html").as_uri())
    panel = page.locator(".panel").inner_text()
    assert f"torch_fault.py:{line}" in panel and "divide" in panel
