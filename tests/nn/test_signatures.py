"""Every name that we share with PyTorch takes the same arguments, in the same order, and by default
the same; what is left out is listed here with its reason.
"""

import inspect
import re
import typing
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

import localgrad as lg

torch = pytest.importorskip("torch")

ROOMS = {
    "nn": (lg.nn, torch.nn),
    "nn.functional": (lg.nn.functional, torch.nn.functional),
    "nn.init": (lg.nn.init, torch.nn.init),
    "nn.utils": (lg.nn.utils, torch.nn.utils),
    "nn.utils.rnn": (lg.nn.utils.rnn, torch.nn.utils.rnn),
    "optim": (lg.optim, torch.optim),
    "optim.lr_scheduler": (lg.optim.lr_scheduler, torch.optim.lr_scheduler),
}

LEFT_OUT = {
    "generator": "one source of random numbers, which lg.manual_seed seeds and a run restores",
    "foreach": "how PyTorch loops over parameters; no result depends on it",
    "fused": "how PyTorch loops over parameters; no result depends on it",
    "capturable": "CUDA graphs",
    "differentiable": "an optimiser's step is not recorded",
    "decoupled_weight_decay": "Adam with it is AdamW",
    "out": "nothing is written into a tensor that a graph may hold",
    "_stacklevel": "of PyTorch's warning where dim is missing",
    "min_value": "PyTorch calls it deprecated: min_val",
    "max_value": "PyTorch calls it deprecated: max_val",
    "mode": "RNNBase is the base of RNN, LSTM and GRU, which know their mode",
}

ONLY_THERE = {"mode": {"RNNBase"}}
"""Names of LEFT_OUT that mean something else elsewhere: where they may be missing."""


def shared() -> list[tuple[str, str]]:
    """(room, name) of everything that both libraries have under one name."""
    return [
        (room, name)
        for room, (ours, theirs) in ROOMS.items()
        for name in public(ours)
        if hasattr(theirs, name)
    ]


def public(room: ModuleType) -> list[str]:
    """What a room offers: what it lists, or what it defines itself."""
    listed = getattr(room, "__all__", None) or [
        name
        for name, value in vars(room).items()
        if getattr(value, "__module__", "").startswith(room.__name__)
    ]
    return [n for n in listed if n[0] != "_" and callable(getattr(room, n))]


def of_pytorch(room: ModuleType, name: str) -> inspect.Signature | None:
    """The signature in its code, of its first overload, or the one its documentation states."""
    target = getattr(room, name)
    if room is torch.nn.functional and "_pool" in name and hasattr(room, f"_{name}"):
        target = getattr(room, f"_{name}")  # behind the choice by return_indices
    if isinstance(target, type) and inspect.isfunction(target.__init__):
        overloads = typing.get_overloads(target.__init__)
        if overloads:
            return without_self(overloads[0])
    try:
        found = inspect.signature(target)
    except ValueError:
        found = None
    if getattr(target, "__init__", None) is torch.nn.Module.__init__:
        return NO_ARGUMENTS
    return documented(target, name) if found is None else found


NO_ARGUMENTS = inspect.Signature()  # what the (*args, **kwargs) of Module itself come to


def without_self(function: Callable[..., Any]) -> inspect.Signature:
    signature = inspect.signature(function)
    return signature.replace(parameters=list(signature.parameters.values())[1:])


def documented(target: Any, name: str) -> inspect.Signature | None:
    """The signature in the first line of a built-in function's documentation."""
    stated = re.search(rf"^\s*{name}\((.*?)\)\s*->", target.__doc__ or "", re.MULTILINE | re.DOTALL)
    if stated is None:
        return None
    space: dict[str, Any] = {}
    exec(f"def stated({stated[1]}): pass", space)
    return inspect.signature(space["stated"])


def same_default(ours: Any, theirs: Any) -> bool:
    """Whether two defaults are one: 1 and 1.0 are, and a function and its namesake."""
    if callable(ours) and callable(theirs) and not isinstance(ours, type):
        return ours.__name__ == theirs.__name__
    return ours == theirs or (ours is theirs)


@pytest.mark.parametrize("room, name", shared(), ids=lambda word: word)
def test_arguments_are_pytorchs(room: str, name: str) -> None:
    ours, theirs = ROOMS[room]
    mine = inspect.signature(getattr(ours, name)).parameters
    signature = of_pytorch(theirs, name)
    assert signature is not None, "its signature can be read"
    if any(p.kind.name.startswith("VAR") for p in mine.values()):
        assert [p.kind for p in mine.values()] == [p.kind for p in signature.parameters.values()]
        return
    mine = {key: p for key, p in mine.items() if key not in BEYOND.get(name, ())}
    shifted = False  # behind one that is left out, an argument is given by its name
    expected = []
    for key, parameter in signature.parameters.items():
        if key not in mine and may_be_missing(name, key):
            shifted = True
            continue
        assert key in mine
        expected.append(key)
        assert same_default(mine[key].default, parameter.default), key
        by_name = mine[key].kind is inspect.Parameter.KEYWORD_ONLY
        assert by_name == (parameter.kind is inspect.Parameter.KEYWORD_ONLY) or shifted, key
    assert list(mine) == expected or (shifted and sorted(mine) == sorted(expected))


def may_be_missing(name: str, key: str) -> bool:
    return key in LEFT_OUT and name in ONLY_THERE.get(key, {name})


BEYOND = {"GRU": ["proj_size"]}  # PyTorch's GRU takes it, among **kwargs, to refuse it as ours does


def methods() -> list[tuple[str, str]]:
    """(class, method) of every public method that a layer or loss has in both libraries.

    Left out: `extend`, whose argument PyTorch names otherwise in each container, and what PyTorch
    only forwards with *args.
    """
    found = []
    for name in public(lg.nn):
        ours, theirs = getattr(lg.nn, name), getattr(torch.nn, name, None)
        if not isinstance(ours, type) or theirs is None or name == "Parameter":
            continue
        for method in vars(ours).keys() - {"extend"}:
            target = getattr(theirs, method, None)
            if method[0] != "_" and inspect.isroutine(target) and not takes_anything(target):
                found.append((name, method))
    return sorted(found)


def takes_anything(function: Any) -> bool:
    kinds = [p.kind.name for p in inspect.signature(function).parameters.values()]
    return "VAR_POSITIONAL" in kinds


@pytest.mark.parametrize("kind, method", methods(), ids=str)
def test_methods_take_pytorchs_arguments(kind: str, method: str) -> None:
    ours, theirs = (
        inspect.signature(getattr(getattr(room, kind), method)).parameters
        for room in (lg.nn, torch.nn)
    )
    assert list(ours) == list(theirs)
    for key, parameter in theirs.items():
        assert same_default(ours[key].default, parameter.default), key


def test_every_reason_is_used() -> None:
    """Nothing stands in the list of omissions that we have."""
    missing: set[str] = set()
    for room, name in shared():
        ours, theirs = ROOMS[room]
        mine = inspect.signature(getattr(ours, name)).parameters
        signature = of_pytorch(theirs, name)
        assert signature is not None
        missing |= {key for key in signature.parameters if key not in mine}
    assert set(LEFT_OUT) <= missing
