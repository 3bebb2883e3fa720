"""The command line: `localgrad train | explain | check | report | bench | recipes`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from localgrad.errors import LocalgradError

WRONG_INPUT = 2  # the exit code of everything that a person can mend by typing something else
INTERRUPTED = 130  # the shell's code for Ctrl-C

app = typer.Typer(
    name="localgrad",
    help="Backpropagation you can read: train a network, and see where its gradients come from.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def train(
    recipe: Annotated[
        str | None,
        typer.Argument(help="A recipe's name, or a Python file with a recipe. Default: digits."),
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the data.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Examples in a step.")] = None,
    lr: Annotated[float | None, typer.Option(help="The (peak) learning rate.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of all random numbers.")] = None,
    out: Annotated[Path | None, typer.Option(help="The run's folder; a new one in runs/.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an unfinished run.")] = False,
    data: Annotated[Path | None, typer.Option(help="Data other than the recipe's own.")] = None,
) -> None:
    """Train a network, with checkpoints that a killed run resumes from, bit for bit."""
    from localgrad.train.command import run_recipe

    finished = run_recipe(
        Console(),
        recipe,
        {"epochs": epochs, "batch_size": batch_size, "lr": lr, "seed": seed, "data": data},
        out,
        resume,
    )
    if not finished:
        raise typer.Exit(INTERRUPTED)


@app.command()
def explain(
    run: Annotated[Path, typer.Argument(help="A run's folder, or its name under runs/.")],
    parameter: Annotated[str, typer.Argument(help="Such as conv1.weight.")],
    index: Annotated[str | None, typer.Option(help="One element, such as 0,3.")] = None,
) -> None:
    """Show how a parameter's gradient came about: upstream × local = downstream, term by term."""
    from localgrad.train.inspection import explain_parameter

    explain_parameter(Console(), run, parameter, index)


@app.command()
def check(
    target: Annotated[str, typer.Argument(help="FILE.py::FUNCTION", metavar="FILE.py::FUNCTION")],
    shape: Annotated[
        list[str] | None,
        typer.Option(help="An argument's shape, such as 3,4; once for each argument."),
    ] = None,
) -> None:
    """Check a function's or an operation's gradients against finite differences."""
    from localgrad.train.checking import check_target

    if not check_target(Console(), target, shape or []):
        raise typer.Exit(1)


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="A run's folder, or its name under runs/.")],
    open_: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """Write the ledger of a run's first batch, at its latest checkpoint, as an HTML page."""
    from localgrad.train.inspection import write_report

    path = write_report(Console(), run)
    if open_:
        typer.launch(path.resolve().as_uri())


@app.command()
def bench(
    workloads: Annotated[
        list[str] | None,
        typer.Argument(help="Names, or Python files with a WORKLOAD; all built-in ones if none."),
    ] = None,
    against: Annotated[str, typer.Option(help="Packages, by commas.")] = "torch,jax",
    torch: Annotated[bool, typer.Option("--torch", help="ledger: of PyTorch models.")] = False,
    rounds: Annotated[int, typer.Option(min=1, help="Turns of each contender.")] = 5,
    seconds: Annotated[float, typer.Option(help="The length of a turn.")] = 0.5,
    save: Annotated[Path | None, typer.Option(help="A JSON file for the results.")] = None,
) -> None:
    """Measure localgrad beside PyTorch and JAX on this machine."""
    from localgrad.bench import main as measure

    packages = [package for package in against.split(",") if package]
    measure(
        workloads or (),
        packages,
        torch=torch,
        rounds=rounds,
        seconds=seconds,
        save=save,
        console=Console(),
    )


@app.command()
def recipes() -> None:
    """List what can be trained, with the score and the time to expect on two cores."""
    from localgrad.train.command import list_recipes

    list_recipes(Console())


def main() -> None:
    """The console script: every error that a person can mend is one message and exit code 2."""
    try:
        app()
    except (LocalgradError, OSError) as error:
        Console(stderr=True).print(
            f"[bold red]error:[/] {_escaped(error)}", highlight=False, soft_wrap=True
        )
        sys.exit(WRONG_INPUT)


def _escaped(error: Exception) -> str:
    from rich.markup import escape

    return escape(str(error))


if __name__ == "__main__":
    main()
