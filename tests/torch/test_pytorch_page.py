"""docs/pytorch.md is what its script writes; its figures show what they are said to show."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

TOOL = Path(__file__).parents[2] / "tools" / "make_pytorch_page.py"


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(TOOL.parent))
    spec = importlib.util.spec_from_file_location("make_pytorch_page", TOOL)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_is_current(tool: Any) -> None:
    page = tool.PAGE.read_text(encoding="utf-8")
    assert tool.with_table(page) == page


def test_what_the_script_with_a_fault_prints_is_current(tool: Any) -> None:
    text = tool.README.read_text(encoding="utf-8")
    assert tool.with_figures(text) == text
    (quoted,) = [match[0] for match in tool.FIGURE.finditer(text)]
    assert quoted in tool.PAGE.read_text(encoding="utf-8")


def test_identity_blocks_begin_with_the_skip_alone_and_their_branches_wake(tool: Any) -> None:
    text = tool.printed("examples/torch_residual.py")
    steps = {
        int(line.split()[1]): [float(n) for n in re.findall(r"(-?[\d.]+)%", line)]
        for line in text.splitlines()
        if line.startswith("step")
    }
    assert steps[0] == [100.0, 0.0] * 4
    assert all(branch > 5 for branch in steps[60][1::2])


def test_the_uses_of_a_tied_matrix_add_up(tool: Any) -> None:
    text = tool.printed("examples/torch_tied.py")
    shares = [float(n) for n in re.findall(r"([+-][\d.]+)% from (?:head|embed)", text)]
    assert len(shares) == 6
    for a, b in zip(shares[::2], shares[1::2]):
        assert abs(a + b - 100) < 0.11
