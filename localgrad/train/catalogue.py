"""Which recipes there are, and how one is found by its name or in a file of one's own."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import traceback
from pathlib import Path
from types import ModuleType

from localgrad import errors_of_runs as errors
from localgrad.train import recipes
from localgrad.train.recipe import Recipe

DEFAULT = "digits"
UNWRITTEN = ("data", "network", "loss")  # what a recipe has to write itself


def names() -> list[str]:
    """The recipes that come with the library, the default first."""
    found = sorted(m.name for m in pkgutil.iter_modules(recipes.__path__) if m.name[0] != "_")
    return sorted(found, key=lambda name: name != DEFAULT)


def recipe(name: str) -> Recipe:
    """The recipe called `name`, or the one in the Python file that `name` is the path of."""
    if name.endswith(".py"):
        module = import_file(Path(name))
    elif name in names():
        module = importlib.import_module(f"{recipes.__name__}.{name}")
    else:
        raise errors.unknown_recipe(name, names())
    own = [
        kind
        for kind in vars(module).values()
        if isinstance(kind, type)
        and issubclass(kind, Recipe)
        and kind.__module__ == module.__name__
        and kind.__name__[0] != "_"
    ]
    if len(own) != 1:
        raise errors.not_one_recipe(name, [kind.__name__ for kind in own])
    (kind,) = own
    missing = [n for n in UNWRITTEN if getattr(kind, n) is getattr(Recipe, n)]
    if missing:
        raise errors.unwritten_recipe(name, kind.__name__, missing)
    return kind()


def import_file(path: Path) -> ModuleType:
    """The module in a file, which need not be on Python's path."""
    if not path.is_file():
        raise errors.no_file(path)
    specification = importlib.util.spec_from_file_location(path.stem, path.resolve())
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    try:
        specification.loader.exec_module(module)
    except (SyntaxError, UnicodeDecodeError) as cause:
        raise errors.no_python(path, cause) from None
    except Exception as cause:  # whatever the lines of that file may raise
        raise errors.file_failed(path, cause, last_line(path, cause)) from None
    return module


def last_line(path: Path, cause: BaseException) -> str:
    """Where in the file an exception came from, such as `mine.py:12`."""
    places = traceback.extract_tb(cause.__traceback__)
    lines = [place.lineno for place in places if Path(place.filename) == path.resolve()]
    return f"{path.name}:{lines[-1]}" if lines else ""
