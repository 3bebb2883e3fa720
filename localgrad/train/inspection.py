"""A run, opened up: the ledger of its first batch at its latest checkpoint."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from localgrad import errors_of_runs as errors
from localgrad.data import DataLoader
from localgrad.ledger import Ledger, attach
from localgrad.ledger.trace import trace
from localgrad.report.trace import trace_lines
from localgrad.train.kept import KeptLedger, kept
from localgrad.train.run import open_run
from localgrad.train.training import Training


def record(training: Training, level: str) -> Ledger:
    """The ledger of one step on the first batch of the training set; the weights stay."""
    network = training.network
    network.train()
    network.zero_grad()
    batch = next(iter(DataLoader(training.train_set, training.recipe.batch_size)))
    with Ledger(network, level=level, inside=training.recipe.inside) as ledger:
        loss, _ = training.recipe.loss(network, batch)
        loss.backward()
    return ledger


def reopen(folder: Path) -> Training:
    """A run as its latest checkpoint has it."""
    training = Training(open_run(folder))
    if not training.restore():
        raise errors.no_checkpoint(training.run.folder)
    return training


def explain_parameter(console: Console, folder: Path, name: str, index: str | None) -> None:
    """Print how the gradient of a parameter, or of one of its elements, came about."""
    place = kept(folder)
    if place is not None:
        explain_kept(KeptLedger(place), name, index)
        return
    training = reopen(folder)
    shapes = {n: p.shape for n, p in training.network.named_parameters()}
    if name not in shapes:
        raise errors.unknown_parameter(name, shapes)
    element = None if index is None else read_index(index, name, shapes[name])
    ledger = record(training, "values")
    recipe = Path(training.run.settings.recipe).stem
    ledger.record.title = f"{recipe}, after step {training.step:,}"
    console.print(
        f"{Path(training.run.settings.recipe).stem}, after step {training.step:,}, on the first "
        f"{training.recipe.batch_size} examples of its training set",
        style="dim",
        highlight=False,
        soft_wrap=True,
    )
    ledger.explain(name, element)
    if element is not None:
        console.print("\nstep by step, along the largest product of each sum", style="dim")
        for line in trace_lines(trace(ledger, ledger.of(name), element)):
            console.print(line)


def explain_kept(ledger: KeptLedger, name: str, index: str | None) -> None:
    """The same from the latest step that a callback recorded."""
    node = ledger.of(name)
    shape = tuple(node.shape)
    element = None if index is None else read_index(index, name, shape)
    terms = ledger.record.arrived(node)
    if element is not None and any(edge.contribution is None for edge in terms):
        raise errors.contributions_not_kept(name, ledger.record.level)
    ledger.explain(name, element)


def read_index(text: str, name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The element that `--index` names, checked against the parameter's shape."""
    try:
        element = tuple(int(part) for part in text.strip("()[] ").split(",") if part.strip())
    except ValueError:
        raise errors.unreadable_index(text, name, shape) from None
    fits = len(element) == len(shape) and all(-n <= i < n for i, n in zip(element, shape))
    if not fits:
        raise errors.unreadable_index(text, name, shape)
    return tuple(i % n for i, n in zip(element, shape))


def write_report(console: Console, folder: Path) -> Path:
    """The report of a run as its latest checkpoint has it, or of one that a callback recorded."""
    place = kept(folder)
    if place is not None:
        page = KeptLedger(place).to_html(place / "report.html")
        console.print(f"report  {page}", highlight=False, soft_wrap=True)
        return page
    training = reopen(folder)
    with console.status("recording the first batch"):
        save_report(training)
    console.print(f"report  {training.run.report}", highlight=False, soft_wrap=True)
    return training.run.report


def save_report(training: Training) -> None:
    """Record one step and write it beside the run, as JSON and as an HTML page."""
    ledger = record(training, "values")
    recipe = Path(training.run.settings.recipe).stem
    ledger.record.title = f"{recipe}, after step {training.step:,}"
    attach(ledger.record, training.run.folder)
    ledger.to_json(training.run.folder / "ledger.json")
    ledger.to_html(training.run.report)
