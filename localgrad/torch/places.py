"""The user's line behind an operation: the innermost frame that is not PyTorch's or ours.

A place is kept as a code object and a line number, and becomes words only when somebody reads it.
"""

from __future__ import annotations

import inspect
import os
import sys
from types import CodeType, FrameType
from typing import Any, NamedTuple

import torch

from localgrad.graph.record import source_name

_OURS = os.path.dirname(os.path.abspath(__file__)) + os.sep
_TORCH = os.path.dirname(os.path.abspath(torch.__file__)) + os.sep
_OPTIMISERS = os.path.join(_TORCH, "optim") + os.sep
_SCALER = os.path.join(_TORCH, "amp", "grad_scaler.py")
_STANDARD = os.path.dirname(os.path.abspath(os.__file__)) + os.sep
_PACKAGES = os.path.join(_STANDARD, "site-packages") + os.sep

_internal: dict[str, bool] = {}  # by file; a code object's hash is computed anew each time


class Place(NamedTuple):
    """Where in the user's code something happened."""

    code: CodeType
    line: int

    @property
    def file(self) -> str:
        name = self.code.co_filename
        return name if name.startswith("<") else os.path.abspath(name)  # <stdin>, a cell

    @property
    def where(self) -> str:
        """``train.py:41``."""
        return f"{source_name(self.code.co_filename)}:{self.line}"

    @property
    def function(self) -> str:
        return self.code.co_name


_place = tuple.__new__  # a NamedTuple's own is a function of Python's


def here(depth: int = 1) -> Place | None:
    """The user's line: outside PyTorch, this package and the standard library."""
    frame = user_frame(depth + 1)
    return None if frame is None else _place(Place, (frame.f_code, frame.f_lineno))


def user_frame(depth: int = 1) -> FrameType | None:
    """The innermost frame that is the user's."""
    frame: FrameType | None = sys._getframe(depth)
    known = _internal
    while frame is not None:
        file = frame.f_code.co_filename
        internal = known.get(file)
        if internal is None:
            internal = known[file] = is_internal(file)
        if not internal:
            return frame
        frame = frame.f_back
    return None


def name_of(tensor: object) -> str | None:
    """What the user's frames call an object: the name of a local or global variable."""
    frame = user_frame(2)
    while frame is not None:
        for variables in (local_variables(frame), frame.f_globals):
            for name, value in variables.items():
                if value is tensor:
                    return name
        frame = frame.f_back
    return None


def local_variables(frame: FrameType) -> dict[str, Any]:
    """The variables of a frame, by name.

    Before Python 3.13 a frame keeps what ``f_locals`` gave, and with it every value alive until
    its function returns: a training loop would hold the graph of a step that is over.
    """
    kept = frame.f_locals
    found = dict(kept)
    is_copy = frame.f_code.co_flags & inspect.CO_OPTIMIZED and isinstance(kept, dict)
    if is_copy and sys.getrefcount(kept) <= 3:  # the frame, `kept`, the argument: nobody else
        kept.clear()
    return found


def is_internal(filename: str) -> bool:
    """Whether a file is PyTorch's, this package's or the standard library's."""
    path = os.path.abspath(filename)
    if path.startswith((_TORCH, _OURS)) or filename.startswith("<frozen"):
        return True
    return path.startswith(_STANDARD) and not path.startswith(_PACKAGES)


def called_by_optimiser(depth: int = 1) -> bool:
    """Whether the frame at ``depth`` belongs to ``torch.optim``: updates are no part of a graph."""
    return sys._getframe(depth).f_code.co_filename.startswith(_OPTIMISERS)


def called_by_scaler(depth: int = 1) -> bool:
    """Whether the frame at ``depth`` is the gradient scaler of mixed precision."""
    return sys._getframe(depth).f_code.co_filename == _SCALER
