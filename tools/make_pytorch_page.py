"""Write docs/pytorch.md anew: the table of broken models, and what its examples print.

README.md quotes one of them: it gets the same lines.

python tools/make_pytorch_page.py

For every broken model of tests/torch/gallery: what the ledger finds, and what PyTorch's anomaly
mode (``torch.autograd.set_detect_anomaly(True)``) says of the same step.
"""

import re
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "pytorch.md"
README = ROOT / "README.md"
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

import torch  # noqa: E402
from make_architectures import FIGURE, printed  # noqa: E402

from tests.torch.gallery import BROKEN, Case, record  # noqa: E402

TABLE = re.compile(r"(<!-- gallery -->\n).*?(<!-- end of gallery -->\n)", re.DOTALL)
# The line of the forward pass that anomaly mode prints: the innermost one of the gallery.
BLAMED = re.compile(r'File ".*?(\w+\.py)", line (\d+), in (?:step|forward)\b')


def ledger_says(case: Case) -> str:
    """The finding of the case's kind at its line, or the first one there is."""
    found = record(case).findings()
    if not found:
        return "nothing"
    own = [f for f in found if (f.kind, f.where) == (case.kind, case.where)]
    return f"{(own or found)[0].kind} at {(own or found)[0].where}"


def anomaly_mode_says(case: Case) -> str:
    """The error it raises, in short, with the forward line that it points at."""
    torch.manual_seed(0)
    _, step = case.build()
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            with torch.autograd.detect_anomaly():
                step()
        except RuntimeError as error:
            return describe(error, [str(item.message) for item in heard])
    return "nothing"


def describe(error: RuntimeError, warned: list[str]) -> str:
    """The error's first sentence, and the last line of the user's in the warning's traceback."""
    message = re.split(r"[.:;](?:\s|$)", str(error))[0]
    lines = [place for text in warned for place in BLAMED.findall(text)]
    if lines:
        return f"{message}; points at {':'.join(lines[-1])}"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "gallery" in f.filename]
    return f"{message}; raised at {Path(frames[-1].filename).name}:{frames[-1].lineno}"


def table() -> str:
    rows = ["| model | the ledger | anomaly mode |", "|---|---|---|"]
    for case in BROKEN:
        cells: list[Any] = [case.complaint, ledger_says(case), anomaly_mode_says(case)]
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows) + "\n"


def with_table(page: str) -> str:
    """The page with its table as it is today."""
    return TABLE.sub(lambda m: m[1] + table() + m[2], page)


def with_figures(page: str) -> str:
    """The page with what its examples print today."""
    return FIGURE.sub(lambda m: m[1] + printed(m[2]) + m[3], page)


if __name__ == "__main__":
    PAGE.write_text(with_figures(with_table(PAGE.read_text(encoding="utf-8"))), encoding="utf-8")
    README.write_text(with_figures(README.read_text(encoding="utf-8")), encoding="utf-8")
