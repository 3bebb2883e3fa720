"""Everything that changes while a run trains: advanced by a step, saved, and restored."""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy

from localgrad import errors_of_runs as errors
from localgrad import random
from localgrad.data import DataLoader
from localgrad.graph.record import no_grad
from localgrad.ledger import StepLog
from localgrad.nn.files import load, save
from localgrad.nn.utils import clip_grad_norm_
from localgrad.train.run import Run

FORMAT = "localgrad-checkpoint/1"


class Training:
    """A network, its optimiser, and how far they have come."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.recipe = recipe = run.recipe()
        random.manual_seed(run.settings.seed)
        self.train_set, self.held_out = run.data(recipe)
        self.network = recipe.network(self.train_set)
        self.loader = DataLoader(self.train_set, recipe.batch_size, shuffle=True)
        self.steps = recipe.epochs * len(self.loader)
        self.optimizer = recipe.optimizer(self.network, recipe.lr)
        self.scheduler = recipe.scheduler(self.optimizer, self.steps)
        self.step = 0
        self.epoch = 0  # how many are complete
        self.means = Means()  # of the epoch under way
        self.log: StepLog | None = None  # where some of the steps are recorded

    def advance(self, batch: Any) -> dict[str, float]:
        """One step of training; returns its loss and scores."""
        self.network.train()
        self.optimizer.zero_grad()
        with numpy.errstate(over="ignore", invalid="ignore"):  # the error below says more
            with self.recorded():
                loss, scores = self.recipe.loss(self.network, batch)
                value = loss.item()
                if not math.isfinite(value):
                    step, rate = self.step + 1, self.run.settings.lr
                    raise errors.diverged(value, step, rate, self.run.folder)
                loss.backward()
            if self.recipe.clip is not None:
                clip_grad_norm_(self.network.parameters(), self.recipe.clip)
            self.optimizer.step()
        if self.scheduler is not None:
            self.scheduler.step()
        self.step += 1
        found = {"loss": value, **scores}
        self.means.add(found, size_of(batch))
        return found

    def record_into(self, log: StepLog) -> None:
        """Record the steps to come whose turn it is."""
        self.log = log

    def recorded(self) -> AbstractContextManager[Any]:
        """The ledger of the step at hand, where it is recorded."""
        return nullcontext() if self.log is None else self.log.step(self.step)

    def evaluate(self) -> dict[str, float]:
        """Loss and scores on the held-out examples."""
        self.network.eval()
        means = Means()
        with no_grad():
            for batch in DataLoader(self.held_out, max(self.recipe.batch_size, 128)):
                loss, scores = self.recipe.loss(self.network, batch)
                means.add({"loss": loss.item(), **scores}, size_of(batch))
        return means.now()

    def end_epoch(self) -> None:
        self.epoch += 1
        self.means = Means()

    @property
    def learning_rate(self) -> float:
        return float(self.optimizer.param_groups[0]["lr"])

    # -- saved and restored --------------------------------------------------------------------

    def save(self) -> None:
        """The whole state, in one file that is written atomically."""
        state = {
            "format": FORMAT,
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": None if self.scheduler is None else self.scheduler.state_dict(),
            "loader": self.loader.state_dict(),
            "random": random.get_rng_state(),
            "examples": [len(self.train_set), len(self.held_out)],
            "step": self.step,
            "epoch": self.epoch,
            "means": [self.means.count, self.means.sums],
        }
        save(state, self.run.checkpoint)

    def restore(self) -> bool:
        """Go on from the run's checkpoint; False where it was killed before the first one."""
        path = self.run.checkpoint
        if not path.exists():
            return False
        state = load(path)
        if state.get("format") != FORMAT:
            raise errors.foreign_checkpoint(path, list(state))
        examples = [len(self.train_set), len(self.held_out)]
        if state["examples"] != examples:
            raise errors.other_data(self.run.folder, state["examples"], examples)
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.scheduler is not None:
            self.scheduler.load_state_dict(state["scheduler"])
        self.loader.load_state_dict(state["loader"])
        random.set_rng_state(state["random"])
        self.step, self.epoch = state["step"], state["epoch"]
        self.means.count, self.means.sums = state["means"]
        return True


class Means:
    """Averages over examples, from averages over batches."""

    def __init__(self) -> None:
        self.count = 0
        self.sums: dict[str, float] = {}

    def add(self, values: dict[str, float], examples: int) -> None:
        self.count += examples
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + value * examples

    def now(self) -> dict[str, float]:
        return {name: total / self.count for name, total in self.sums.items()}


def size_of(batch: Any) -> int:
    """How many examples a batch has: the length of its first tensor."""
    if isinstance(batch, dict):
        batch = batch.values()
    return len(next(iter(batch))) if isinstance(batch, Iterable) else 1
