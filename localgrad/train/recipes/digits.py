"""A convolutional network that reads handwritten digits of 8×8 pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from localgrad import data, nn, optim
from localgrad.nn import functional as F
from localgrad.train import Recipe, accuracy


class Network(nn.Module):
    """Two convolutions, one halving, one more convolution, and a linear classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3, padding=1)
        self.conv2 = nn.Conv2d(32, 32, 3, padding=1)
        self.conv3 = nn.Conv2d(32, 64, 3, padding=1)
        self.dropout = nn.Dropout(0.25)
        self.classifier = nn.Linear(64 * 2 * 2, 10)

    def forward(self, images: Any) -> Any:
        x = F.relu(self.conv1(images))
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.max_pool2d(F.relu(self.conv3(x)), 2)
        return self.classifier(self.dropout(x.reshape(len(x), -1)))


class Digits(Recipe):
    """A convolutional network reads scikit-learn's 8×8 handwritten digits."""

    epochs = 20
    batch_size = 32
    lr = 3e-3
    expected = "98.9 %"
    minutes = 0.3
    reference = "logistic regression on the same split: 96.4 %"

    def data(self, source: Path | None) -> Any:
        return data.digits()

    def network(self, train: Any) -> nn.Module:
        return Network()

    def scheduler(self, optimizer: Any, steps: int) -> Any:
        return optim.lr_scheduler.OneCycleLR(optimizer, max_lr=self.lr, total_steps=steps)

    def loss(self, network: nn.Module, batch: Any) -> tuple[Any, dict[str, float]]:
        images, labels = batch
        logits = network(images)
        return F.cross_entropy(logits, labels), {"accuracy": accuracy(logits, labels)}
