"""Hugging Face ``Trainer``: the ledger of every N-th training step, by one callback."""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback

from localgrad.torch.steps import Recorded


class LedgerCallback(Recorded, TrainerCallback):
    """Record the ledger of every `every`-th training step into `folder`.

        trainer = Trainer(model, args, train_dataset=data,
                          callbacks=[LedgerCallback("runs/mine", every=50)])

    and then ``localgrad report runs/mine``. A step is an optimiser's step (``state.global_step``);
    of batches whose gradients are added up, the first is recorded. Of several processes, the first
    records. ``Trainer`` does not tell its callbacks of an exception: after one, call `close`
    before you open a ledger of your own (the next ``train()`` does it by itself).

    level, thresholds: as `localgrad.torch.Ledger` takes them.
    """

    def close(self) -> None:
        """Close the ledger of a step that has failed."""
        self.recording.drop()

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.is_world_process_zero:
            self.recording.start(kwargs["model"], state.global_step)

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.recording.begin(state.global_step)

    def on_substep_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.recording.end()

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.recording.end()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.recording.end()
