"""A U-Net: Ronneberger et al., "U-Net: Convolutional Networks for Biomedical Image Segmentation".

The way down looks ever wider, the way up draws ever finer, and at every size the way up also sees
what the way down saw there: each of those values has two consumers.

Three kinds of pictures: digits among clutter, a gland's tissue under the microscope
(`--data tissue`), and ground seen from above (`--data land`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy

import localgrad as lg
from localgrad import data, nn
from localgrad import errors_of_runs as errors
from localgrad.nn import functional as F
from localgrad.train import Recipe, overlap

PHOTOGRAPHS = {"tissue": data.tissue, "land": data.land}


def twice(channels_in: int, channels: int) -> nn.Module:
    """Two normalised 3×3 convolutions with ReLU."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        nn.Conv2d(channels, channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
    )


class Network(nn.Module):
    """Three sizes; 16, 32 and 64 channels."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.down1 = twice(1, 16)
        self.down2 = twice(16, 32)
        self.bottom = twice(32, 64)
        self.rise2 = nn.ConvTranspose2d(64, 32, 2, stride=2)
        self.up2 = twice(64, 32)
        self.rise1 = nn.ConvTranspose2d(32, 16, 2, stride=2)
        self.up1 = twice(32, 16)
        self.classifier = nn.Conv2d(16, classes, 1)

    def forward(self, images: Any) -> Any:
        fine = self.down1(images)
        middle = self.down2(F.max_pool2d(fine, 2))
        bottom = self.bottom(F.max_pool2d(middle, 2))
        x = self.up2(lg.concat((middle, self.rise2(bottom)), axis=1))
        x = self.up1(lg.concat((fine, self.rise1(x)), axis=1))
        return self.classifier(x)


class Unet(Recipe):
    """A U-Net finds digits among clutter, pixel by pixel; --data tissue or land for others."""

    epochs = 12
    batch_size = 16
    lr = 5e-3
    score = "IoU"
    expected = "85.6 %"
    minutes = 0.89
    reference = "random forest on 9×9 patches 13.9 %"

    def data(self, source: Path | None) -> Any:
        if source is not None and not source.is_dir():
            if source.name not in PHOTOGRAPHS:
                raise errors.unknown_pictures(source, list(PHOTOGRAPHS))
            return PHOTOGRAPHS[source.name]()
        train, held_out = data.digits() if source is None else data.mnist(source)
        return segmented(train, 3600, seed=1), segmented(held_out, 300, seed=2)

    def network(self, train: Any) -> nn.Module:
        return Network(int(train.tensors[1].numpy().max()) + 1)

    def loss(self, network: nn.Module, batch: Any) -> tuple[Any, dict[str, float]]:
        images, masks = batch
        logits = network(images)
        score = overlap(logits.numpy().argmax(axis=1), masks.numpy())
        return F.cross_entropy(logits, masks), {"IoU": score}


def segmented(source: data.TensorDataset, count: int, seed: int) -> data.TensorDataset:
    """Scenes with up to three digits, and the class of every pixel."""
    found = data.scenes(source, count, digits=3, seed=seed)
    images = numpy.stack([scene.image[None] for scene in found])
    return data.TensorDataset(images, numpy.stack([scene.mask for scene in found]))
