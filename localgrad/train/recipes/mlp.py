"""Two hidden layers on handwritten digits: the network of every first chapter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from localgrad import data, nn, optim
from localgrad.nn import functional as F
from localgrad.train import Recipe, accuracy


class Mlp(Recipe):
    """A multi-layer perceptron reads handwritten digits, pixel by pixel."""

    epochs = 30
    batch_size = 32
    lr = 3e-3

    def data(self, source: Path | None) -> Any:
        return data.digits() if source is None else data.mnist(source)

    def network(self, train: Any) -> nn.Module:
        pixels = train[0][0].size
        return nn.Sequential(
            nn.Flatten(),
            nn.Linear(pixels, 128),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Linear(128, 64),
            nn.ReLU(),
            nn.Linear(64, 10),
        )

    def scheduler(self, optimizer: Any, steps: int) -> Any:
        return optim.lr_scheduler.OneCycleLR(optimizer, max_lr=self.lr, total_steps=steps)

    def loss(self, network: nn.Module, batch: Any) -> tuple[Any, dict[str, float]]:
        images, labels = batch
        logits = network(images)
        return F.cross_entropy(logits, labels), {"accuracy": accuracy(logits, labels)}
