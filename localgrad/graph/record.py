"""What a thread is recording at this moment, and where in the user's code it stands."""

import itertools
import os
import sys
import threading
from collections.abc import Mapping
from types import CodeType, FrameType, MappingProxyType
from typing import Any

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
WRITTEN_LIKE_A_USERS = tuple(
    os.path.join(PACKAGE, *folder) + os.sep
    for folder in (("train", "recipes"), ("bench",))
)
"""Folders of the package whose lines a node names as its user's."""
COMMAND_LINE = os.path.join(PACKAGE, "cli.py")  # above it there is nobody

clock = itertools.count(1)
"""Serial numbers for nodes and mutations: what is made later has the larger number, so sorting
by it is a topological order, and comparing two tells which came first."""


class Recording(threading.local):
    """One per thread: threads record independently of each other.

    What runs for every operation reads `state.__dict__` once, and looks up in that.
    """

    enabled: bool
    scope: "tuple[Any, Any] | None"  # (innermost module being called, its caller's scope)
    observer: Any  # an open ledger, which hears of every node, edge and cut
    inside: Mapping[str, str]
    """Fused operations to carry out by their derivation, and the file that this is written in."""

    def __init__(self) -> None:  # in every thread, at its first look
        self.enabled = True
        self.scope = None
        self.observer = None
        self.inside = MappingProxyType({})


state = Recording()

ours: set[str] = set()
foreign: set[str] = set()
"""The files that were looked at so far: localgrad's own, and those of whoever uses it."""


def _is_ours(filename: str) -> bool:
    found = filename.startswith(PACKAGE) and not filename.startswith(WRITTEN_LIKE_A_USERS)
    (ours if found else foreign).add(filename)
    return found


def call_site(depth: int = 2) -> tuple[CodeType | None, int]:
    """The innermost frame outside localgrad, as its code and instruction (formatted on demand).

    `depth` is how many frames, this one included, are known to be localgrad's.
    """
    return site_above(sys._getframe(depth))


def site_above(frame: FrameType | None) -> tuple[CodeType | None, int]:
    """The same, looked for from `frame` on outwards."""
    while frame is not None:
        code = frame.f_code
        filename = code.co_filename
        if filename not in ours:
            if filename == COMMAND_LINE:
                break
            if filename in foreign or not _is_ours(filename):
                return code, frame.f_lasti
        frame = frame.f_back
    return None, 0


def line_of(code: CodeType, instruction: int) -> int:
    """The source line that an instruction of a code object belongs to."""
    for start, end, line in code.co_lines():
        if start <= instruction < end and line is not None:
            return line
    return code.co_firstlineno


def format_site(code: CodeType | None, instruction: int) -> str:
    """`train.py:41`, or an empty string where Python itself made the call."""
    if code is None:
        return ""
    return f"{source_name(code.co_filename)}:{line_of(code, instruction)}"


def source_name(filename: str) -> str:
    """`train.py`; for a notebook's cell, which lies in a file of IPython's, its prompt: `In[3]`."""
    python = sys.modules.get("IPython")
    shell = python and python.get_ipython()
    cell = shell and shell.compile.format_code_name(filename)  # IPython's own tracebacks ask this
    return cell[1] if cell else os.path.basename(filename)


def here() -> str:
    """The user's current `file:line`, and the module that is being called, for error messages."""
    site, module = format_site(*call_site()), module_path(state.scope)
    return f"{site} in `{module}`" if site and module else site


def module_path(scope: tuple[Any, Any] | None) -> str:
    """Names along the chain of module calls, found in each parent's children."""
    names: list[str] = []
    while scope is not None:
        module, outer = scope
        caller = outer
        while caller is not None:
            name = caller[0].name_of_child(module)
            if name is not None:
                names.append(name)
                break
            caller = caller[1]
        scope = caller
    return ".".join(reversed(names))


class _Switch:
    """Turns recording on or off for a block of code, or for a decorated function."""

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled
        self._before: list[bool] = []

    def __enter__(self) -> None:
        self._before.append(state.enabled)
        state.enabled = self.enabled

    def __exit__(self, *_: object) -> None:
        state.enabled = self._before.pop()

    def __call__(self, function: Any) -> Any:
        import functools

        @functools.wraps(function)
        def switched(*args: Any, **kwargs: Any) -> Any:
            with _Switch(self.enabled):
                return function(*args, **kwargs)

        return switched


def no_grad() -> _Switch:
    """`with no_grad():` nothing in the block is recorded, so no gradient flows through it.

    >>> import localgrad as lg
    >>> x = lg.asarray(3.0, requires_grad=True)
    >>> with lg.no_grad():
    ...     y = x * 2
    >>> y.requires_grad
    False
    """
    return _Switch(False)


def enable_grad() -> _Switch:
    """`with enable_grad():` recording is on again, also inside `no_grad()`."""
    return _Switch(True)


def is_grad_enabled() -> bool:
    """Whether operations are recorded at this moment, in this thread."""
    return state.enabled
