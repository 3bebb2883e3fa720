"""The computational node: one operation that was carried out, and what backward needs of it."""

from __future__ import annotations

import sys
from types import CodeType
from typing import TYPE_CHECKING, Any

from localgrad.graph.record import (
    call_site,
    clock,
    foreign,
    format_site,
    line_of,
    module_path,
    ours,
    site_above,
    state,
)

if TYPE_CHECKING:
    from localgrad.local.operation import Operation, Plan


class Node:
    """One operation of the graph. Its edges are `inputs`: the nodes its arguments came from.

    A node knows its sources, never its consumers: consumers hold it, so whatever nobody
    consumes any more is freed by Python itself.
    """

    __slots__ = (
        "__weakref__",
        "code",
        "inputs",
        "instruction",
        "kept",
        "likes",
        "op",
        "options",
        "plan",
        "scope",
        "serial",
        "watch",
    )

    op: Operation
    inputs: tuple[Node | None, ...]  # None where an argument needs no gradient
    kept: Any  # a tuple of what the partials named; a Freed once a sweep has passed
    plan: Plan  # which names `kept` holds
    likes: Any  # shapes and dtypes of the arguments, where the rule needs them
    options: dict[str, Any]
    code: CodeType | None
    instruction: int
    scope: tuple[Any, Any] | None
    serial: int
    watch: Any  # weak reference to a Tensor whose `.grad` is to be filled here

    @property
    def where(self) -> str:
        """The user's `file:line` that made this node."""
        return format_site(self.code, self.instruction)

    @property
    def line(self) -> int | None:
        return None if self.code is None else line_of(self.code, self.instruction)

    @property
    def module(self) -> str:
        """The path of the module that was being called, such as `blocks.3.attention`."""
        return module_path(self.scope)

    @property
    def retained(self) -> dict[str, Any]:
        """What this node keeps for its backward, by the names its partials use."""
        if not isinstance(self.kept, tuple):  # freed, or dropped by a checkpoint
            return {}
        return dict(zip(self.plan.names, self.kept))

    def __repr__(self) -> str:
        place = f" at {self.where}" if self.code is not None else ""
        return f"<Node {self.op.name}{place}>"


def make_node(
    op: Operation,
    inputs: tuple[Node | None, ...],
    kept: Any,
    plan: Plan,
    likes: Any,
    options: dict[str, Any],
    now: dict[str, Any] | None = None,
) -> Node:
    """A node for an operation that the user's line calls now; `now` is `state.__dict__`.

    It fills in an empty object, because a class with an `__init__` takes twice as long to call,
    and every operation of every network comes by here.
    """
    node = Node()
    node.op = op
    node.inputs = inputs
    node.kept = kept
    node.plan = plan
    node.likes = likes
    node.options = options
    frame: Any = sys._getframe(2)  # whoever called the operation, first of all the user
    code = frame.f_code
    if code.co_filename in ours:  # one of Tensor's operators, or a module
        frame = frame.f_back or frame
        code = frame.f_code
    if code.co_filename in foreign:
        node.code = code
        node.instruction = frame.f_lasti
    else:
        node.code, node.instruction = site_above(frame)
    if now is None:
        now = state.__dict__
    node.scope = now["scope"]
    node.serial = next(clock)
    node.watch = None
    return node


class Freed:
    """What `kept` becomes when a sweep has passed: it remembers who freed it."""

    __slots__ = ("code", "instruction")

    def __init__(self) -> None:
        self.code, self.instruction = call_site()

    @property
    def where(self) -> str:
        return format_site(self.code, self.instruction)
