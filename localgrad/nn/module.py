"""Module: a function with parameters, and with modules inside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from localgrad import errors_of_modules as errors
from localgrad.construction import Constructed
from localgrad.graph.record import state
from localgrad.nn import states
from localgrad.nn.parameter import Parameter
from localgrad.tensor import Tensor

Self = TypeVar("Self", bound="Module")

PARAMETER, BUFFER, MODULE = "parameter", "buffer", "module"


class Module(Constructed):
    """The base of every network: subclass it, assign layers in `__init__`, write `forward`.

    What is assigned as an attribute is found by its type: a Parameter is learned, a Module is a
    child, a buffer (`register_buffer`) is saved with the rest but not learned. Attributes are
    plain attributes; the module only remembers, in order, which names are what.

    >>> import localgrad as lg
    >>> class Scale(lg.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.factor = lg.nn.Parameter(lg.asarray([2.0]))
    ...     def forward(self, x):
    ...         return x * self.factor
    >>> Scale()(lg.asarray([1.0, 3.0])).tolist()
    [2.0, 6.0]
    """

    training: bool
    _registered: dict[str, str]  # name -> PARAMETER, BUFFER or MODULE, in order
    _passing: set[str]  # the buffers that state_dict leaves out

    def __init__(self) -> None:
        begin = object.__setattr__
        begin(self, "_registered", {})
        begin(self, "_passing", set())
        begin(self, "training", True)

    # -- being called --------------------------------------------------------------------------

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        now = state.__dict__
        outer = now["scope"]
        now["scope"] = (self, outer)
        try:
            return self.forward(*arguments, **options) if options else self.forward(*arguments)
        finally:
            now["scope"] = outer

    def forward(self, *arguments: Any, **options: Any) -> Any:
        """What the module computes; every subclass writes its own."""
        raise errors.no_forward(type(self).__name__)

    # -- attributes ----------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        registered = self.__dict__.get("_registered")
        if isinstance(value, Parameter | Module):
            if registered is None:
                raise errors.no_super_init(type(self).__name__, name)
            registered[name] = PARAMETER if isinstance(value, Parameter) else MODULE
        elif registered and name in registered:
            kind = registered[name]
            if value is not None and not (kind == BUFFER and isinstance(value, Tensor)):
                raise errors.wrong_attribute(type(self).__name__, name, kind, value)
        object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        raise errors.no_attribute(type(self).__name__, name, [*self.__dict__, *dir(type(self))])

    def __delattr__(self, name: str) -> None:
        self._registered.pop(name, None)
        self._passing.discard(name)
        object.__delattr__(self, name)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Set a parameter by name; None keeps its place and leaves it out of everything."""
        self._registered[name] = PARAMETER
        setattr(self, name, param)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Set a tensor that is saved with the module (if `persistent`) but not learned."""
        self._registered[name] = BUFFER
        self._passing.discard(name)
        if not persistent:
            self._passing.add(name)
        setattr(self, name, tensor)

    def add_module(self, name: str, module: Module | None) -> None:
        """Set a child by name, where the name is no attribute one can write, such as "0"."""
        self._registered[name] = MODULE
        setattr(self, name, module)

    register_module = add_module

    def _own(self, kind: str) -> Iterator[tuple[str, Any]]:
        for name, registered in self._registered.items():
            if registered == kind:
                value = self.__dict__[name]
                if value is not None:
                    yield name, value

    def name_of_child(self, module: Any) -> str | None:
        """The path that leads from here to `module`, through containers too; None if none does."""
        within = self.named_modules(remove_duplicate=False)
        return next((path for path, inner in within if inner is module and path), None)

    # -- what is inside ------------------------------------------------------------------------

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules directly inside this one, each once."""
        seen: set[int] = set()
        for name, module in self._own(MODULE):
            if id(module) not in seen:
                seen.add(id(module))
                yield name, module

    def children(self) -> Iterator[Module]:
        """The modules directly inside this one."""
        return (module for _, module in self.named_children())

    def named_modules(
        self, memo: set[Any] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """This module and all within it, with their paths."""
        seen: set[Any] = set() if memo is None else memo
        stack = [(prefix, self)]
        while stack:
            path, module = stack.pop()
            if remove_duplicate and module in seen:
                continue
            seen.add(module)
            yield path, module
            inner = [(f"{path}.{n}" if path else n, m) for n, m in module._own(MODULE)]
            stack += reversed(inner)

    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """This module and all within it."""
        return (module for _, module in self.named_modules(None, "", remove_duplicate))

    def _named(
        self, kind: str, prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        members = self.named_modules(None, prefix) if recurse else iter([(prefix, self)])
        for path, module in members:
            for name, value in module._own(kind):
                if remove_duplicate and id(value) in seen:
                    continue
                seen.add(id(value))
                yield f"{path}.{name}" if path else name, value

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """What is learned, with paths such as "blocks.0.weight"; what is shared comes once."""
        return self._named(PARAMETER, prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """What is learned, for an optimiser."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """What is kept and not learned, with paths."""
        return self._named(BUFFER, prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """What is kept and not learned."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> Module:
        """The module at a path such as "blocks.0.attention"."""
        module: Any = self
        for name in filter(None, target.split(".")):
            if not isinstance(module, Module) or module._registered.get(name) != MODULE:
                raise errors.no_such_member(type(self).__name__, "module", target)
            module = module.__dict__[name]
        return module

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a path such as "blocks.0.weight"."""
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if module._registered.get(name) != PARAMETER:
            raise errors.no_such_member(type(self).__name__, "parameter", target)
        return module.__dict__[name]

    # -- changing all of it --------------------------------------------------------------------

    def apply(self: Self, fn: Callable[[Module], Any]) -> Self:
        """Call `fn` on every module, children first, such as to initialise weights."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def train(self: Self, mode: bool = True) -> Self:
        """Training behaviour for dropout, batch norm and their like; returns itself."""
        for module in self.modules():
            object.__setattr__(module, "training", bool(mode))
        return self

    def eval(self: Self) -> Self:
        """Evaluation behaviour; returns itself."""
        return self.train(False)

    def requires_grad_(self: Self, requires_grad: bool = True) -> Self:
        """Learn every parameter, or freeze them all; returns itself."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters."""
        for parameter in self.parameters():
            if set_to_none:
                parameter.grad = None
            elif parameter.grad is not None:
                parameter.grad = Tensor(parameter.grad.value * 0)

    def to(self: Self, *arguments: Any, **options: Any) -> Self:
        """Convert parameters and buffers of floating dtype to `dtype`; returns itself.

        The one device is "cpu", which is accepted and changes nothing.
        """
        states.convert(self, states.dtype_among(arguments, options))
        return self

    def float(self: Self) -> Self:
        """All parameters and buffers in float32."""
        return self.to("float32")

    def double(self: Self) -> Self:
        """All parameters and buffers in float64."""
        return self.to("float64")

    def half(self: Self) -> Self:
        """All parameters and buffers in float16."""
        return self.to("float16")

    # -- saving and loading --------------------------------------------------------------------

    def state_dict(self, *, prefix: str = "", keep_vars: bool = False) -> dict[str, Tensor]:
        """Parameters and buffers by path, in PyTorch's names and layouts; the memory is shared."""
        return states.collect(self, prefix, keep_vars)

    def load_state_dict(
        self, state_dict: dict[str, Any], strict: bool = True, assign: bool = False
    ) -> states.IncompatibleKeys:
        """Copy values in by path. Nothing is changed unless everything fits.

        With `strict` (the default) missing and unexpected names raise StateError; misshapen values
        always do. With `assign` the given arrays are taken as they are, dtype included.
        """
        return states.restore(self, state_dict, strict, assign)

    # -- for people ----------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """What a subclass wants to have said about itself in `repr`."""
        return ""

    def _shown(self) -> list[tuple[str, str]]:
        """Children by name, as they are printed."""
        return [(name, repr(module)) for name, module in self._own(MODULE)]

    def __repr__(self) -> str:
        inner = [f"({name}): {_indented(text)}" for name, text in self._shown()]
        extra = self.extra_repr()
        if not inner:
            return f"{type(self).__name__}({extra})"
        lines = ([extra] if extra else []) + inner
        return f"{type(self).__name__}(\n  " + "\n  ".join(lines) + "\n)"


def _indented(text: str) -> str:
    first, *rest = text.split("\n")
    return "\n".join([first, *("  " + line for line in rest)])
