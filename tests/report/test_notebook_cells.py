"""Code that was typed into a notebook's cells is named as IPython itself names it.

A process of its own runs IPython's shell, which a kernel's is a subclass of, on real cells. A
kernel keeps each cell in a temporary file, by a number that nobody has seen.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

pytest.importorskip("IPython")

MODEL = """\
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 4)

    def forward(self, x):
        return self.fc(x).relu()
"""
STEP = """\
model = Net()
with lg.Ledger(model) as ledger:
    model(lg.ones((2, 3))).sum().backward()
"""
TORCH = """\
import torch
from localgrad.torch import Ledger
with Ledger() as ledger:
    torch.ones(3, requires_grad=True).exp().sum().backward()
"""
TELL = """\
record = ledger.record
nodes = [(node.op, node.where, node.line) for node in record.nodes if node.kind != "parameter"]
lines = [line for source in record.sources.values() for line in source.lines]
print(json.dumps({"nodes": nodes, "lines": lines}))
"""
WRONG = """\
try:

    lg.ones((3, 4)) + lg.ones((5,))
except lg.ShapeError as error:
    print(json.dumps(str(error)))
"""

SHELL = """
import json, sys, tempfile
from IPython.core.interactiveshell import InteractiveShell
kernel, *cells = json.loads(sys.argv[1])
shell = InteractiveShell.instance()
if kernel:
    folder = tempfile.gettempdir() + "/kernel_7"
    shell.compile.get_code_name = lambda raw, code, number: f"{folder}/{hash(code)}.py"
for cell in cells:
    shell.run_cell(cell, store_history=True).raise_error()
"""


def run(kernel: bool, *cells: str) -> Any:
    """What the last of the cells prints, as JSON."""
    first = "import json\nimport localgrad as lg\nfrom localgrad import nn"
    wanted = json.dumps([kernel, first, *cells])
    done = subprocess.run(
        [sys.executable, "-c", SHELL, wanted], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("kernel", [True, False])
def test_a_node_stands_in_its_cell_and_the_cells_lines_are_kept(kernel: bool) -> None:
    told = run(kernel, MODEL, STEP, TELL)
    assert told["nodes"] == [
        ["linear", "In[2]:7", 7],
        ["relu", "In[2]:7", 7],
        ["sum", "In[3]:3", 3],
    ]
    assert "        return self.fc(x).relu()" in told["lines"]


def test_a_cell_that_ran_again_goes_by_its_new_number() -> None:
    told = run(True, MODEL, STEP, "0", STEP, TELL)
    assert told["nodes"][-1] == ["sum", "In[5]:3", 3]


@pytest.mark.parametrize("kernel", [True, False])
def test_the_ledger_of_a_pytorch_model_names_cells_too(kernel: bool) -> None:
    pytest.importorskip("torch")
    told = run(kernel, TORCH, TELL)
    assert {where for _, where, _ in told["nodes"]} == {"In[2]:4"}
    assert "    torch.ones(3, requires_grad=True).exp().sum().backward()" in told["lines"]


def test_an_error_names_the_cell() -> None:
    assert ", at In[2]:3: " in run(True, WRONG)
