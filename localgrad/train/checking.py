"""`localgrad check FILE.py::FUNCTION`: a function of one's own against finite differences."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy
from rich.console import Console

from localgrad import errors_of_runs as errors
from localgrad.errors import GradientMismatch, LocalgradError
from localgrad.local.operation import Operation
from localgrad.tensor import Tensor
from localgrad.train.catalogue import import_file, last_line

SHAPE = (3, 4)  # of an argument for which nothing else is said


def check_target(console: Console, target: str, shapes: Sequence[str]) -> bool:
    """Check what `target` names, print what was found; False if a gradient is wrong."""
    from localgrad.check import check_gradients

    path, _, name = target.partition("::")
    module = import_file(Path(path))
    known = {
        key: value
        for key, value in vars(module).items()
        if isinstance(value, Operation)
        or (inspect.isfunction(value) and value.__module__ == module.__name__)
    }
    if name not in known:
        raise errors.no_function(path, name, list(known))
    arguments, options = arguments_of(known[name], [read_shape(text) for text in shapes])
    try:
        found = check_gradients(lambda *given: known[name](*given, **options), *arguments)
    except GradientMismatch as mismatch:
        console.print(f"[bold red]wrong[/]  {name}", highlight=False)
        console.print(str(mismatch), markup=False, highlight=False)
        return False
    except Exception as cause:  # whatever somebody's function may raise
        where = "" if isinstance(cause, LocalgradError) else last_line(Path(path), cause)
        given = [numpy.shape(argument) for argument in arguments]
        raise errors.check_failed(target, given, cause, where) from None
    console.print(f"[bold green]right[/]  {name}", highlight=False)
    console.print(str(found), markup=False, highlight=False)
    return True


def arguments_of(function: Any, shapes: list[tuple[int, ...]]) -> tuple[list[Any], dict[str, Any]]:
    """Where to check: what the declaration or its defaults say, or else numbers drawn at random."""
    random = numpy.random.default_rng(0)
    if isinstance(function, Operation) and function.example is not None and not shapes:
        drawn, options = function.example(random)
        return list(drawn), options
    if isinstance(function, Operation):
        names, defaults = function.arguments, function.defaults
    else:
        parameters = inspect.signature(function).parameters.values()
        names = tuple(
            p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.POSITIONAL_ONLY)
        )
        defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
    arguments: list[Any] = []
    for position, name in enumerate(names):
        default = defaults.get(name)
        if position < len(shapes):
            arguments.append(random.normal(size=shapes[position]))
        elif isinstance(default, Tensor | numpy.ndarray | float):
            arguments.append(numpy.asarray(default, numpy.float64))
        elif name in defaults:
            break  # options follow, and keep their defaults
        else:
            arguments.append(random.normal(size=SHAPE))
    return arguments, {}


def read_shape(text: str) -> tuple[int, ...]:
    """`3,4` as (3, 4); an empty text is the shape of a number."""
    try:
        return tuple(int(part) for part in text.strip("() ").split(",") if part.strip())
    except ValueError:
        raise errors.unreadable_shape(text) from None
