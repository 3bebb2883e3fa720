"""Two hidden layers on handwritten digits: the network of every first chapter."""

from __future__ import annotations

from typing import Any

from localgrad import nn
from localgrad.train.recipes._images import ImageClassifier


class Mlp(ImageClassifier):
    """A multi-layer perceptron reads handwritten digits, pixel by pixel."""

    epochs = 30
    batch_size = 32
    lr = 3e-3
    expected = "96.7 %"
    minutes = 0.02
    reference = "logistic regression 95.3 %"
    smallest = 1

    def network(self, train: Any) -> nn.Module:
        return nn.Sequential(
            nn.Flatten(),
            nn.Linear(train[0][0].size, 256),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Linear(256, 64),
            nn.ReLU(),
            nn.Linear(64, 10),
        )
