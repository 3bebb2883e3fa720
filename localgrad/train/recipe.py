"""A recipe: what is trained, on what, and how."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from localgrad import optim
from localgrad.nn import Module
from localgrad.tensor import Tensor


class Recipe:
    """Subclass it in a file of one's own; `localgrad train FILE.py` trains it.

    A recipe writes `data`, `network` and `loss`; the rest has defaults. Settings are plain class
    attributes, and those that the command line offers (epochs, batch size, learning rate) are
    overridden there.
    """

    epochs: int = 10
    batch_size: int = 64
    lr: float = 1e-3
    clip: float | None = None
    """The norm that gradients are clipped to, if any."""

    inside: tuple[str, ...] = ()
    """Fused operations that the report shows step by step, such as "lstm": see `Ledger`."""
    record_every: int = 25
    """How many steps lie between two that are recorded for the slider of the report."""

    score: str = "accuracy"
    """Which of the scores that `loss` returns is the one to be judged by."""
    higher_is_better: bool = True
    expected: str = ""
    """What the score comes to, as a person reads it."""
    minutes: float = 0.0
    """How long the training takes on two cores."""
    reference: str = ""
    """What a simple model reaches on the same data, which this one should beat."""

    def data(self, source: Path | None) -> tuple[Any, Any]:
        """The training set and the held-out set; `source` is what `--data` names."""
        raise NotImplementedError

    def network(self, train: Any) -> Module:
        """A fresh network for this training set."""
        raise NotImplementedError

    def loss(self, network: Module, batch: Any) -> tuple[Tensor, dict[str, float]]:
        """The loss of a batch, and its scores by name (averages over the examples)."""
        raise NotImplementedError

    def optimizer(self, network: Module, lr: float) -> Any:
        return optim.AdamW(network.parameters(), lr=lr)

    def scheduler(self, optimizer: Any, steps: int) -> Any:
        """A schedule over all `steps`, or None; it is advanced after every step."""
        return optim.lr_scheduler.OneCycleLR(optimizer, max_lr=self.lr, total_steps=steps)

    def sample(self, network: Module) -> str | None:
        """Something to read after each epoch, such as text that the network wrote."""
        return None

    def summary(self) -> str:
        """The first line of the recipe's documentation."""
        return (type(self).__doc__ or "").strip().split("\n")[0]
