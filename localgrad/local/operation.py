"""What every kind of local gradient has in common: reading a declaration, recording, retaining."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, ClassVar, NamedTuple

from localgrad import errors
from localgrad.graph.node import Node, make_node
from localgrad.graph.record import here, state
from localgrad.kernels import reference as xp
from localgrad.tensor import Tensor

ndarray = xp.ndarray
REFUSALS = (ValueError, TypeError, IndexError)  # what NumPy says of arguments that do not fit
SCALARS = frozenset((int, float, bool, complex))


class Like(NamedTuple):
    """What is left of an argument that was not retained: its shape and dtype."""

    shape: tuple[int, ...]
    dtype: Any

    @property
    def ndim(self) -> int:
        return len(self.shape)


class Plan:
    """What a node retains, and where each partial finds its parameters in it."""

    __slots__ = ("calls", "keep", "names", "only", "positions")

    def __init__(
        self,
        names: tuple[str, ...],
        positions: tuple[int, ...],
        calls: tuple[tuple[int, ...] | None, ...],
    ) -> None:
        self.names = names  # the retained names, in the order of `node.kept`
        self.positions = positions  # where each stands in (arguments..., options..., y)
        self.calls = calls  # per argument: its partial's parameters in `kept`
        self.keep = picker(positions)  # from (arguments..., options..., y) to `kept`
        self.only = positions[0] if len(positions) == 1 else None  # most partials name one thing


def picker(positions: tuple[int, ...]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    """The function that takes a tuple to its members at `positions`, without a Python loop."""
    if len(positions) > 1:
        return itemgetter(*positions)
    first = positions[0] if positions else 0
    return itemgetter(slice(first, first + len(positions)))


LEAF_PLAN = Plan((), (), ())


class Operation:
    """A forward and its local gradients.

    Subclasses are the kinds: they say what `pull` (upstream to downstreams) and `push` (tangents
    to tangent) are, given `partials`: one small function per argument, whose parameter names say
    what is retained. `arguments` are differentiable arrays, in order; `options` are constants.
    """

    registry: ClassVar[list[Operation]] = []
    makes_buffers = True  # `pull` returns new arrays, never one that it retained
    into: Callable[..., None] | None = None  # adds a downstream to a sum in place, see `Linear`
    side_by_side: Callable[..., Any] | None = None  # downstreams that are their sum as they lie
    adds = False  # can add its first downstream to what has arrived there, see `Composite`
    kind = "operation"

    def __init__(
        self,
        name: str,
        forward: Callable[..., Any],
        partials: dict[str, Any],
        *,
        arguments: Sequence[str] = (),
        doc: str | None = None,
        example: Callable[..., Any] | None = None,
        kink: str | None = None,
        variadic: bool = False,
    ) -> None:
        self.name = self.__name__ = name
        self.forward = forward
        self.__doc__ = doc
        self.example = example  # draws arguments for the tests that walk the registry
        self.kink = kink  # the gradient declared where the function has none
        self.variadic = variadic
        self.module = declared_in()
        names = () if variadic else parameters_of(forward)
        # An argument is an array: it has a partial, or None where it never has a gradient.
        for partial in partials:
            if partial not in names:
                raise errors.unknown_partial(name, partial, names)
        self.arguments = tuple(n for n in names if n in (arguments or partials))
        self.options = tuple(n for n in names if n not in self.arguments)
        self.defaults = defaults_of(forward)
        self.partials = tuple(partials.get(n) for n in self.arguments)
        self.plans: dict[int, Plan] = {}
        self.check_names(partials)
        Operation.registry.append(self)

    # -- reading the declaration ---------------------------------------------------------------

    def check_names(self, partials: dict[str, Any]) -> None:
        known = [*self.arguments, *self.options, "y", *self.given_names()]
        for partial in filter(None, partials.values()):
            for parameter in parameters_of(partial):
                if parameter not in known:
                    raise errors.unknown_name(self.name, parameter, known)

    def given_names(self) -> tuple[str, ...]:
        """Names that the kind itself supplies to a partial and that are not retained."""
        return ()

    def plan(self, mask: int) -> Plan:
        """What to retain when the arguments whose bits are set in `mask` need gradients."""
        found = self.plans.get(mask)
        if found is None:
            found = self.plans[mask] = self.make_plan(mask)
        return found

    def make_plan(self, mask: int) -> Plan:
        everything = (*self.arguments, *self.options, "y")
        given = self.given_names()
        names: list[str] = []
        calls: list[tuple[int, ...] | None] = []
        for i, partial in enumerate(self.partials):
            if not mask >> i & 1 or partial is None:
                calls.append(None)
                continue
            wanted = [p for p in parameters_of(partial) if p not in given]
            names += [w for w in wanted if w not in names]
            calls.append(tuple(names.index(w) for w in wanted))
        return Plan(tuple(names), tuple(everything.index(n) for n in names), tuple(calls))

    # -- forward -------------------------------------------------------------------------------

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Carry the operation out; record a node if an argument requires a gradient."""
        count = len(self.arguments)
        if len(arguments) > count and not self.variadic:  # options that were given by position
            if len(arguments) > count + len(self.options):
                raise self.refusal(arguments, options, TypeError("too many arguments"))
            options |= zip(self.options, arguments[count:])
            arguments = arguments[:count]
        if options:
            self.check_options(options)
        values, sources, mask = unwrap(arguments)
        try:
            y = self.forward(*values, **options)
        except REFUSALS as cause:
            raise self.explained(cause, values, options) from cause.__cause__
        if mask and state.enabled:
            return self.record(y, values, sources, mask, options)
        return self.constant(y, values, sources)

    def check_options(self, options: dict[str, Any]) -> None:
        """An option is a constant; one that requires a gradient would lose it without a word."""
        for name, value in options.items():
            if isinstance(value, Tensor) and value.source is not None and state.enabled:
                raise errors.gradient_of_option(self.name, name, here())

    def explained(self, cause: Any, values: Sequence[Any], options: dict[str, Any]) -> Any:
        """The error to raise for one that the forward raised: itself, if it is ours."""
        if isinstance(cause, errors.LocalgradError):
            return cause
        return self.refusal(values, options, cause)

    def refusal(self, values: Sequence[Any], options: dict[str, Any], cause: Exception) -> Any:
        """The error that says why the forward would not take these arguments and options."""
        if not self.variadic:
            unknown = next((name for name in options if name not in self.options), None)
            if unknown is not None:
                return errors.unknown_option(self.name, unknown, self.options, here())
            needed = sum(name not in self.defaults for name in self.arguments)
            if not needed <= len(values) <= len(self.arguments) + len(self.options):
                return errors.wrong_number(self.name, len(values), self.arguments, here())
        return errors.operation_failed(self.name, values, cause, here(), options)

    def run(self, *arguments: Any, **options: Any) -> Any:
        """Raw arrays in, raw array out; with a Tensor among them, recorded as usual."""
        for argument in arguments:
            if isinstance(argument, Tensor):
                return self(*arguments, **options)
        return self.forward(*arguments, **options)

    def record(
        self, y: Any, values: Sequence[Any], sources: Any, mask: int, options: dict[str, Any]
    ) -> Any:
        if y.dtype.kind not in "fc":  # an integer or a truth value ends every gradient
            return self.constant(y, values, sources)
        plan = self.plan(mask)
        kept: tuple[Any, ...] = ()
        if plan.names:
            chosen: list[Any] = []
            if self.options:
                chosen = [options.get(n, self.defaults.get(n)) for n in self.options]
            kept = plan.keep((*values, *chosen, y))
        now = state.__dict__
        node = make_node(self, tuple(sources), kept, plan, likes_of(values), options, now)
        if now["observer"] is not None:
            now["observer"].made(node, y, values)
        return Tensor(y, node)

    def constant(self, y: Any, values: Sequence[Any], sources: Any) -> Any:
        """A result without a node; an open ledger hears if that cuts a gradient off."""
        result = Tensor(y)
        if state.observer is not None:
            state.observer.constant(self, result.value, values, sources)
        return result

    # -- backward ------------------------------------------------------------------------------

    def pull(self, node: Node, upstream: Any, values: Any, needs: Any) -> Sequence[Any]:
        """The downstream for each argument that `needs` one."""
        raise errors.no_derivative(self.name, self.arguments[0], node.where)

    def pull_onto(
        self, arrived: Any, node: Node, upstream: Any, values: Any, needs: Any
    ) -> Sequence[Any]:
        """`pull`, but the first downstream is its sum with what has arrived, where the op adds."""
        raise errors.no_derivative(self.name, self.arguments[0], node.where)

    def pull_into(self, buffer: Any, node: Node, upstream: Any) -> None:
        """Add the downstream of the one argument to `buffer`, where the op has an `into`."""
        raise errors.no_derivative(self.name, self.arguments[0], node.where)

    def push(self, node: Node, tangents: Sequence[Any], values: Any) -> Any:
        """The tangent of the output, from the arguments' tangents (None where there is none)."""
        raise errors.no_derivative(self.name, self.arguments[0], node.where)

    def tensors_of(self, node: Node) -> tuple[Any, ...]:
        """What the node kept, as Tensors joined to the graph: rules run on them are recorded."""
        count = len(node.inputs)
        result = []
        for position, value in zip(node.plan.positions, node.kept):
            if position < count and value.__class__ is ndarray:
                result.append(Tensor(value, node.inputs[position]))
            elif position == count + len(self.options):
                result.append(Tensor(value, node))
            else:
                result.append(value)
        return tuple(result)

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name}>"


def declared_in() -> str:
    """The module whose code declares the operation that is being made: the first one above us."""
    frame = sys._getframe(1)
    while frame.f_globals.get("__name__", "").startswith("localgrad.local") and frame.f_back:
        frame = frame.f_back
    return str(frame.f_globals.get("__name__", ""))


class _Leaf(Operation):
    """The operation of a leaf: where gradients arrive and end."""

    kind = "leaf"


def unwrap(arguments: Sequence[Any]) -> tuple[list[Any], list[Node | None], int]:
    """Raw values, source nodes, and a mask of those arguments that require a gradient."""
    values: list[Any] = []
    sources: list[Node | None] = []
    mask = 0
    bit = 1
    for argument in arguments:
        if isinstance(argument, Tensor):
            values.append(argument.value)
            source = argument.source
            sources.append(source)
            if source is not None:
                mask |= bit
        else:
            scalar = argument.__class__ in SCALARS or argument.__class__ is ndarray
            values.append(argument if scalar else as_raw(argument))
            sources.append(None)
        bit <<= 1
    if not mask and all(v.__class__ in SCALARS for v in values):
        # Nothing but Python's numbers: they are read as a list of them would be.
        whole = [isinstance(v, int) for v in values]
        values = [v if w and not all(whole) else as_raw(v) for v, w in zip(values, whole)]
    return values, sources, mask


def as_raw(data: Any) -> Any:
    """NumPy's array of `data`; float32 for Python lists of floats, as documented."""
    if isinstance(data, Tensor):
        return data.value
    if hasattr(data, "dtype") or hasattr(data, "__array__"):
        return xp.asarray(data)
    if isinstance(data, list | tuple) and any(isinstance(v, Tensor) for v in data):
        return xp.asarray([as_raw(v) for v in data])
    array = xp.asarray(data)
    if array.dtype == xp.float64:
        return array.astype(xp.float32)
    if array.dtype == xp.complex128:
        return array.astype(xp.complex64)
    return array


_make = tuple.__new__  # `Like(…)` without the detour of a NamedTuple's own constructor


def likes_of(values: Sequence[Any]) -> tuple[Like | None, ...]:
    return tuple([
        _make(Like, (v.shape, v.dtype)) if v.__class__ is ndarray or hasattr(v, "shape") else None
        for v in values
    ])


@functools.cache  # declarations live as long as the registry, and sweeps ask again and again
def parameters_of(function: Any) -> tuple[str, ...]:
    """The names of a function's parameters; a ufunc's arguments are x, or a and b."""
    if isinstance(function, xp.ufunc):
        return ("x",) if function.nin == 1 else ("a", "b", "c", "d")[: function.nin]
    return tuple(inspect.signature(function).parameters)


def defaults_of(function: Any) -> dict[str, Any]:
    if isinstance(function, xp.ufunc):
        return {}
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}


LEAF = _Leaf("leaf", lambda x: x, {})
