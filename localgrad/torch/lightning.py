"""Lightning: the ledger of every N-th training step, by one callback."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Callback

from localgrad.torch.steps import Recorded


class LedgerCallback(Recorded, Callback):
    """Record the ledger of every `every`-th training step into `folder`.

        trainer = Trainer(callbacks=[LedgerCallback("runs/mine", every=50)])

    and then ``localgrad report runs/mine``. A step is an optimiser's (``trainer.global_step``); of
    batches whose gradients are added up, the first is recorded. With manual optimisation all sweeps
    of the batch are in its ledger. Of several processes, the first records.

    level, thresholds: as `localgrad.torch.Ledger` takes them.
    """

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        if trainer.is_global_zero:
            self.recording.start(pl_module, trainer.global_step)

    def on_train_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int
    ) -> None:
        self.recording.begin(trainer.global_step)

    def on_after_backward(self, trainer: Any, pl_module: Any) -> None:
        if pl_module.automatic_optimization:
            self.recording.end()

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.recording.end()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        self.recording.drop()
