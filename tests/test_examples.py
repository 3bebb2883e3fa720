"""Every recipe has an example, and every example runs and says something."""

import runpy
from pathlib import Path

import pytest

from localgrad.train import catalogue

EXAMPLES = Path(__file__).parent.parent / "examples"


def test_every_recipe_has_an_example():
    written = {path.stem for path in EXAMPLES.glob("*.py")}
    assert set(catalogue.names()) - {"digits", "mnist"} <= written


@pytest.mark.parametrize("name", sorted(path.stem for path in EXAMPLES.glob("*.py")))
def test_an_example_runs(name, capsys, monkeypatch, tmp_path):
    if name.startswith("torch_"):
        pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    printed = capsys.readouterr().out
    assert len(printed.splitlines()) >= 3
    assert "nan" not in printed


def test_the_shares_of_inceptions_branches_add_up_to_one(capsys):
    runpy.run_path(str(EXAMPLES / "inception.py"), run_name="__main__")
    shares = [
        int(line.split("%")[0]) for line in capsys.readouterr().out.splitlines() if "%" in line
    ]
    assert len(shares) == 8
    assert abs(sum(shares[:4]) - 100) <= 2 and abs(sum(shares[4:]) - 100) <= 2
