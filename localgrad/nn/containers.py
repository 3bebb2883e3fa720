"""Modules that hold modules."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from localgrad import errors_of_modules as errors
from localgrad.errors import unknown_choice
from localgrad.graph.record import here, state
from localgrad.nn.activations import ReLU
from localgrad.nn.convolution import Conv2d
from localgrad.nn.dense import Linear
from localgrad.nn.module import Module
from localgrad.nn.parameter import Parameter


class _Numbered(Module):
    """Children called "0", "1", …"""

    def _children(self) -> list[Any]:
        return [self.__dict__[name] for name in self._registered]

    def _refill(self, modules: Iterable[Module]) -> None:
        for name in list(self._registered):
            delattr(self, name)
        for number, module in enumerate(modules):
            self.add_module(str(number), module)

    def __len__(self) -> int:
        return len(self._registered)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._children())

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return type(self)(*self._arguments(self._children()[index]))
        position = operator.index(index)
        if not -len(self) <= position < len(self):
            raise errors.no_such_child(type(self).__name__, position, len(self), here())
        return self._children()[position]

    def _arguments(self, modules: list[Any]) -> tuple[Any, ...]:
        return (modules,)

    def __setitem__(self, index: int, module: Module) -> None:
        self.add_module(str(operator.index(index) % len(self)), module)

    def __delitem__(self, index: Any) -> None:
        modules = self._children()
        del modules[index]
        self._refill(modules)

    def append(self, module: Module) -> Any:
        """Add one at the end; returns itself."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Any:
        """Add several at the end; returns itself."""
        for module in list(modules):
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> Any:
        """Put one before position `index`."""
        modules = self._children()
        modules.insert(index, module)
        self._refill(modules)
        return self


class Sequential(_Numbered):
    """y = fₙ(… f₂(f₁(x))): modules called one after the other.

    >>> import localgrad as lg
    >>> net = lg.nn.Sequential(lg.nn.Linear(2, 3), lg.nn.Sigmoid(), lg.nn.Linear(3, 1))
    >>> net(lg.ones((5, 2))).shape
    (5, 1)
    """

    def __init__(self, *modules: Any) -> None:
        super().__init__()
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            for name, module in modules[0].items():
                self.add_module(name, module)
        else:
            for number, module in enumerate(modules):
                self.add_module(str(number), module)

    def _arguments(self, modules: list[Any]) -> tuple[Any, ...]:
        return tuple(modules)

    def forward(self, input: Any) -> Any:
        layer = None  # one that can be computed together with the relu behind it, if that comes
        is_plain = state.observer is None  # a ledger measures what lies between the two
        for name in self._registered:
            module = self.__dict__[name]
            if layer is not None:
                if module.__class__ is ReLU:
                    input, layer = _clamped(layer, module, input), None
                    continue
                input, layer = layer(input), None
            if is_plain and module.__class__ in CLAMPED and "forward" not in module.__dict__:
                layer = module
            else:
                input = module(input)
        return input if layer is None else layer(input)


CLAMPED = (Linear, Conv2d)


def _clamped(layer: Any, relu: ReLU, input: Any) -> Any:
    """relu(layer(input)) in one pass; each of the two nodes belongs to its own module."""
    now = state.__dict__
    outer = now["scope"]
    now["scope"] = (layer, outer)
    try:
        y = layer.clamped(input)
    finally:
        now["scope"] = outer
    if y.source is not None:
        y.source.scope = (relu, outer)
    return y


class ModuleList(_Numbered):
    """A list of modules whose parameters are found; calling them is up to you."""

    def _shown(self) -> list[tuple[str, str]]:
        """Children by number; a run of equal ones as one line, "0-3" and "4 x …"."""
        shown = []
        for text, run in itertools.groupby(super()._shown(), key=lambda pair: pair[1]):
            names = [name for name, _ in run]
            if len(names) == 1:
                shown.append((names[0], text))
            else:
                shown.append((f"{names[0]}-{names[-1]}", f"{len(names)} x {text}"))
        return shown

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        self.extend(modules or ())

    def __iadd__(self, modules: Iterable[Module]) -> ModuleList:
        return self.extend(modules)


class ModuleDict(Module):
    """Modules by name, whose parameters are found; calling them is up to you."""

    def __init__(self, modules: Any = None) -> None:
        super().__init__()
        self.update(modules or {})

    def update(self, modules: Any) -> None:
        """Set several, from a mapping or (name, module) pairs."""
        for name, module in modules.items() if hasattr(modules, "items") else modules:
            self[name] = module

    def __getitem__(self, key: str) -> Any:
        if key not in self._registered:
            raise unknown_choice("key", key, list(self._registered), here())
        return self.__dict__[key]

    def __setitem__(self, key: str, module: Module) -> None:
        if hasattr(type(self), key):
            raise errors.taken_name(type(self).__name__, key, here())
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        delattr(self, key)

    def pop(self, key: str) -> Any:
        """Remove and return the module called `key`."""
        module = self[key]
        del self[key]
        return module

    def clear(self) -> None:
        """Remove all."""
        for key in list(self._registered):
            del self[key]

    def __len__(self) -> int:
        return len(self._registered)

    def __iter__(self) -> Iterator[str]:
        return iter(self._registered)

    def __contains__(self, key: str) -> bool:
        return key in self._registered

    def keys(self) -> Iterable[str]:
        """The names."""
        return list(self._registered)

    def values(self) -> Iterable[Any]:
        """The modules."""
        return [self.__dict__[name] for name in self._registered]

    def items(self) -> Iterable[tuple[str, Any]]:
        """Names with modules."""
        return [(name, self.__dict__[name]) for name in self._registered]


class ParameterList(Module):
    """A list of parameters that are found like any others."""

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        for value in values or ():
            self.append(value)

    def append(self, value: Any) -> ParameterList:
        """Add one at the end; a plain tensor becomes a Parameter."""
        parameter = value if isinstance(value, Parameter) else Parameter(value)
        self.register_parameter(str(len(self)), parameter)
        return self

    def __len__(self) -> int:
        return len(self._registered)

    def __iter__(self) -> Iterator[Any]:
        return iter([self.__dict__[name] for name in self._registered])

    def __getitem__(self, index: int) -> Any:
        return list(self)[index]


class ParameterDict(Module):
    """Parameters by name."""

    def __init__(self, parameters: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        for name, value in (parameters or {}).items():
            self[name] = value

    def __setitem__(self, key: str, value: Any) -> None:
        parameter = value if isinstance(value, Parameter) else Parameter(value)
        self.register_parameter(key, parameter)

    def __getitem__(self, key: str) -> Any:
        return self.__dict__[key]

    def __len__(self) -> int:
        return len(self._registered)

    def __iter__(self) -> Iterator[str]:
        return iter(self._registered)

    def keys(self) -> Iterable[str]:
        """The names."""
        return list(self._registered)

    def items(self) -> Iterable[tuple[str, Any]]:
        """Names with parameters."""
        return [(name, self.__dict__[name]) for name in self._registered]


__all__ = ["ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential"]
