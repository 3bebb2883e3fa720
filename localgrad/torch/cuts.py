"""Following values that left the graph, to see whether they come back into it.

A walk of the graph cannot see what was cut off. So a tensor that was detached, or computed under
``no_grad``, or turned into integers, is followed by identity while it lives, through every
operation that makes no node, to the first operation of the graph that uses it.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from localgrad.ledger.cuts import Origin

if TYPE_CHECKING:
    from localgrad.torch.forward import Log
    from localgrad.torch.modules import ModuleCall
    from localgrad.torch.places import Place

_DETACHING = frozenset({"detach", "detach_", "data", "tensor", "as_tensor", "detach_copy"})
_SHAPE_ONLY = ("_like", "new_")


class OpenCut:
    """All values that left the graph at one line, for one reason."""

    __slots__ = ("consumers", "escaped", "module", "op", "place", "reason", "shape", "sources")

    def __init__(
        self,
        reason: str,
        op: str,
        shape: tuple[int, ...],
        place: Place | None,
        module: ModuleCall | None,
    ) -> None:
        self.reason = reason
        self.op = op
        self.shape = shape
        self.place = place
        self.module = module
        self.escaped = False  # a value went on to Python or NumPy, where nobody can follow it
        self.sources: dict[int, Any] = {}  # by id: nodes of the graph, or leaves
        # Number of the node, the argument, and what the value given there comes from.
        self.consumers: list[tuple[int, Log, int, Origin]] = []

    def take(self, source: Tensor) -> Any:
        if source.grad_fn is None and source._base is not None:  # a view, made under no_grad
            source = source._base
        behind = source if source.grad_fn is None else source.grad_fn
        self.sources[id(behind)] = behind
        return behind


class CutWatch:
    """The cuts of one ledger, and the living tensors that come from them."""

    def __init__(self) -> None:
        self.cuts: dict[tuple[Any, str], OpenCut] = {}
        self.living: dict[int, tuple[Any, dict[OpenCut, Origin]]] = {}

    def constant(
        self,
        op: str,
        result: Tensor,
        inputs: Iterable[Any],
        place: Place | None,
        module: ModuleCall | None,
    ) -> None:
        """``result`` was computed without a node: it opens a cut, or carries one on."""
        if op.endswith(_SHAPE_ONLY[0]) or op.startswith(_SHAPE_ONLY[1]):
            return
        carried: dict[OpenCut, Origin] = {}
        for tensor in inputs:
            if not isinstance(tensor, Tensor) or tensor is result:
                continue
            if tensor.requires_grad:
                opened = self._open(_reason(op, result), op, result, place, module)
                carried[opened] = Origin(opened.take(tensor), op in _DETACHING)
            elif self.living:
                for opened, origin in self.behind(tensor).items():
                    carried[opened] = Origin(origin.source, False)
        if carried:
            self._follow(result, carried)

    def into_python(
        self, op: str, tensor: Tensor, place: Place | None, module: ModuleCall | None
    ) -> None:
        """A value of the graph, or of a cut, became a Python number or a NumPy array."""
        for known in self.behind(tensor):
            known.escaped = True
        if tensor.requires_grad:
            opened = self._open("detach", op, tensor, place, module)
            opened.take(tensor)
            opened.escaped = True

    def used(self, number: int, log: Log, inputs: list[Tensor]) -> None:
        """Note which arguments of a new node come from a cut."""
        for position, tensor in enumerate(inputs):
            for opened, origin in self.behind(tensor).items():
                opened.consumers.append((number, log, position, origin))

    def worth_following(self, inputs: list[Tensor]) -> bool:
        """Whether a result without a gradient, of a call that made nodes, came from the graph."""
        return any(tensor.requires_grad for tensor in inputs)

    def behind(self, tensor: Tensor) -> dict[OpenCut, Origin]:
        """The cuts that ``tensor`` comes from; of several values cut at one line, the last."""
        found = self.living.get(id(tensor))
        return found[1] if found is not None and found[0]() is tensor else {}

    def _open(
        self, reason: str, op: str, value: Tensor, place: Place | None, module: ModuleCall | None
    ) -> OpenCut:
        key = place, reason
        if key not in self.cuts:
            self.cuts[key] = OpenCut(reason, op, tuple(value.shape), place, module)
        return self.cuts[key]

    def _follow(self, tensor: Tensor, cuts: dict[OpenCut, Origin]) -> None:
        key, living = id(tensor), self.living
        known = self.behind(tensor)
        gone = weakref.ref(tensor, lambda _: living.pop(key, None))
        living[key] = gone, {**known, **cuts}


def _reason(op: str, result: Tensor) -> str:
    if op in _DETACHING:
        return "detach"
    if not torch.is_grad_enabled():
        return "no_grad"
    return "detach" if result.is_floating_point() else "integer"
