"""A densely connected network: Huang et al., "Densely Connected Convolutional Networks" (2017).

Every layer of a block sees the outputs of all layers before it: the first one has as many
consumers as layers follow, and the sum of its gradients grows with the block's depth.
"""

from __future__ import annotations

from typing import Any

import localgrad as lg
from localgrad import nn
from localgrad.nn import functional as F
from localgrad.train.recipes._images import ImageClassifier

GROWTH = 12


class Layer(nn.Module):
    """Normalise, ReLU, and a convolution that adds `GROWTH` channels."""

    def __init__(self, channels_in: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels_in)
        self.conv = nn.Conv2d(channels_in, GROWTH, 3, padding=1, bias=False)

    def forward(self, x: Any) -> Any:
        return self.conv(F.relu(self.norm(x)))


class DenseBlock(nn.Module):
    """Layers that each see everything before them."""

    def __init__(self, channels_in: int, depth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([Layer(channels_in + i * GROWTH) for i in range(depth)])

    def forward(self, x: Any) -> Any:
        outputs = [x]
        for layer in self.layers:
            outputs.append(layer(lg.concat(outputs, axis=1)))
        return lg.concat(outputs, axis=1)


class Network(nn.Module):
    """Two dense blocks, a transition that halves channels and image, and a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 16, 3, padding=1, bias=False)
        self.block1 = DenseBlock(16, 4)
        self.transition = nn.Conv2d(64, 32, 1, bias=False)
        self.block2 = DenseBlock(32, 4)
        self.norm = nn.BatchNorm2d(80)
        self.classifier = nn.Linear(80, 10)

    def forward(self, images: Any) -> Any:
        x = F.avg_pool2d(self.transition(self.block1(self.stem(images))), 2)
        x = F.relu(self.norm(self.block2(x)))
        return self.classifier(x.mean(axis=(2, 3)))


class Densenet(ImageClassifier):
    """A densely connected network (2016) reads handwritten digits."""

    epochs = 15
    batch_size = 32
    lr = 4e-3
    expected = "98.9 %"
    minutes = 0.09
    reference = "logistic regression 95.3 %"

    def network(self, train: Any) -> nn.Module:
        return Network()
