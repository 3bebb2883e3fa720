"""On a terminal, say which kernel is being compiled, so that a first step of seconds is explained.

The line appears while Numba compiles and is gone afterwards.  What is read from the disk compiles
nothing and says nothing.
"""

from __future__ import annotations

import sys
from typing import Any

from numba.core import event

_ROOM = __name__.rpartition(".")[0] + "."


class Announcer(event.Listener):
    """Writes on standard error the name of the outermost kernel that is being compiled."""

    def __init__(self) -> None:
        self.depth = 0

    def on_start(self, event: Any) -> None:
        """Show the line, if this kernel is ours and no other one's compilation led to it."""
        function = event.data["dispatcher"].py_func
        if self.depth or function.__module__.startswith(_ROOM):
            self.depth += 1
        if self.depth == 1 and has_terminal():
            name = function.__name__.strip("_").replace("_", " ")
            words = f"compiling kernels (once, kept on disk): {name}"
            sys.stderr.write(f"\r\x1b[2m{words}\x1b[0m\x1b[K")
            sys.stderr.flush()

    def on_end(self, event: Any) -> None:
        """Take the line away with the outermost kernel's end."""
        self.depth = max(self.depth - 1, 0)
        if not self.depth and has_terminal():
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def has_terminal() -> bool:
    """Whether standard error is a terminal, and nobody else (a progress bar) draws on it."""
    own = sys.__stderr__
    return own is not None and sys.stderr is own and own.isatty()


event.register("numba:compile", Announcer())
