"""What the recipes that classify images have in common: the data and the loss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from localgrad import data, nn
from localgrad import errors_of_runs as errors
from localgrad.nn import functional as F
from localgrad.train import Recipe, accuracy


class ImageClassifier(Recipe):
    """Digits by default; `--data` names a folder in MNIST's file format."""

    smallest = 8
    """The side, in pixels, below which the network would have nothing left to look at."""

    def data(self, source: Path | None) -> Any:
        train, held_out = data.digits() if source is None else data.mnist(source)
        height, width = train.tensors[0].shape[2:]
        if min(height, width) < self.smallest:
            raise errors.small_images((height, width), self.smallest)
        return train, held_out

    def loss(self, network: nn.Module, batch: Any) -> tuple[Any, dict[str, float]]:
        images, labels = batch
        logits = network(images)
        return F.cross_entropy(logits, labels), {"accuracy": accuracy(logits, labels)}
