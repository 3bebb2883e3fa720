"""One backbone, three heads: which digit is in the scene, where, and which pixels are its ink.

The backbone's features have three consumers. Each head pulls on them with a gradient of its own,
and the backbone follows the sum.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy

from localgrad import data, nn
from localgrad.nn import functional as F
from localgrad.train import Recipe, accuracy, box_overlap, overlap

SIZE = 32  # of a scene; boxes are given as parts of it
BOX, MASK = 4.0, 2.0  # how much the losses of the heads count, beside the class's


def convolution(channels_in: int, channels: int, stride: int = 1) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
    )


class Network(nn.Module):
    """Features at an eighth of the scene's size for class and box, at a quarter for the mask."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(
            convolution(1, 16), convolution(16, 32, 2), convolution(32, 48, 2), convolution(48, 48)
        )
        self.deep = nn.Sequential(convolution(48, 64, 2), nn.Flatten(), nn.Dropout(0.3))
        self.digit = nn.Linear(64 * 4 * 4, 10)
        self.box = nn.Sequential(convolution(48, 32, 2), nn.Flatten(), nn.Linear(32 * 4 * 4, 4))
        self.mask = nn.Sequential(
            nn.ConvTranspose2d(48, 24, 2, stride=2),
            nn.ReLU(),
            nn.ConvTranspose2d(24, 1, 2, stride=2),
        )

    def forward(self, images: Any) -> Any:
        features = self.backbone(images)
        return self.digit(self.deep(features)), self.box(features), self.mask(features)[:, 0]


class Multitask(Recipe):
    """One backbone with three heads: a digit's class, its box, its mask."""

    epochs = 10
    batch_size = 32
    lr = 5e-3
    expected = "87.0 %"
    minutes = 0.24
    reference = "random forest 30.6 %"

    def data(self, source: Path | None) -> Any:
        train, held_out = data.digits() if source is None else data.mnist(source)
        return labelled(train, 4000, seed=1), labelled(held_out, 500, seed=2)

    def network(self, train: Any) -> nn.Module:
        return Network()

    def loss(self, network: nn.Module, batch: Any) -> tuple[Any, dict[str, float]]:
        images, digits, boxes, masks = batch
        digit, box, mask = network(images)
        total = (
            F.cross_entropy(digit, digits)
            + BOX * F.smooth_l1_loss(box, boxes, beta=0.1)
            + MASK * F.binary_cross_entropy_with_logits(mask, masks)
        )
        return total, {
            "accuracy": accuracy(digit, digits),
            "box IoU": box_overlap(box.numpy(), boxes.numpy()),
            "mask IoU": overlap(mask.numpy() > 0, masks.numpy() > 0),
        }


def labelled(source: data.TensorDataset, count: int, seed: int) -> data.TensorDataset:
    """Scenes with one digit: image, class, box, mask."""
    found = data.scenes(source, count, digits=1, seed=seed)
    return data.TensorDataset(
        numpy.stack([scene.image[None] for scene in found]),
        numpy.array([scene.digits[0] for scene in found]),
        numpy.array([scene.boxes[0] for scene in found], numpy.float32) / SIZE,
        numpy.stack([scene.mask > 0 for scene in found]).astype(numpy.float32),
    )
