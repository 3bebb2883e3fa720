"""What things are called: parameters and modules, from the model or from the calls it made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from localgrad import errors_of_ledgers as errors
from localgrad.graph.node import Node
from localgrad.graph.record import here
from localgrad.ledger.model import LEVELS, ModuleRecord


def given(model: Any) -> list[tuple[str, Any]]:
    """What a ledger was given as its model: one, a list of several, or a dict of them by name.

    Raises `LedgerError` for what has no parameters that could be asked for.
    """
    if isinstance(model, dict):
        models = [(str(name), item) for name, item in model.items()]
    elif isinstance(model, (list, tuple)):
        models = [(str(index), item) for index, item in enumerate(model)]
    else:
        models = [("", model)]
    for _, item in models:
        if isinstance(item, type) or not hasattr(item, "named_parameters"):
            raise errors.no_model(item, LEVELS, here())
    return models


class Names:
    """The models that took part, and the names of their parameters and modules.

    With one model paths are its own (``fc1.weight``); with several each begins with the class of
    its model, or with the given name.
    """

    def __init__(self, model: Any, nodes: Iterable[Node]) -> None:
        if model is None:
            found = list(_roots(nodes))
            plain = len(found) == 1
            repeated = Counter(type(m).__name__ for m in found)
            self.models: list[tuple[str, Any]] = []
            counts: Counter[str] = Counter()
            for root in found:
                name = type(root).__name__
                number = f"{counts[name]}" if repeated[name] > 1 else ""
                counts[name] += 1
                self.models.append(("" if plain else name + number, root))
        else:
            self.models = given(model)
        self.of_leaf: dict[Node, list[str]] = {}
        self.tensors: dict[Node, Any] = {}
        for prefix, root in self.models:
            for name, parameter in root.named_parameters(prefix, remove_duplicate=False):
                if parameter.source is not None:
                    self.of_leaf.setdefault(parameter.source, []).append(name)
                    self.tensors[parameter.source] = parameter

    @property
    def title(self) -> str:
        return ", ".join(type(root).__name__ for _, root in self.models)

    def modules(self) -> list[ModuleRecord]:
        """Every module, with those of the same structure in one group."""
        records = []
        groups: dict[str, str] = {}
        for prefix, root in self.models:
            seen: dict[int, str] = {}
            for path, module in root.named_modules(None, prefix):
                own = structure(module, seen)
                name = type(module).__name__
                group = groups.setdefault(own, f"{name}#{len(groups)}")
                parent = None if module is root else path.rpartition(".")[0]
                records.append(ModuleRecord(path, name, parent, group))
        shared = Counter(record.group for record in records)
        for record in records:
            record.count = shared[record.group]
        return records


def _roots(nodes: Iterable[Node]) -> dict[Any, None]:
    """The outermost modules that were being called."""
    roots: dict[Any, None] = {}
    for node in nodes:
        scope = node.scope
        while scope is not None:
            module, outer = scope
            if outer is None:
                roots[module] = None
            scope = outer
    return roots


def structure(module: Any, seen: dict[int, str]) -> str:
    """Class, own parameter shapes and the children's structures, as one string."""
    known = seen.get(id(module))
    if known is None:
        own = [f"{n}{list(p.shape)}" for n, p in module.named_parameters("", False)]
        inner = [f"{n}:{structure(m, seen)}" for n, m in module.named_children()]
        known = seen[id(module)] = f"{type(module).__name__}({','.join(own + inner)})"
    return known
