"""Every example in a docstring runs and prints what it says."""

import doctest
import importlib
import pkgutil
from types import ModuleType

import pytest

import localgrad

FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
OPTIONAL = {"localgrad.torch": "torch", "localgrad.report.widget": "anywidget"}


def names() -> list[str]:
    found = pkgutil.walk_packages(localgrad.__path__, "localgrad.")
    return [m.name for m in found if not m.name.endswith("__main__")]


@pytest.mark.parametrize("name", names())
def test_examples(name: str, tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    for prefix, package in OPTIONAL.items():
        if name.startswith(prefix):
            pytest.importorskip(package)
    monkeypatch.chdir(str(tmp_path))
    module: ModuleType = importlib.import_module(name)
    assert doctest.testmod(module, optionflags=FLAGS).failed == 0
