"""Watching the way up: which line made which nodes, with what values, and what left the graph.

A mode hears of every call of a PyTorch function. PyTorch numbers its nodes in the order they are
made, so the numbers before and after a call say which nodes the call made; nothing need be asked
of the results. A call that makes no node is looked at for values that leave the graph.

What is known of a function is looked up once; what a call was is put down as it is, and becomes
words only when somebody reads it.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from operator import itemgetter
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from localgrad.ledger.thresholds import Thresholds
from localgrad.ledger.units import form_of
from localgrad.torch.cuts import CutWatch
from localgrad.torch.modules import ModuleCall, ModuleTracker
from localgrad.torch.places import Place, called_by_optimiser, called_by_scaler, here
from localgrad.torch.statistics import Meter
from localgrad.torch.units import UnitCount, count_units

sequence_number: Callable[[], int] = torch._C._autograd._get_sequence_nr

_PROPERTIES_WITH_NODES = frozenset({"T", "mT", "H", "mH", "real", "imag"})
_INTO_PYTHON = frozenset({"tolist", "numpy", "__array__"})
_NO_MUTATIONS = frozenset({"requires_grad_", "retain_grad", "share_memory_", "__setstate__"})
_IN_PLACE_OPERATORS = frozenset(
    {"__setitem__", "__iadd__", "__isub__", "__imul__", "__itruediv__", "__ipow__", "__imatmul__"}
)
_REARRANGING = {"view", "view_as", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze"}
_REARRANGING |= {"transpose", "swapaxes", "swapdims", "permute", "movedim", "t", "T", "mT"}
_SHOWING = {"__getitem__", "select", "narrow", "unbind", "split", "chunk", "expand", "expand_as"}
_VIEWS = frozenset(_REARRANGING | _SHOWING)
_PASSED_ON = frozenset({"backward", "grad", "__repr__", "__format__", "register_hook"})


class Role(Enum):
    """What is to be done about a call of a function."""

    COMPUTES = 0
    CHANGES = 1  # its first argument, in place
    SHOWS_DATA = 2  # x.data
    HOOKS = 3
    NOTHING = 4


class Kind(NamedTuple):
    """What is known of a function. form: which activation it is, if it is one."""

    computes: bool  # the most frequent role
    role: Role
    name: str
    form: str | None
    is_view: bool
    is_product: bool


@lru_cache(maxsize=1024)
def kind_of(func: Any) -> Kind:
    """Classify a PyTorch function by its name."""
    name = func.__name__
    role = Role.COMPUTES
    if name == "__get__":
        name = func.__self__.__name__
        if name == "data":
            role = Role.SHOWS_DATA
        elif name not in _PROPERTIES_WITH_NODES:
            role = Role.NOTHING
    elif name in _PASSED_ON:
        role = Role.HOOKS if name == "register_hook" else Role.NOTHING
    elif _changes_in_place(name):
        role = Role.CHANGES
    form = form_of(name.removesuffix("_"))
    is_product = name in ("mul", "multiply")
    return Kind(role is Role.COMPUTES, role, name, form, name in _VIEWS, is_product)


def _changes_in_place(name: str) -> bool:
    if name[-1] != "_" or name in _NO_MUTATIONS:
        return False
    return name[:2] != "__" or name in _IN_PLACE_OPERATORS


class Call(NamedTuple):
    """One call of a function: the nodes it made have sequence numbers in [first, last).

    ``Log`` keeps the plain tuple, which is made in a third of the time.
    """

    first: int
    last: int
    place: Place | None
    module: ModuleCall | None
    shapes: list[tuple[int, ...]]
    touched: list[int]  # ids of the tensors it was given and returned


class Change(NamedTuple):
    """One in-place operation, with the version of the tensor before it."""

    name: str
    place: Place | None
    module: ModuleCall | None
    shape: tuple[int, ...]
    before: int
    tensor: int


class Applied(NamedTuple):
    """One use of a ``torch.autograd.Function``, with what the audit needs to repeat it."""

    function: Any
    arguments: tuple[Any, ...]
    node: int
    place: Place | None
    module: ModuleCall | None


@dataclass(slots=True)
class Log:
    """What one run of forward code did; a checkpoint's recomputation has a log of its own."""

    calls: list[Any] = field(default_factory=list)
    values: dict[tuple[int, int], int] = field(default_factory=dict)
    tensors: dict[tuple[int, int], Tensor] = field(default_factory=dict)
    units: dict[tuple[int, int], UnitCount] = field(default_factory=dict)
    bad_inputs: set[int] = field(default_factory=set)
    changes: list[Change] = field(default_factory=list)
    applied: list[Applied] = field(default_factory=list)
    scales: list[Tensor] = field(default_factory=list)
    hooked: set[tuple[int, int]] = field(default_factory=set)

    def call_of(self, number: int) -> Call | None:
        """The call that made the node with this sequence number."""
        position = bisect_right(self.calls, number, key=itemgetter(0)) - 1
        call = Call(*self.calls[position]) if position >= 0 else None
        return call if call is not None and number < call.last else None


class Watch(TorchFunctionMode):
    """The mode. ``log`` is where it writes; ``aside`` counts reasons to look away."""

    def __init__(
        self, meter: Meter, modules: ModuleTracker, thresholds: Thresholds, level: str
    ) -> None:
        super().__init__()
        self.meter = meter
        self.modules = modules
        self.thresholds = thresholds
        self.keeps_values = level == "values"
        self.keeps_arguments = level != "norms"
        self.log = Log()
        self.cuts = CutWatch()
        self.aside = 0

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if kwargs is None:
            kwargs = {}
        if self.aside:
            return func(*args, **kwargs)
        kind = kind_of(func)
        if not kind.computes or "out" in kwargs:
            return self._other(kind, func, args, kwargs)
        first = sequence_number()
        result = func(*args, **kwargs)
        last = sequence_number()
        if last != first:
            self._made(first, last, kind, result, args, kwargs)
        elif isinstance(result, Tensor):
            if not result.requires_grad and not called_by_optimiser(2):
                self.cuts.constant(kind.name, result, args, here(2), self.modules.current)
        elif kind.name in _INTO_PYTHON and isinstance(args[0], Tensor):
            self.cuts.into_python(kind.name, args[0], here(2), self.modules.current)
        return result

    def _other(self, kind: Kind, func: Any, args: Any, kwargs: Any) -> Any:
        """A call that does not compute a new value."""
        if kind.role is Role.CHANGES or "out" in kwargs:
            return self._change(func, kind, args, kwargs)
        if kind.role is Role.HOOKS and args[0].grad_fn is not None:
            self.log.hooked.add((args[0].grad_fn._sequence_nr(), args[0].output_nr))
        result = func(*args, **kwargs)
        if kind.role is Role.SHOWS_DATA:
            self.cuts.constant("data", result, args, here(3), self.modules.current)
        return result

    def apply(self, original: Any, function: type, args: Any, kwargs: Any) -> Any:
        """Carry out a ``torch.autograd.Function``; what it computes inside is its own affair."""
        if self.aside:
            return original(function, *args, **kwargs)
        first = sequence_number()
        self.aside += 1
        try:
            result = original(function, *args, **kwargs)
        finally:
            self.aside -= 1
        last = sequence_number()
        if last != first:
            with torch._C.DisableTorchFunction():
                self._made(first, last, kind_of(function), result, args, kwargs)
            if self.keeps_arguments:
                call = Call(*self.log.calls[-1])
                self.log.applied.append(Applied(function, args, last - 1, call.place, call.module))
        return result

    def _change(self, func: Any, kind: Kind, args: Any, kwargs: Any) -> Any:
        """An in-place operation: note the version that it overwrites."""
        target = kwargs.get("out", args[0] if args else None)
        if not isinstance(target, Tensor) or called_by_optimiser(4):
            return func(*args, **kwargs)
        self.meter.settle(target)
        before = target._version
        first = sequence_number()
        result = func(*args, **kwargs)
        last = sequence_number()
        place, module = here(4), self.modules.current
        self.log.changes.append(
            Change(kind.name, place, module, tuple(target.shape), before, id(target))
        )
        if last != first:
            self._made(first, last, kind, target, args, kwargs, place)
        elif not target.requires_grad:
            self.cuts.constant(kind.name, target, args, place, module)
        return result

    def _made(
        self,
        first: int,
        last: int,
        kind: Kind,
        result: Any,
        args: Any,
        kwargs: Any,
        place: Place | None = None,
    ) -> None:
        """A call made nodes: remember its line and measure its results."""
        log, module = self.log, self.modules.current
        inputs = tensors_in(args, kwargs)
        is_one = isinstance(result, Tensor)
        outputs = [result] if is_one else tensors_in((result,), {})
        if place is None:
            place = here(3)
        shapes, touched = [], []
        for tensor in inputs:
            shapes.append(tensor.shape)
            touched.append(id(tensor))
        for tensor in outputs:
            touched.append(id(tensor))
        log.calls.append((first, last, place, module, shapes, touched))
        if self.cuts.living:
            self.cuts.used(last - 1, log, inputs)
        if kind.is_view and is_one and not self.keeps_arguments and result._is_view():
            return  # it shows nothing that its source does not
        if kind.is_product and len(inputs) > 1 and called_by_scaler(3):
            log.scales.append(inputs[1])
        for output in outputs:
            maker = output.grad_fn
            if maker is not None:
                self._measure((maker._sequence_nr(), output.output_nr), kind, output, inputs)
            elif self.cuts.worth_following(inputs):
                self.cuts.constant(kind.name, output, inputs, place, module)

    def _measure(
        self, key: tuple[int, int], kind: Kind, output: Tensor, inputs: list[Tensor]
    ) -> None:
        """Statistics of one result; those of a mere view are already known."""
        log, meter = self.log, self.meter
        row = self._row_of_view(output, inputs) if output._is_view() else None
        if row is None:
            row = meter.add(output)
            if kind.form is not None:
                count = count_units(kind.form, output.detach(), row, meter, self.thresholds)
                if count is not None:
                    log.units[key] = count
            if not math.isfinite(meter.latest) and output.is_cpu:
                self._look_for_bad_inputs(key[0], inputs)
        log.values[key] = row
        if self.keeps_values:
            log.tensors[key] = output.detach().clone()

    def _row_of_view(self, output: Tensor, inputs: list[Tensor]) -> int | None:
        """The row of the value that ``output`` is a view of; -1 for a part of it, which shows
        nothing that the whole does not; None where there is none, or the level wants it too."""
        base = inputs[0] if inputs else output
        if base is output or base.grad_fn is None:
            return None
        row = self.log.values.get((base.grad_fn._sequence_nr(), base.output_nr))
        if row is None:
            return None
        if base.numel() == output.numel() and base.data_ptr() == output.data_ptr():
            return row
        is_part = output._base is (base._base if base._is_view() else base)
        return -1 if is_part and not self.keeps_arguments else None

    def _look_for_bad_inputs(self, number: int, inputs: list[Tensor]) -> None:
        for tensor in inputs:
            data = tensor.is_floating_point() and not tensor.requires_grad and tensor.is_cpu
            if data and not bool(torch.isfinite(tensor).all()):
                self.log.bad_inputs.add(number)


def tensors_in(args: Any, kwargs: dict[str, Any]) -> list[Tensor]:
    """The tensors among arguments, those in a list or tuple too."""
    found: list[Tensor] = []
    for item in (*args, *kwargs.values()) if kwargs else args:
        if item is None:
            continue
        if isinstance(item, Tensor):
            found.append(item)
        elif isinstance(item, (list, tuple)):
            found += [inner for inner in item if isinstance(inner, Tensor)]
    return found
