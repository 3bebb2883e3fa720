"""A look inside of fused operations: their derivation is recorded, with its own lines."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dis import get_instructions
from functools import cache
from itertools import pairwise
from types import CodeType, FrameType

from localgrad import errors
from localgrad.graph.node import Node
from localgrad.graph.record import here, state
from localgrad.local.composite import Composite
from localgrad.local.operation import Operation


def derivations(names: Iterable[str]) -> dict[str, str]:
    """The composites of these names, each with the file in which its derivation is written."""
    names = [names] if isinstance(names, str) else list(names)
    if not names:
        return {}
    import localgrad.nn  # noqa: F401  the fused operations of networks are declared by its import

    known = {op.name: op for op in Operation.registry if isinstance(op, Composite)}
    for name in names:
        if name not in known:
            raise errors.unknown_choice("inside", name, sorted(known), here())
    return {name: known[name].derivation.__code__.co_filename for name in names}


def place(node: Node) -> str | None:
    """Give a node that a derivation made the derivation's own line, not that of its caller.

    Returns what the derivation calls it, such as `forget_gate`; None where it gives it no name.
    """
    files = state.inside.values()
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_code is not node.code:
        if frame.f_code.co_filename in files:
            node.code, node.instruction = frame.f_code, frame.f_lasti
            return assigned_names(frame.f_code).get(frame.f_lasti)
        frame = frame.f_back
    return None


@cache
def assigned_names(code: CodeType) -> dict[int, str]:
    """The variable that an instruction's result is assigned to, by the instruction's offset."""
    found = {}
    for instruction, following in pairwise(get_instructions(code)):
        if following.opname.startswith("STORE_FAST"):
            name = following.argval  # two names where two instructions are made into one
            found[instruction.offset] = name if isinstance(name, str) else name[0]
    return found
