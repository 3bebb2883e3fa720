"""An Inception network: Szegedy et al., "Going Deeper with Convolutions" (2015).

A module looks at its input in four ways at once and lays the results side by side. Its input has
four consumers, whose gradients add.
"""

from __future__ import annotations

from typing import Any

import localgrad as lg
from localgrad import nn
from localgrad.nn import functional as F
from localgrad.train.recipes._images import ImageClassifier


def convolution(channels_in: int, channels: int, size: int) -> nn.Module:
    """A convolution that keeps the image's size, normalised, with ReLU."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels, size, padding=size // 2, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
    )


class Inception(nn.Module):
    """Four branches over one input; the wide ones look at fewer channels first."""

    def __init__(self, channels_in: int, width: int) -> None:
        super().__init__()
        self.point = convolution(channels_in, width, 1)
        self.small = nn.Sequential(convolution(channels_in, width, 1), convolution(width, width, 3))
        self.large = nn.Sequential(
            convolution(channels_in, width // 2, 1), convolution(width // 2, width, 5)
        )
        self.pooled = convolution(channels_in, width, 1)

    def forward(self, x: Any) -> Any:
        branches = (
            self.point(x),
            self.small(x),
            self.large(x),
            self.pooled(F.max_pool2d(x, 3, stride=1, padding=1)),
        )
        return lg.concat(branches, axis=1)


class Network(nn.Module):
    """A stem, two Inception modules with a halving between, and a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = convolution(1, 16, 3)
        self.inception1 = Inception(16, 12)
        self.inception2 = Inception(48, 16)
        self.dropout = nn.Dropout(0.3)
        self.classifier = nn.Linear(64, 10)

    def forward(self, images: Any) -> Any:
        x = F.max_pool2d(self.inception1(self.stem(images)), 2)
        x = self.inception2(x).mean(axis=(2, 3))
        return self.classifier(self.dropout(x))


class InceptionDigits(ImageClassifier):
    """An Inception network (2014) reads handwritten digits."""

    epochs = 20
    batch_size = 32
    lr = 5e-3
    expected = "99.2 %"
    minutes = 0.11
    reference = "logistic regression 95.3 %"

    def network(self, train: Any) -> nn.Module:
        return Network()
