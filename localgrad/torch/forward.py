"""Watching the way up: which line made which nodes, with what values, and what left the graph.

A mode hears of every call of a PyTorch function. PyTorch numbers its nodes in the order they are
made, so the numbers before and after a call say which nodes the call made; nothing need be asked
of the results. A call that makes no node is looked at for values that leave the graph.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from localgrad.ledger.thresholds import Thresholds
from localgrad.torch.cuts import CutWatch
from localgrad.torch.modules import ModuleCall, ModuleTracker
from localgrad.torch.places import Place, called_by_optimiser, called_by_scaler, here
from localgrad.torch.statistics import Meter
from localgrad.torch.units import UnitCount, count_units

sequence_number: Callable[[], int] = torch._C._autograd._get_sequence_nr

_PROPERTIES_WITH_NODES = frozenset({"T", "mT", "H", "mH", "real", "imag"})
_INTO_PYTHON = frozenset({"tolist", "numpy", "__array__"})
_NO_MUTATIONS = frozenset({"requires_grad_", "retain_grad", "share_memory_", "__setstate__"})
_REARRANGING = {"view", "view_as", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze"}
_REARRANGING |= {"transpose", "swapaxes", "swapdims", "permute", "movedim", "t", "T", "mT"}
_SHOWING = {"__getitem__", "select", "narrow", "unbind", "split", "chunk", "expand", "expand_as"}
_VIEWS = frozenset(_REARRANGING | _SHOWING)
_PASSED_ON = frozenset({"backward", "grad", "__repr__", "__format__", "register_hook"})


class Call(NamedTuple):
    """One call of a function: the nodes it made have sequence numbers in [first, last)."""

    first: int
    last: int
    name: str
    place: Place | None
    module: ModuleCall | None
    shapes: tuple[tuple[int, ...], ...]
    touched: tuple[int, ...]  # ids of the tensors it was given and returned


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

    calls: list[Call] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
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
        position = bisect_right(self.starts, number) - 1
        if position < 0:
            return None
        call = self.calls[position]
        return call if call.first <= number < call.last else None


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
        kwargs = kwargs or {}
        if self.aside:
            return func(*args, **kwargs)
        name = func.__name__
        if name == "__get__":
            name = func.__self__.__name__
            if name == "data":
                result = func(*args, **kwargs)
                self.cuts.constant("data", result, args, here(2), self.modules.current)
                return result
            if name not in _PROPERTIES_WITH_NODES:
                return func(*args, **kwargs)
        elif name in _PASSED_ON:
            if name == "register_hook" and args[0].grad_fn is not None:
                self.log.hooked.add((args[0].grad_fn._sequence_nr(), args[0].output_nr))
            return func(*args, **kwargs)
        elif _changes_in_place(name) or "out" in kwargs:
            return self._change(func, name, args, kwargs)
        first = sequence_number()
        result = func(*args, **kwargs)
        last = sequence_number()
        if last != first:
            self._made(first, last, name, result, args, kwargs)
        elif isinstance(result, Tensor):
            if not result.requires_grad and not called_by_optimiser(2):
                self.cuts.constant(name, result, args, here(2), self.modules.current)
        elif name in _INTO_PYTHON and isinstance(args[0], Tensor):
            self.cuts.into_python(name, args[0], here(2), self.modules.current)
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
                self._made(first, last, function.__name__, result, args, kwargs)
            if self.keeps_arguments:
                call = self.log.calls[-1]
                self.log.applied.append(Applied(function, args, last - 1, call.place, call.module))
        return result

    def _change(self, func: Any, name: str, args: Any, kwargs: Any) -> Any:
        """An in-place operation: note the version that it overwrites."""
        target = kwargs.get("out", args[0] if args else None)
        if not isinstance(target, Tensor) or called_by_optimiser(3):
            return func(*args, **kwargs)
        self.meter.settle(target)
        before = target._version
        first = sequence_number()
        result = func(*args, **kwargs)
        last = sequence_number()
        place, module = here(3), self.modules.current
        self.log.changes.append(
            Change(name, place, module, tuple(target.shape), before, id(target))
        )
        if last != first:
            self._made(first, last, name, target, args, kwargs, place)
        elif not target.requires_grad:
            self.cuts.constant(name, target, args, place, module)
        return result

    def _made(
        self,
        first: int,
        last: int,
        name: str,
        result: Any,
        args: Any,
        kwargs: Any,
        place: Place | None = None,
    ) -> None:
        """A call made nodes: remember its line and measure its results."""
        log, module = self.log, self.modules.current
        inputs = tensors_in(args, kwargs)
        outputs = [result] if isinstance(result, Tensor) else tensors_in((result,), {})
        log.starts.append(first)
        log.calls.append(
            Call(
                first,
                last,
                name,
                place or here(3),
                module,
                tuple([tensor.shape for tensor in inputs]),
                tuple([id(tensor) for tensor in inputs + outputs]),
            )
        )
        if called_by_scaler(3) and len(inputs) > 1:
            log.scales.append(inputs[1])
        shows = name in _VIEWS and not self.keeps_arguments
        for output in outputs:
            maker = output.grad_fn
            if maker is not None:
                if shows and output._is_view():
                    continue  # it shows nothing that its source does not
                self._measure((maker._sequence_nr(), output.output_nr), output, inputs)
            elif self.cuts.worth_following(inputs):
                self.cuts.constant(name, output, inputs, here(3), module)
        if self.cuts.living:
            self.cuts.used(last - 1, self.log, inputs)

    def _measure(self, key: tuple[int, int], output: Tensor, inputs: list[Tensor]) -> None:
        """Statistics of one result; those of a mere view are already known."""
        log, meter = self.log, self.meter
        row = self._row_of_view(output, inputs) if output._is_view() else None
        if row is None:
            value = output.detach()
            row = meter.add(value)
            call = log.calls[-1]
            count = count_units(call.name, value, row, meter, self.thresholds)
            if count is not None:
                log.units[key] = count
            if meter.nonfinite(row) and value.is_cpu:
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
        return -1 if is_part and self.meter.quick else None

    def _look_for_bad_inputs(self, number: int, inputs: list[Tensor]) -> None:
        for tensor in inputs:
            data = tensor.is_floating_point() and not tensor.requires_grad and tensor.is_cpu
            if data and not bool(torch.isfinite(tensor).all()):
                self.log.bad_inputs.add(number)


def tensors_in(args: Any, kwargs: dict[str, Any]) -> list[Tensor]:
    """The tensors among arguments, those in a list or tuple too."""
    found: list[Tensor] = []
    for item in (*args, *kwargs.values()) if kwargs else args:
        if isinstance(item, Tensor):
            found.append(item)
        elif isinstance(item, (list, tuple)):
            found += [inner for inner in item if isinstance(inner, Tensor)]
    return found


def _changes_in_place(name: str) -> bool:
    if name[-1] != "_" or name in _NO_MUTATIONS:
        return False
    return name[:2] != "__" or name in _IN_PLACE_OPERATORS


_IN_PLACE_OPERATORS = frozenset(
    {"__setitem__", "__iadd__", "__isub__", "__imul__", "__itruediv__", "__ipow__", "__imatmul__"}
)
