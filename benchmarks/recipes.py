"""Trains every recipe with three seeds and writes the table in docs/recipes.md.

    python benchmarks/recipes.py [NAME…] [--mnist FOLDER]
    python benchmarks/recipes.py [NAME…] --time

A NAME is a recipe's, or one with other data, such as `unet/tissue`.

Scores do not depend on what else the machine does, so the seeds may train beside other work. Times
do, so they are measured apart, by `--time`, on a machine that does nothing else: the first epochs
of a run, for some seconds, and from them the whole run.

Results are kept in benchmarks/results/recipes.json as they come, so that a second call goes on
where the first was stopped; `--again` measures anew.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from references import reference
from rich.console import Console

from localgrad.train import catalogue
from localgrad.train.command import new_run
from localgrad.train.loop import train
from localgrad.train.progress import Progress
from localgrad.train.recipe import Recipe

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "recipes.json"
PAGE = HERE.parent / "docs" / "recipes.md"
OTHER_DATA = ["unet/land", "unet/tissue"]
SEEDS = 3
LONG_ENOUGH = 8.0  # seconds of training that are timed; a whole epoch at least
BEGIN, END = "<!-- measured -->", "<!-- /measured -->"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--mnist", type=Path, help="the folder with MNIST's files")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--time", action="store_true", help="time the recipes, train none")
    given = parser.parse_args()
    for entry in given.names or entries():
        name, _, data = entry.partition("/")
        if name == "mnist":
            if given.mnist is None:
                continue
            data = str(given.mnist.resolve())
        settings = {"data": data or None}
        if given.time:
            change(entry, seconds=seconds_of(name, settings))
        else:
            score(entry, name, settings, given.again)
    write_page()


def entries() -> list[str]:
    """The rows of the table."""
    found = sorted([*catalogue.names(), *OTHER_DATA])
    return sorted(found, key=lambda entry: entry != catalogue.DEFAULT)


def results() -> dict[str, Any]:
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {}


def change(entry: str, **found: Any) -> dict[str, Any]:
    """Keep what was found about one row; what stands on disk now is what is changed."""
    kept = results()
    kept[entry] = {"scores": {}} | kept.get(entry, {}) | found
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(kept, indent=1) + "\n")
    return kept[entry]


def score(entry: str, name: str, settings: dict[str, Any], again: bool) -> None:
    """The reference once, then a run for every seed that has none yet."""
    console = Console()
    found = change(entry, scores={}) if again else change(entry)
    recipe = catalogue.recipe(name)
    if again or "reference" not in found:
        data = settings["data"]
        parts = recipe.data(None if data is None else Path(data))
        found = change(entry, reference=reference(name, recipe, *parts))
        console.print(entry, *found["reference"])
    for seed in range(SEEDS):
        if str(seed) in found["scores"]:
            continue
        with tempfile.TemporaryDirectory() as folder:
            run = new_run(name, settings | {"seed": seed}, Path(folder))
            outcome = train(run, Progress(console))
        scores = found["scores"] | {str(seed): outcome.scores[recipe.score]}
        found = change(entry, scores=scores)


def seconds_of(name: str, settings: dict[str, Any]) -> float:
    """How long all epochs take, by the median of those that were timed."""
    clock = Clock(Console())
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(Clock.Enough):
        train(new_run(name, settings, Path(folder)), clock)
    epochs = catalogue.recipe(name).epochs
    return clock.taken[0] + (epochs - 1) * statistics.median(clock.taken[1:] or clock.taken)


class Clock(Progress):
    """Times epochs, with their evaluation, checkpoints and samples, until that is long enough."""

    class Enough(Exception):
        pass

    def begin(self, *given: Any) -> None:
        self.taken: list[float] = []
        self.began = time.perf_counter()
        super().begin(*given)

    def epoch(self, *scores: Any) -> None:
        super().epoch(*scores)
        self.taken.append(time.perf_counter() - self.began)
        if sum(self.taken) >= LONG_ENOUGH:
            raise Clock.Enough
        self.began = time.perf_counter()


def write_page() -> None:
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), results()), encoding="utf-8")


def page(text: str, found: dict[str, Any]) -> str:
    """The page with the measured table between its marks."""
    rows = [
        "| recipe | what it does | score | lowest to highest | simple model | seconds |",
        "|---|---|---|---|---|---|",
    ]
    for entry in entries():
        if {"scores", "reference", "seconds"} <= found.get(entry, {}).keys():
            rows.append(row(entry, found[entry]))
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    table = "\n".join(rows)
    return f"{before}{BEGIN}\n{table}\n{END}{after}"


def row(entry: str, found: dict[str, Any]) -> str:
    name, _, data = entry.partition("/")
    recipe = catalogue.recipe(name)
    what = f"The same with `--data {data}`." if data else recipe.summary()
    scores = list(found["scores"].values())
    model, simple = found["reference"]
    middle = shown(recipe, statistics.median(scores))
    spread = f"{shown(recipe, min(scores))} to {shown(recipe, max(scores))}"
    return (
        f"| `{name}` | {what} | {recipe.score} {middle} | {spread} "
        f"| {model}: {shown(recipe, simple)} | {found['seconds']:.0f} |"
    )


def shown(recipe: Recipe, value: float) -> str:
    share = recipe.score.endswith(("accuracy", "IoU"))
    return f"{100 * value:.1f} %" if share else f"{value:.4g}"


if __name__ == "__main__":
    main()
