"""Which module of the model is being called at this moment.

Two global hooks keep a stack; they are cheaper than a hook on every module, need no change to the
model, and the second one is called when ``forward`` raises too.
"""

from __future__ import annotations

from collections.abc import Iterator
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
    """One call of one module: which model it belongs to, its path in it, and its class."""

    root: int
    path: str
    class_name: str


class ModuleTracker:
    """The stack of modules being called; ``current`` is the innermost call.

    model: one module, several (a list, or a dict of them by name), or None for those that are
    called.
    """

    def __init__(self, model: Any) -> None:
        self.given: list[nn.Module] = []  # as they are, in their wrappers
        self.roots: list[nn.Module] = []  # without
        self.current: ModuleCall | None = None
        self._given: list[str] | None = None
        self._known: dict[nn.Module, ModuleCall] = {}
        self._stack: list[ModuleCall | None] = []
        self._handles: list[Any] = []
        if isinstance(model, dict):
            self._given = [str(name) for name in model]
            model = list(model.values())
        elif isinstance(model, (list, tuple)):
            self._given = [str(index) for index in range(len(model))]
        for root in model if isinstance(model, (list, tuple)) else [model]:
            if root is not None:
                self._add_root(root)

    def open(self) -> None:
        self._handles = [
            register_module_forward_pre_hook(self._enter),
            register_module_forward_hook(self._leave, always_call=True),
        ]

    def close(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []
        self._stack.clear()
        self.current = None

    def prefixes(self) -> list[str]:
        """What the names of each model begin with: nothing where one model learns."""
        if self._given is not None:
            given = self._given[: len(self.roots)]
            return given + [type(root).__name__ for root in self.roots[len(given) :]]
        learning = [next(root.parameters(), None) is not None for root in self.roots]
        plain = sum(learning) <= 1
        names = [type(root).__name__ for root in self.roots]
        return [
            "" if plain and (learns or len(names) == 1) else _numbered(names, index)
            for index, learns in enumerate(learning)
        ]

    def path(self, call: ModuleCall | None) -> str:
        """The whole path of a call."""
        return "" if call is None else joined(self.prefixes()[call.root], call.path)

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
        self.given.append(root)
        inner, wrappers = unwrap(root)
        number = len(self.roots)
        self.roots.append(inner)
        known = self._known
        for wrapper in wrappers:
            known.setdefault(wrapper, ModuleCall(number, "", type(wrapper).__name__))
        for name, module in modules_below(inner):
            known.setdefault(module, ModuleCall(number, plain_name(name), type(module).__name__))

    def _enter(self, module: nn.Module, arguments: Any) -> None:
        above = self.current
        self._stack.append(above)
        call = self._known.get(module)
        if call is None:
            if above is None:
                self._add_root(module)
                call = self._known[module]
            else:  # made inside forward: named by its class, under its caller
                kind = type(module).__name__
                call = ModuleCall(above.root, joined(above.path, kind), kind)
        self.current = call

    def _leave(self, module: nn.Module, arguments: Any, output: Any) -> None:
        if self._stack:
            self.current = self._stack.pop()


def modules_below(root: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """``root.named_modules()``, which takes a generator for every module, quickly."""
    waiting: list[tuple[str, nn.Module]] = [("", root)]
    seen: set[nn.Module] = set()
    while waiting:
        name, module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        yield name, module
        children = module._modules
        if children:
            prefix = name + "." if name else ""
            waiting += [
                (prefix + key, child)
                for key, child in reversed(children.items())
                if child is not None
            ]


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
