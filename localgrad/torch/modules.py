"""Which module of the model is being called at this moment.

Two global hooks keep a stack; they are cheaper than a hook on every module, need no change to the
model, and the second one is called when ``forward`` raises too. They note which module it is; where
in which model it has its place is found out when somebody asks.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)

from localgrad.torch.origins import origin

_PARALLEL = (nn.parallel.DistributedDataParallel, nn.DataParallel)


class ModuleCall(NamedTuple):
    """One call of one module, and the call inside of which it was made."""

    module: nn.Module
    above: ModuleCall | None

    @property
    def class_name(self) -> str:
        return type(self.module).__name__


class Position(NamedTuple):
    """Which model a module belongs to, and its path in it."""

    root: int
    path: str


_call = tuple.__new__  # a NamedTuple's own is a function of Python's


class ModuleTracker:
    """The stack of modules being called; ``current`` is the innermost call.

    model: one module, several (a list, or a dict of them by name), or None for those that are
    called.
    """

    def __init__(self, model: Any) -> None:
        self.current: ModuleCall | None = None
        self._given: list[str] | None = None
        self._new: list[nn.Module] = []  # those that were given, not yet looked at
        self._outermost: dict[nn.Module, None] = {}  # those that were called by no other
        self._wrapped: list[nn.Module] = []  # the models as they are, in their wrappers
        self._roots: list[nn.Module] = []  # without
        self._known: dict[nn.Module, Position] = {}
        self._handles: list[Any] = []
        if isinstance(model, dict):
            self._given = [str(name) for name in model]
            model = list(model.values())
        elif isinstance(model, (list, tuple)):
            self._given = [str(index) for index in range(len(model))]
        for root in model if isinstance(model, (list, tuple)) else [model]:
            if root is not None:
                self._new.append(root)

    def open(self) -> None:
        self._handles = [
            register_module_forward_pre_hook(self._enter),
            register_module_forward_hook(self._leave, always_call=True),
        ]

    def close(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []
        self.current = None

    @property
    def any(self) -> bool:
        """Whether any model is known."""
        return bool(self._roots or self._new or self._outermost)

    @property
    def roots(self) -> list[nn.Module]:
        """The models: those that were given, and then those that were called."""
        self._look()
        return self._roots

    @property
    def wrapped(self) -> list[nn.Module]:
        """The models as they are, in their wrappers."""
        self._look()
        return self._wrapped

    def prefixes(self) -> list[str]:
        """What the names of each model begin with: nothing where one model learns."""
        names = [type(root).__name__ for root in self.roots]
        if self._given is not None:
            given = self._given[: len(names)]
            return given + names[len(given) :]
        learning = [next(root.parameters(), None) is not None for root in self.roots]
        plain = sum(learning) <= 1
        return [
            "" if plain and (learns or len(names) == 1) else _numbered(names, index)
            for index, learns in enumerate(learning)
        ]

    def path(self, call: ModuleCall | None) -> str:
        """The whole path of a call."""
        if call is None:
            return ""
        position = self._position(call)
        return joined(self.prefixes()[position.root], position.path)

    def _position(self, call: ModuleCall) -> Position:
        self._look()
        known = self._known.get(call.module)
        if known is not None or call.above is None:  # then it is a model
            return self._known[call.module]
        above = self._position(call.above)  # made inside forward: named by its class
        return Position(above.root, joined(above.path, call.class_name))

    def _look(self) -> None:
        """Find out which modules there are in what was given and called."""
        new, self._new = self._new, []
        for root in new:
            self._add_root(root)
        called, self._outermost = self._outermost, {}
        for module in called:
            if module not in self._known:
                self._add_root(module)

    def names(self) -> dict[int, list[str]]:
        """All the names of every parameter, by the parameter's id."""
        found: dict[int, list[str]] = {}
        for prefix, root in zip(self.prefixes(), self.roots):
            for name, parameter in root.named_parameters(remove_duplicate=False):
                label = joined(prefix, plain_name(name))
                names = found.setdefault(id(parameter), [])
                if label not in names:
                    names.append(label)
        return found

    def origins(self) -> dict[int, tuple[str, int]]:
        """The (file, line) that made each parameter, where the user's classes tell."""
        found: dict[int, tuple[str, int]] = {}
        for root in self.roots:
            for name, parameter in root.named_parameters():
                place = origin(root, name)
                if place is not None:
                    found[id(parameter)] = place
        return found

    def parameters(self) -> dict[int, torch.Tensor]:
        """Every parameter that is to be learned, by id."""
        return {
            id(parameter): parameter
            for root in self.roots
            for parameter in root.parameters()
            if parameter.requires_grad
        }

    def _add_root(self, root: nn.Module) -> None:
        inner, wrappers = unwrap(root)
        number = len(self._roots)
        self._wrapped.append(root)
        self._roots.append(inner)
        for wrapper in wrappers:
            self._known.setdefault(wrapper, Position(number, ""))
        for name, module in inner.named_modules():
            self._known.setdefault(module, Position(number, plain_name(name)))

    def _enter(self, module: nn.Module, arguments: Any) -> None:
        above = self.current
        if above is None:
            self._outermost[module] = None
        self.current = _call(ModuleCall, (module, above))

    def _leave(self, module: nn.Module, arguments: Any, output: Any) -> None:
        if self.current is not None:
            self.current = self.current.above


def joined(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix and name else prefix or name


def _numbered(names: list[str], index: int) -> str:
    """The class of a model; with a number where several share it."""
    name = names[index]
    return f"{name}{names[:index].count(name)}" if names.count(name) > 1 else name


def unwrap(model: nn.Module) -> tuple[nn.Module, list[nn.Module]]:
    """Return the model a person wrote, and the wrappers (DDP, torch.compile) around it."""
    wrappers: list[nn.Module] = []
    while True:
        inner = model.module if isinstance(model, _PARALLEL) else getattr(model, "_orig_mod", None)
        if not isinstance(inner, nn.Module):
            return model, wrappers
        wrappers.append(model)
        model = inner


def plain_name(name: str) -> str:
    """Return a name without the mark that ``torch.compile`` leaves in it."""
    if "_orig_mod" not in name:
        return name
    return name.replace("._orig_mod", "").removeprefix("_orig_mod").removeprefix(".")
