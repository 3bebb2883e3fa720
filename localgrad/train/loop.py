"""The training loop: steps, epochs, and what is written when."""

from __future__ import annotations

import time
from dataclasses import dataclass

from localgrad.ledger import StepLog
from localgrad.train.interrupt import Interrupt
from localgrad.train.metrics import Metrics
from localgrad.train.progress import Progress
from localgrad.train.run import Run
from localgrad.train.training import Training, size_of

CHECKPOINT_SECONDS = 10.0


@dataclass(frozen=True)
class Outcome:
    """How a call of `train` ended."""

    training: Training
    finished: bool  # False where Ctrl-C stopped it
    scores: dict[str, float]  # on the held-out examples, after the last complete epoch
    seconds: float


def train(run: Run, progress: Progress, every: float = CHECKPOINT_SECONDS) -> Outcome:
    """Train until the run is complete or interrupted, going on from its checkpoint if it has one.

    A checkpoint is written after every epoch and after `every` seconds within one. Everything
    that a step depends on is in it, so what follows a resumption is what would have followed
    without the interruption, bit for bit.
    """
    began = time.monotonic()
    training = Training(run)
    resumed = training.restore()
    metrics = Metrics(run.metrics, training.step)
    begun = training.step if resumed else None
    recipe = training.recipe
    training.record_into(
        StepLog(
            run.folder,
            training.network,
            every=recipe.record_every,
            resume_at=begun,
            inside=recipe.inside,
        )
    )
    progress.begin(training, resumed)
    scores: dict[str, float] = {}
    with metrics, progress, Interrupt() as interrupt:
        while training.epoch < training.recipe.epochs and not interrupt.requested:
            scores = epoch(training, metrics, progress, interrupt, every) or scores
    if not scores and training.epoch:
        scores = training.evaluate()
    finished = training.epoch == training.recipe.epochs
    return Outcome(training, finished, scores, time.monotonic() - began)


def epoch(
    training: Training, metrics: Metrics, progress: Progress, interrupt: Interrupt, every: float
) -> dict[str, float] | None:
    """The rest of the epoch under way; its scores, or None if it was interrupted."""
    saved = time.monotonic()
    for batch in training.loader:
        began = time.monotonic()
        found = training.advance(batch)
        seconds = time.monotonic() - began
        metrics.add(
            step=training.step,
            epoch=training.epoch + 1,
            **found,
            learning_rate=training.learning_rate,
            seconds=seconds,
        )
        progress.step(found, size_of(batch), seconds)
        if training.loader.position == len(training.loader):
            break  # the state between the last step and the evaluation is never written
        if interrupt.requested or time.monotonic() - saved >= every:
            metrics.to_disk()
            training.save()
            saved = time.monotonic()
        if interrupt.requested:
            return None
    trained, scores = training.means.now(), training.evaluate()
    training.end_epoch()
    metrics.add(step=training.step, epoch=training.epoch, train=trained, held_out=scores)
    metrics.to_disk()
    training.save()
    progress.epoch(trained, scores)
    return scores
