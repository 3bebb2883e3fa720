"""What `localgrad train` and `localgrad recipes` do."""

from __future__ import annotations

import math
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from localgrad import errors_of_runs as errors
from localgrad.train import catalogue, run
from localgrad.train.loop import Outcome, train
from localgrad.train.progress import Progress
from localgrad.train.run import Run, Settings
from localgrad.train.scores import shown


def run_recipe(
    console: Console, name: str | None, given: dict[str, Any], out: Path | None, resume: bool
) -> bool:
    """Train a recipe, or go on with an unfinished run; False if Ctrl-C stopped it."""
    if given["data"] is not None:
        given["data"] = str(given["data"].expanduser().resolve())
    if name is not None and name.endswith(".py"):
        name = str(Path(name).resolve())
    if given["lr"] is not None and not 0 < given["lr"] < math.inf:
        raise errors.not_a_rate(given["lr"])
    if out is not None and out.exists() and not out.is_dir():
        raise errors.run_is_a_file(out)
    found = find_run(name, out) if resume else None
    if found is None:
        if resume and name is None:  # without a recipe's name, this is more likely a slip
            raise errors.no_run(out or run.RUNS, [path.name for path in run.all_runs()])
        if resume:
            console.print("nothing to resume: a new run begins", style="dim")
        found = new_run(name or catalogue.DEFAULT, given, out)
    else:
        refuse_changes(found, name, given)
    outcome = train(found, Progress(console))
    if not outcome.finished:
        console.print(
            f"stopped after step {outcome.training.step:,}; nothing is lost. Go on with\n"
            f"  localgrad train --resume --out {found.folder}",
            highlight=False,
            soft_wrap=True,
        )
        return False
    finish(console, found, outcome)
    return True


def find_run(name: str | None, out: Path | None) -> Run | None:
    """The run to resume: the one in `out`, or the newest one (of this recipe)."""
    if out is None:
        return run.newest(name)
    return run.open_run(out) if (out / "settings.json").exists() else None


def new_run(name: str, given: dict[str, Any], out: Path | None) -> Run:
    """A new run's folder; its data are opened first, so that bad input leaves no folder behind."""
    recipe = catalogue.recipe(name)
    recipe.data(None if given["data"] is None else Path(given["data"]))
    own = {"epochs": recipe.epochs, "batch_size": recipe.batch_size, "lr": recipe.lr, "seed": 0}
    chosen = own | {key: value for key, value in given.items() if value is not None}
    chosen.setdefault("data", None)
    created = datetime.now().astimezone().isoformat(timespec="seconds")
    return run.start(out, Settings(recipe=name, created=created, **chosen))


def refuse_changes(found: Run, name: str | None, given: dict[str, Any]) -> None:
    """A run goes on as it began; a different setting on the command line is an error."""
    wanted = given | {"recipe": name}
    changed = [
        (key, getattr(found.settings, key), value)
        for key, value in wanted.items()
        if value is not None and value != getattr(found.settings, key)
    ]
    if changed:
        raise errors.other_settings(found.folder, changed)


def finish(console: Console, found: Run, outcome: Outcome) -> None:
    """What a complete run leaves behind: the weights, the report, and where they lie."""
    import localgrad
    from localgrad.train.inspection import save_report

    localgrad.save(outcome.training.network, found.model)
    with console.status("recording the first batch for the report"):
        save_report(outcome.training)
    scores = "  ".join(shown(name, value) for name, value in outcome.scores.items())
    console.print(f"\nheld out: [bold green]{scores}[/]", highlight=False, soft_wrap=True)
    console.print(f"in {outcome.seconds:.0f} s", style="dim", highlight=False, soft_wrap=True)
    console.print(f"run     {found.folder}", highlight=False, soft_wrap=True)
    console.print(f"report  {found.report}", highlight=False, soft_wrap=True)


def list_recipes(console: Console) -> None:
    """Everything that `localgrad train` can train, with what to expect of it on two cores."""
    table = Table.grid(padding=(0, 2))
    for name in catalogue.names():
        recipe = catalogue.recipe(name)
        table.add_row(f"[bold]{name}[/]", recipe.summary())
        expected = f"{recipe.score} {recipe.expected}   ({recipe.reference})"
        minutes = recipe.minutes
        duration = f"{minutes:.1f} min" if minutes >= 1 else f"{60 * minutes:.0f} s"
        table.add_row("", f"[dim]{expected}   {duration}[/]")
    console.print(table, highlight=False)
    console.print("The first run takes longer: kernels are compiled, once.", style="dim")
