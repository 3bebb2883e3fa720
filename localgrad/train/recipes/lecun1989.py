"""LeCun et al., "Backpropagation Applied to Handwritten Zip Code Recognition" (1989).

Images of 16×16 pixels between −1 and 1; two layers of shared 5×5 weights that move by two pixels,
each unit with a bias of its own; every map of the second layer sees eight of the twelve maps of
the first; tanh scaled to pass through ±1 at ±1; squared errors to targets of ±1.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy

import localgrad as lg
from localgrad import data, nn
from localgrad.nn import functional as F
from localgrad.train import accuracy
from localgrad.train.recipes._images import ImageClassifier

SEEN = [range(8), range(4, 12), [*range(4), *range(8, 12)]]
"""The maps of the first layer that each third of the second layer's maps sees. The paper says
that eight of twelve were chosen "according to a scheme that will not be described here"."""


def squash(x: Any) -> Any:
    return 1.7159 * F.tanh(x * (2 / 3))


class Network(nn.Module):
    """1256 units and 9760 weights, as in the paper."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 12, 5, stride=2, bias=False)
        self.bias1 = nn.Parameter(lg.zeros((12, 8, 8), dtype=lg.float32))
        self.conv2 = nn.ModuleList([nn.Conv2d(8, 4, 5, stride=2, bias=False) for _ in SEEN])
        self.bias2 = nn.Parameter(lg.zeros((12, 4, 4), dtype=lg.float32))
        self.hidden = nn.Linear(12 * 4 * 4, 30)
        self.output = nn.Linear(30, 10)

    def forward(self, images: Any) -> Any:
        first = squash(self.conv1(bordered(images)) + self.bias1)
        seen = [
            convolve(bordered(first[:, list(maps)])) for convolve, maps in zip(self.conv2, SEEN)
        ]
        second = squash(lg.concat(seen, axis=1) + self.bias2)
        hidden = squash(self.hidden(second.reshape(len(second), -1)))
        return squash(self.output(hidden))


def bordered(maps: Any) -> Any:
    """Two pixels of background on every side: −1, as in the paper."""
    return F.pad(maps, (2, 2, 2, 2), value=-1.0)


class Lecun1989(ImageClassifier):
    """The zip code network of 1989, with its sparse connections, reads digits of 16×16 pixels."""

    epochs = 30
    batch_size = 16
    lr = 4e-3
    expected = "97.2 %"
    minutes = 0.13
    reference = "logistic regression 95.8 %"

    def data(self, source: Path | None) -> Any:
        return tuple(sixteen(part) for part in super().data(source))

    def network(self, train: Any) -> nn.Module:
        return Network()

    def loss(self, network: nn.Module, batch: Any) -> tuple[Any, dict[str, float]]:
        images, labels = batch
        outputs = network(images)
        targets = 2.0 * numpy.eye(10, dtype=numpy.float32)[labels.numpy()] - 1.0
        error = ((outputs - targets) ** 2).sum(axis=1).mean() / 2
        return error, {"accuracy": accuracy(outputs, labels)}


def sixteen(part: data.TensorDataset) -> data.TensorDataset:
    """The images as 16×16 pixels between −1 and 1."""
    images, labels = part.tensors
    return data.TensorDataset(data.scaled(images.numpy(), 16) * 2 - 1, labels)
