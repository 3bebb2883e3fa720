"""Hugging Face ``Trainer``: the ledger of every N-th training step, by one callback.

``Trainer`` tells its callbacks when a step begins and ends, but not that it failed. So for as long
as a training lasts the trainer's ``training_step``, which holds forward and backward, is carried
out inside of the recording: whatever it raises, no ledger stays open.
"""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

from transformers import Trainer, TrainerCallback

from localgrad import errors_of_ledgers as errors
from localgrad.torch.places import local_variables
from localgrad.torch.steps import Recorded


class LedgerCallback(Recorded, TrainerCallback):
    """Record the ledger of every `every`-th training step into `folder`.

        trainer = Trainer(model, args, train_dataset=data,
                          callbacks=[LedgerCallback("runs/mine", every=50)])

    and then ``localgrad report runs/mine``. A step is an optimiser's step (``state.global_step``);
    of batches whose gradients are added up, the first is recorded. Of several processes, the first
    records. A step that raises is not recorded, and leaves nothing of the ledger's behind.

    level, thresholds: as `localgrad.torch.Ledger` takes them.
    """

    _restore: tuple[Any, Any] | None = None  # a trainer, and what it had of its own

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._let_go()
        if state.is_world_process_zero:
            self.recording.start(kwargs["model"], state.global_step)
            self._hold(_trainer_above(), state)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._let_go()

    def _hold(self, trainer: Any, state: Any) -> None:
        plain = trainer.training_step

        def training_step(*given: Any, **named: Any) -> Any:
            self.recording.begin(state.global_step)
            try:
                result = plain(*given, **named)
            except BaseException:
                self.recording.drop()
                self._let_go()
                raise
            self.recording.end()
            return result

        self._restore = (trainer, vars(trainer).get("training_step"))
        trainer.training_step = training_step

    def _let_go(self) -> None:
        """Give the trainer its own ``training_step`` back."""
        if self._restore is None:
            return
        (trainer, own), self._restore = self._restore, None
        if own is None:
            del trainer.training_step
        else:
            trainer.training_step = own


def _trainer_above() -> Any:
    """The trainer that called: it does not pass itself on to its callbacks."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        owner = local_variables(frame).get("self")
        if isinstance(owner, Trainer):
            return owner
        frame = frame.f_back
    raise errors.no_trainer()
