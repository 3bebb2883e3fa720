"""Compiled code on disk is kept only as long as no source file of the kernels has changed.

Numba asks whether the file of a function has changed.  Our kernels carry copies of functions from
other files and reach some by name, so after an update one file's old code would meet another's new
code, and crash.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path

from numba import njit

from .host import CACHE

_SOURCES = Path(__file__).parent


@njit(cache=CACHE)
def _probe() -> None:
    """Any function of this folder: Numba tells where the code of all of them is kept."""


def forget_stale_code(folder: Path) -> None:
    """Remove Numba's indices from ``folder`` if sources have changed since they were made."""
    states = [(path.name, path.stat()) for path in sorted(_SOURCES.glob("*.py"))]
    text = "".join(f"{name} {state.st_mtime_ns} {state.st_size}\n" for name, state in states)
    now = hashlib.sha256(text.encode()).hexdigest()
    mark = folder / "sources.sha256"
    if mark.exists() and mark.read_text() == now:
        return
    for index in folder.glob("*.nbi"):
        index.unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=folder, delete=False) as file:
        file.write(now)
    os.replace(file.name, mark)


if CACHE:
    with contextlib.suppress(OSError):  # where nothing can be written, nothing is kept either
        forget_stale_code(Path(_probe.stats.cache_path))
