"""Trains every recipe with three seeds and writes the table in docs/recipes.md.

    python benchmarks/recipes.py [NAME…] [--seeds 3] [--mnist FOLDER]

Results are kept in benchmarks/results/recipes.json as they come, so that a second call goes on
where the first was stopped; `--again` measures anew.
"""

from __future__ import annotations

import argparse
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
BEGIN, END = "<!-- measured -->", "<!-- /measured -->"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--mnist", type=Path, help="the folder with MNIST's files")
    parser.add_argument("--again", action="store_true")
    given = parser.parse_args()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in given.names or catalogue.names():
        data = str(given.mnist.resolve()) if name == "mnist" and given.mnist else None
        if name == "mnist" and data is None:
            continue
        if given.again:
            results.pop(name, None)
        measure(name, data, given.seeds, results)
    write_page(results)


def measure(name: str, data: str | None, seeds: int, results: dict[str, Any]) -> None:
    """The reference once, then a run for every seed that has none yet."""
    console = Console()
    found = results.setdefault(name, {"scores": {}, "seconds": {}})
    recipe = catalogue.recipe(name)
    if "reference" not in found:
        parts = recipe.data(None if data is None else Path(data))
        found["reference"] = reference(name, recipe, *parts)
        console.print(name, *found["reference"])
    for seed in range(seeds):
        if str(seed) in found["scores"]:
            continue
        with tempfile.TemporaryDirectory() as folder:
            run = new_run(name, {"seed": seed, "data": data}, Path(folder))
            began = time.perf_counter()
            outcome = train(run, Progress(console))
        found["scores"][str(seed)] = outcome.scores[recipe.score]
        found["seconds"][str(seed)] = time.perf_counter() - began
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")


def write_page(results: dict[str, Any]) -> None:
    """The measured table, between its marks on the page."""
    rows = [
        "| recipe | what it does | score | seeds | simple model on the same split | minutes |",
        "|---|---|---|---|---|---|",
    ]
    for name in catalogue.names():
        if results.get(name, {}).get("scores"):
            rows.append(row(name, catalogue.recipe(name), results[name]))
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    table = "\n".join(rows)
    PAGE.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}", encoding="utf-8")


def row(name: str, recipe: Recipe, found: dict[str, Any]) -> str:
    scores = list(found["scores"].values())
    model, simple = found["reference"]
    middle = shown(recipe, statistics.median(scores))
    spread = f"{shown(recipe, min(scores))} to {shown(recipe, max(scores))} ({len(scores)})"
    minutes = statistics.median(found["seconds"].values()) / 60
    return (
        f"| `{name}` | {recipe.summary()} | {recipe.score} {middle} | {spread} "
        f"| {model}: {shown(recipe, simple)} | {minutes:.1f} |"
    )


def shown(recipe: Recipe, value: float) -> str:
    share = recipe.score.endswith(("accuracy", "IoU"))
    return f"{100 * value:.1f} %" if share else f"{value:.4g}"


if __name__ == "__main__":
    main()
