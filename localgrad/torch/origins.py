"""The line of the user's code that made a parameter: ``self.encoder = nn.Linear(8, 6)``.

PyTorch does not remember it, but the class that owns the parameter says it in its ``__init__``.
Parameters of PyTorch's own layers belong to the line that made the layer.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from functools import cache
from typing import Any

from torch import nn

from localgrad.torch.places import is_internal


def origin(root: nn.Module, name: str) -> tuple[str, int] | None:
    """Return (file, line) of the assignment behind ``root``'s parameter ``name``."""
    owners = [root]
    parts = name.split(".")
    for part in parts[:-1]:
        child = getattr(owners[-1], part, None)
        if not isinstance(child, nn.Module):
            return None
        owners.append(child)
    for owner, attribute in zip(reversed(owners), reversed(parts)):
        kind: Any = type(owner)
        found = _assignments(kind).get(attribute)
        if found is not None:
            return found
    return None


@cache
def _assignments(kind: Any) -> dict[str, tuple[str, int]]:
    """Where each attribute is assigned in the ``__init__`` of a class of the user's."""
    found: dict[str, tuple[str, int]] = {}
    for base in reversed(kind.__mro__):
        begin: Any = base.__dict__.get("__init__")
        file = getattr(getattr(begin, "__code__", None), "co_filename", "")
        if not file or is_internal(file):
            continue
        try:
            lines, first = inspect.getsourcelines(begin)
            tree = ast.parse(textwrap.dedent("".join(lines)))
        except (OSError, TypeError, SyntaxError):
            continue
        for node in ast.walk(tree):
            if not isinstance(node, (ast.Assign, ast.AnnAssign)):
                continue
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Attribute):
                    found[target.attr] = (file, first + node.lineno - 1)
    return found
