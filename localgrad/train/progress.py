"""What a person sees while a run trains: a live line, and one line that stays for every epoch."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Column
from rich.text import Text

from localgrad.train.scores import amount, shown

if TYPE_CHECKING:
    from localgrad.train.training import Training

MEMORY = 0.9  # how much of the running averages is kept from one step to the next


class Progress:
    """A live line on a terminal; where output goes to a file, the lines that stay are all."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.bar = Bar(
            TextColumn(
                "epoch {task.fields[epoch]}", table_column=Column(no_wrap=True, min_width=11)
            ),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[values]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self.recent: dict[str, float] = {}
        self.rate = 0.0

    def begin(self, training: Training, resumed: bool) -> None:
        """Say what is trained on what."""
        self.training = training
        recipe, settings = training.recipe, training.run.settings
        parameters = sum(p.size for p in training.network.parameters())
        self.console.print(
            f"[bold]{Path(settings.recipe).stem}[/]  {recipe.summary()}", highlight=False
        )
        self.console.print(
            f"{len(training.train_set):,} examples to learn from, {len(training.held_out):,} held "
            f"out; {parameters:,} parameters; {recipe.epochs} epochs of "
            f"{len(training.loader):,} steps; seed {settings.seed}",
            highlight=False,
            style="dim",
        )
        if resumed:
            self.console.print(f"resumed after step {training.step:,}", style="dim")
        self.task = self.bar.add_task(
            "",
            total=training.steps,
            completed=training.step,
            epoch=self.epochs,
            values="first step: kernels that this machine has not seen are compiled, once",
        )

    @property
    def epochs(self) -> str:
        total = self.training.recipe.epochs
        return f"{min(self.training.epoch + 1, total):>{len(str(total))}}/{total}"

    def __enter__(self) -> Progress:
        self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bar.stop()

    def step(self, found: dict[str, float], examples: int, seconds: float) -> None:
        """One step was made."""
        found = {**found, "examples/s": examples / seconds if seconds else 0.0}
        for name, value in found.items():
            before = self.recent.get(name, value)
            self.recent[name] = MEMORY * before + (1 - MEMORY) * value
        values = [shown(n, v) for n, v in self.recent.items() if n != "examples/s"]
        values.append(f"{self.recent['examples/s']:,.0f} examples/s")
        self.bar.update(self.task, advance=1, epoch=self.epochs, values="  ".join(values))

    def epoch(self, trained: dict[str, float], held_out: dict[str, float]) -> None:
        """An epoch is complete."""
        training = self.training
        total = training.recipe.epochs
        head = f"epoch {training.epoch:>{len(str(total))}}/{total}"
        left = [shown(n, v) for n, v in trained.items()]
        right = [amount(n, v) for n, v in held_out.items()]
        line = f"{head}  {'  '.join(left)}  [dim]|[/] held out: [bold]{'  '.join(right)}[/]"
        if Text.from_markup(line).cell_len > self.console.width:  # two lines, value under value
            below = "  ".join(f"{v:>{len(above)}}" for v, above in zip(right, left))
            line = f"{head}  {'  '.join(left)}\n{'held out':<{len(head)}}  [bold]{below}[/]"
        self.console.print(line, highlight=False, soft_wrap=True)
        written = training.recipe.sample(training.network)
        if written is not None:
            self.console.print(written, style="dim", highlight=False, markup=False, soft_wrap=True)
