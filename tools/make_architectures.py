"""Write what every example prints into its place in docs/architectures.md.

python tools/make_architectures.py
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architectures.md"
FIGURE = re.compile(r"(<!-- (examples/\w+\.py) -->\n```text\n).*?(```\n)", re.DOTALL)


def printed(example: str) -> str:
    """The output of an example, run in an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, ROOT / example], cwd=folder, check=True, capture_output=True, text=True
        )
    return done.stdout


def main() -> None:
    page = FIGURE.sub(lambda m: m[1] + printed(m[2]) + m[3], PAGE.read_text())
    PAGE.write_text(page)


if __name__ == "__main__":
    main()
