"""A run: the folder that holds everything about one training."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from localgrad import errors_of_runs as errors
from localgrad.nn.files import replacing
from localgrad.train import catalogue
from localgrad.train.recipe import Recipe

FORMAT = "localgrad-run/1"
RUNS = Path("runs")


@dataclass(frozen=True)
class Settings:
    """Everything that decides how a run comes out, besides the data's own content."""

    recipe: str  # a name, or the absolute path of a Python file
    epochs: int
    batch_size: int
    lr: float
    seed: int
    data: str | None
    created: str
    format: str = FORMAT


@dataclass(frozen=True)
class Run:
    """Where the files of a run lie."""

    folder: Path
    settings: Settings

    @property
    def checkpoint(self) -> Path:
        """The latest complete state: weights, optimiser, scheduler, random numbers, loader."""
        return self.folder / "checkpoint.safetensors"

    @property
    def model(self) -> Path:
        """The weights alone, with PyTorch's key names."""
        return self.folder / "model.safetensors"

    @property
    def metrics(self) -> Path:
        return self.folder / "metrics.jsonl"

    @property
    def report(self) -> Path:
        return self.folder / "report.html"

    def recipe(self) -> Recipe:
        """The recipe, with this run's settings in place of its own."""
        recipe = catalogue.recipe(self.settings.recipe)
        recipe.epochs = self.settings.epochs
        recipe.batch_size = self.settings.batch_size
        recipe.lr = self.settings.lr
        return recipe

    def data(self, recipe: Recipe) -> tuple[Any, Any]:
        """The recipe's training and held-out sets."""
        source = self.settings.data
        return recipe.data(None if source is None else Path(source))


def start(folder: Path | None, settings: Settings) -> Run:
    """A new run in `folder`, or in a fresh one under `runs/`."""
    if folder is None:
        stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
        name = f"{Path(settings.recipe).stem}-{stamp}"
        folder = RUNS / name
        count = 1
        while folder.exists():
            count += 1
            folder = RUNS / f"{name}-{count}"
    if (folder / "settings.json").exists():
        raise errors.run_exists(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / "settings.json") as path:
        Path(path).write_text(json.dumps(dataclasses.asdict(settings), indent=2) + "\n", "utf-8")
    return Run(folder, settings)


def open_run(folder: Path) -> Run:
    """The run in `folder`, or of that name under `runs/`, or the newest one of that recipe."""
    named = [run for run in all_runs() if run.name == str(folder)]
    named = named or [run for run in all_runs() if run.name.startswith(f"{folder}-")]
    if not (folder / "settings.json").is_file() and named:
        folder = named[-1]
    path = folder / "settings.json"
    if not path.is_file():
        raise errors.no_run(folder, [run.name for run in all_runs()])
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        settings = Settings(**values)
    except (ValueError, TypeError):
        raise errors.foreign_run(path) from None
    if settings.format != FORMAT:
        raise errors.foreign_run(path)
    return Run(folder, settings)


def all_runs() -> list[Path]:
    """The runs under `runs/`, the newest last."""
    found = [path.parent for path in RUNS.glob("*/settings.json")]
    return sorted(found, key=lambda folder: (folder / "settings.json").stat().st_mtime)


def newest(recipe: str | None) -> Run | None:
    """The latest run under `runs/`, of this recipe if one is named."""
    for folder in reversed(all_runs()):
        run = open_run(folder)
        if recipe is None or run.settings.recipe == recipe:
            return run
    return None
