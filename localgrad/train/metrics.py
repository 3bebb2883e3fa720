"""The metrics file: one JSON object a line, a line for every step and every epoch."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from localgrad.nn.files import replacing


class Metrics:
    """Appends to `metrics.jsonl`; what a run writes again after a kill is taken back first."""

    def __init__(self, path: Path, resume_after: int) -> None:
        """Keep the lines up to and including step `resume_after`, drop what follows them."""
        kept = [line for line in read(path) if line["step"] <= resume_after]
        with replacing(path) as beside:
            Path(beside).write_text("".join(json.dumps(line) + "\n" for line in kept), "utf-8")
        self.file = open(path, "a", encoding="utf-8")  # noqa: SIM115

    def add(self, **values: Any) -> None:
        self.file.write(json.dumps(values) + "\n")

    def to_disk(self) -> None:
        """Make sure that the disk has every line: a checkpoint promises the lines before it."""
        self.file.flush()
        os.fsync(self.file.fileno())

    def __enter__(self) -> Metrics:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()


def read(path: Path) -> list[dict[str, Any]]:
    """The complete lines of a metrics file; a kill may have cut the last one short."""
    if not path.exists():
        return []
    *complete, _ = path.read_bytes().split(b"\n")
    return [json.loads(line) for line in complete]
