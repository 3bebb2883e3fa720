"""A convolutional network for MNIST and every data set in its file format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from localgrad import errors_of_runs as errors
from localgrad import nn
from localgrad.nn import functional as F
from localgrad.train.recipes._images import ImageClassifier


class Network(nn.Module):
    """Two convolutions of 5×5, each halved by max pooling, and two linear layers."""

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 5, padding=2)
        self.conv2 = nn.Conv2d(16, 32, 5, padding=2)
        self.hidden = nn.Linear(32 * (height // 4) * (width // 4), 128)
        self.dropout = nn.Dropout(0.25)
        self.classifier = nn.Linear(128, 10)

    def forward(self, images: Any) -> Any:
        x = F.max_pool2d(F.relu(self.conv1(images)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.hidden(x.reshape(len(x), -1)))
        return self.classifier(self.dropout(x))


class Mnist(ImageClassifier):
    """A convolutional network reads MNIST, from the folder that --data names."""

    epochs = 3
    batch_size = 64
    lr = 2e-3
    expected = "99.2 %"
    minutes = 0.33
    reference = "logistic regression 92.6 %"

    def data(self, source: Path | None) -> Any:
        if source is None:
            raise errors.needs_data("mnist", "the folder with MNIST's four IDX files")
        return super().data(source)

    def network(self, train: Any) -> nn.Module:
        return Network(*train[0][0].shape[1:])
