"""Lines of a terminal that go on under their own text, not at the margin."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.text import Text

_LEAST = 24
"""A window that leaves less room than this beside the indent is filled from its margin."""


class Hanging:
    """A text whose second and later lines are indented by so many cells."""

    def __init__(self, text: Text, indent: int) -> None:
        self.text, self.indent = text, indent

    def __rich_console__(self, console: Any, options: Any) -> Iterable[Text]:
        from rich.text import Text

        room = options.max_width - self.indent
        if room < _LEAST:
            yield self.text
            return
        head, body = self.text.divide([self.indent])
        for line in body.wrap(console, room):
            yield head + line
            head = Text(" " * self.indent)
