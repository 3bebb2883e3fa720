"""Opening and closing: what PyTorch is made to tell while a ledger is open, and nothing after.

Every backward pass goes through one function of PyTorch's, ``_engine_run_backward``; while a
ledger is open it is ours. It walks the graph, hangs hooks on it, lets the engine run and takes
the hooks away, whatever happens meanwhile. A sweep inside of a sweep (a reentrant checkpoint, a
hand-written backward that differentiates) is taken into the account of the outer one.
"""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import BackwardCFunction
from torch.overrides import _get_current_function_mode_stack, _pop_mode, _push_mode

from localgrad import errors_of_ledgers as errors
from localgrad.ledger.cuts import Origin
from localgrad.ledger.thresholds import Thresholds
from localgrad.torch.cuts import OpenCut
from localgrad.torch.forward import Change, Log, Watch
from localgrad.torch.joins import Target
from localgrad.torch.modules import ModuleTracker
from localgrad.torch.places import Place, here, local_variables, name_of
from localgrad.torch.statistics import Meter
from localgrad.torch.sweep import GradBefore, Sweep
from localgrad.torch.walk import CHANGED, Entry, roots_of

_open: list[Recorder] = []


class Lost(NamedTuple):
    """A loss that had no graph, and the cuts that it comes from."""

    tensor: Tensor
    place: Place | None
    row: int
    behind: dict[OpenCut, Origin]


class Recorder:
    """What one ledger heard of PyTorch."""

    def __init__(self, model: Any, level: str, thresholds: Thresholds) -> None:
        self.level = level
        self.thresholds = thresholds
        self.meter = Meter()
        self.modules = ModuleTracker(model)
        self.watch = Watch(self.meter, self.modules, thresholds, level)
        self.log = self.watch.log
        self.sweeps: list[Sweep] = []
        self.failures: list[tuple[Entry, Log, Change]] = []
        self.lost: list[Lost] = []
        self.variables: dict[int, str] = {}  # what the user's code calls leaves of no module
        self._running: list[Sweep] = []
        self._recomputing: list[tuple[Log, int]] = []
        self._thread = threading.get_ident()
        self._stack = ExitStack()

    # -- opening and closing -------------------------------------------------------------------

    def open(self) -> None:
        if _open:
            raise errors.already_open()
        _open.append(self)
        self._thread = threading.get_ident()
        stack = self._stack = ExitStack()
        stack.callback(_open.remove, self)
        try:
            engine = torch.autograd._engine_run_backward
            apply = torch.autograd.Function.__dict__["apply"]
            self._replace(torch.autograd, "_engine_run_backward", self._run(engine))
            self._replace(torch.autograd.graph, "_engine_run_backward", self._run(engine))
            self._replace(torch.autograd.Function, "apply", self._apply(apply))
            stack.enter_context(eager())
            self.modules.open()
            stack.callback(self.modules.close)
            self.watch.__enter__()
            stack.callback(leave_mode, self.watch)
        except BaseException:
            stack.close()
            raise

    @property
    def is_open(self) -> bool:
        return self in _open

    def close(self) -> None:
        """Leave PyTorch as it was found; the numbers come over from the device."""
        self._stack.close()
        self.meter.finish()

    def _replace(self, owner: Any, name: str, value: Any) -> None:
        before = owner.__dict__[name]
        setattr(owner, name, value)
        self._stack.callback(setattr, owner, name, before)

    def _apply(self, original: Any) -> Any:
        watch, plain = self.watch, original.__func__

        def apply(cls: type, *args: Any, **kwargs: Any) -> Any:
            return watch.apply(plain, cls, args, kwargs)

        return classmethod(apply)

    # -- sweeps --------------------------------------------------------------------------------

    def _run(self, engine: Callable[..., Any]) -> Callable[..., Any]:
        def run(outputs: Any, *args: Any, **kwargs: Any) -> Any:
            elsewhere = threading.get_ident() != self._thread and not self._running
            if elsewhere or not self._can_record(outputs, args):
                return engine(outputs, *args, **kwargs)
            with self._looking_away():
                if self._running:
                    return self._run_inside(engine, outputs, args, kwargs)
                return self._run_first(engine, outputs, args, kwargs)

        return run

    @contextmanager
    def _looking_away(self) -> Iterator[None]:
        """Without the mode: what a sweep computes is heard by the hooks."""
        watch = self.watch
        aside, watch.aside = watch.aside, 1
        present = leave_mode(watch)
        try:
            yield
        finally:
            if present:
                watch.__enter__()
            watch.aside = aside

    def _can_record(self, outputs: Any, args: Any) -> bool:
        """Batched sweeps (``vmap``) carry no plain tensors; a loss without a graph has nothing."""
        if any(isinstance(g, Tensor) and torch._C._functorch.is_batchedtensor(g) for g in args[0]):
            return False
        without = [t for t in outputs if isinstance(t, Tensor) and not t.requires_grad]
        for tensor in without:
            cuts = self.watch.cuts.behind(tensor)
            self.lost.append(Lost(tensor, here(3), self.meter.add(tensor.detach()), cuts))
        return not without

    def _run_first(self, engine: Any, outputs: Any, args: Any, kwargs: Any) -> Any:
        place = here(3)
        differentiable = bool(args[2]) if len(args) > 2 else bool(kwargs.get("create_graph"))
        sweep = Sweep(
            self.meter,
            self.level,
            None if place is None else place.where,
            differentiable,
            bool(kwargs.get("accumulate_grad")) and not are_averaged(),
            not (args[3] if len(args) > 3 else kwargs.get("inputs")),
        )
        self.sweeps.append(sweep)
        self._running.append(sweep)
        try:
            args = self._retaining(args)
            self._begin(sweep, outputs, args[0], self.log, ())
            self._note_gradients(sweep)
            result = engine(outputs, *args, **kwargs)
            self._note_gradients(sweep, after=True)
            return result
        except BaseException as error:
            self._explain(sweep, error)
            raise
        finally:
            while self._recomputing:
                self._recomputed()
            self._running.pop()
            sweep.close()

    def _run_inside(self, engine: Any, outputs: Any, args: Any, kwargs: Any) -> Any:
        """A sweep that the backward of a node began, on a graph of its own."""
        sweep = self._running[-1]
        owner = self._owner(sweep)
        if owner is not None:
            below = sweep.graph.entries[owner].order
            self._begin(sweep, outputs, args[0], self.watch.log, below, owner)
        return engine(outputs, *args, **kwargs)

    def _begin(
        self,
        sweep: Sweep,
        outputs: Any,
        seeds: Any,
        log: Log,
        below: tuple[int, ...],
        owner: int = -1,
    ) -> None:
        """Walk the graph behind ``outputs`` and hang the hooks on it."""
        roots, entries = sweep.graph.extend(roots_of(outputs), log, below)
        if owner < 0:
            sweep.roots += roots
            sweep.scale = log.scales[-1] if log.scales else None
            for root, output, seed in zip(roots, outputs, seeds):
                if self.level != "norms":
                    sweep.seeds.append(torch.ones_like(output) if seed is None else seed.clone())
                if isinstance(output, Tensor):
                    sweep.root_rows[root] = self.meter.add(output.detach())
        leaves = [index for index in sweep.graph.leaves if index >= entries.start]
        self._name_leaves([sweep.graph.entries[index].variable for index in leaves])
        hooked = self._hooked(sweep, entries, leaves, log)
        sweep.listen(entries, leaves, roots, list(seeds), owner, hooked)
        for index in sweep.graph.custom:
            if index >= entries.start:
                sweep.surround(index, self._recompute, self._recomputed)

    def _hooked(self, sweep: Sweep, entries: range, leaves: list[int], log: Log) -> list[Target]:
        """Where a hook of the user's may change a gradient: it is compared with what was sent."""
        all_entries = sweep.graph.entries
        found: list[Target] = [
            (index, 0) for index in leaves if all_entries[index].variable._backward_hooks
        ]
        if log.hooked:
            for index in entries:
                number = all_entries[index].node._sequence_nr()
                found += [(index, slot) for known, slot in log.hooked if known == number]
        return found

    def _name_leaves(self, variables: list[Any]) -> None:
        """Leaves that no module owns are called what the user's code calls them."""
        modules = self.modules.any
        for variable in variables:
            if modules and isinstance(variable, nn.Parameter):
                continue
            if id(variable) not in self.variables:
                name = name_of(variable)
                if name is not None:
                    self.variables[id(variable)] = name

    @property
    def compiled(self) -> bool:
        """Whether a module under ``torch.compile`` took part."""
        kinds = [
            type(module).__name__ for root in self.modules.wrapped for module in root.modules()
        ]
        return "OptimizedModule" in kinds

    def _retaining(self, args: Any) -> Any:
        """Keep the graph, so that single edges can be asked about afterwards."""
        if self.level == "norms" or len(args) < 2:
            return args
        return (args[0], True, *args[2:])

    def _owner(self, sweep: Sweep) -> int | None:
        """The node whose backward is running: its ``ctx`` is in a frame above this one."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            context = local_variables(frame).get("ctx")
            if isinstance(context, BackwardCFunction) and context in sweep.graph.index:
                return sweep.graph.index[context]
            frame = frame.f_back
        return None

    def _recompute(self) -> None:
        """A hand-written backward begins: what it computes anew, it may differentiate."""
        watch = self.watch
        self._recomputing.append((watch.log, watch.aside))
        watch.log, watch.aside = Log(), 0
        watch.__enter__()

    def _recomputed(self) -> None:
        """It has ended."""
        if self._recomputing:
            leave_mode(self.watch)
            self.watch.log, self.watch.aside = self._recomputing.pop()

    # -- what else a sweep tells ---------------------------------------------------------------

    def _note_gradients(self, sweep: Sweep, after: bool = False) -> None:
        """The ``.grad`` of every parameter before and after, where one was there before."""
        meter, grads, entries = self.meter, sweep.grads, sweep.graph.entries
        # Afterwards: those that were found in a checkpoint.
        new = [index for index in sweep.graph.leaves if index not in sweep.parameter_rows]
        with torch.no_grad():
            if after:
                for index, found in grads.items():
                    grad = entries[index].variable.grad
                    if grad is not None:
                        grads[index] = found._replace(after=meter.add(grad.detach()))
            else:
                for index in new:
                    grad = entries[index].variable.grad
                    if grad is not None:
                        grads[index] = GradBefore(meter.add(grad.detach()), -1)
            rows = meter.add_many([entries[index].variable for index in new])
        sweep.parameter_rows.update(zip(new, rows))

    def _explain(self, sweep: Sweep, error: BaseException) -> None:
        """Find the operation that overwrote a value which a node had kept."""
        sweep.error = str(error) or type(error).__name__
        versions = CHANGED.search(sweep.error)
        failed = None if versions is None else sweep.failed()
        if versions is None or failed is None:
            return
        expected = int(versions[2])
        call = failed.log.call_of(failed.node._sequence_nr())
        since = [change for change in failed.log.changes if change.before == expected]
        touched = set(call.touched) if call is not None else set()
        own = [change for change in since if change.tensor in touched]
        for change in (own or since)[:1]:
            self.failures.append((failed, failed.log, change))


def leave_mode(mode: Watch) -> bool:
    """Take one mode off PyTorch's stack, wherever in it the mode is; whether it was there."""
    stack = _get_current_function_mode_stack()
    if not any(item is mode for item in stack):
        return False
    above = []
    while (top := _pop_mode()) is not mode:
        above.append(top)
    for other in reversed(above):
        _push_mode(other)
    return True


def are_averaged() -> bool:
    """Whether several processes train together: ``.grad`` then holds what they agreed on."""
    return torch.distributed.is_available() and torch.distributed.is_initialized()


@contextmanager
def eager() -> Iterator[None]:
    """Run modules under ``torch.compile`` as they are written, so that their lines are seen."""
    if "torch._dynamo" not in sys.modules:  # nothing was compiled, and importing it takes seconds
        yield
        return
    with warnings.catch_warnings():
        # Our hooks on all modules are called for the wrapper too, which the tracker knows.
        warnings.filterwarnings("ignore", "Using `torch.compile.module.` when there are global")
        stance = getattr(torch.compiler, "set_stance", None)
        if stance is not None:  # PyTorch 2.6 and newer
            with stance("force_eager"):
                yield
            return
        config = torch._dynamo.config
        before, config.disable = config.disable, True
        try:
            yield
        finally:
            config.disable = before
