"""A residual network: He et al., "Deep Residual Learning for Image Recognition" (2016).

Every block is `y = relu(x + branch(x))`: x has two consumers, the branch and the addition, and its
gradient is the sum of what comes back through both. Through the addition it comes back unchanged.
"""

from __future__ import annotations

from typing import Any

from localgrad import nn
from localgrad.nn import functional as F
from localgrad.train.recipes._images import ImageClassifier


class Block(nn.Module):
    """Two convolutions and the way around them; a 1×1 convolution where the shape changes."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        self.shortcut = None
        if stride != 1 or channels_in != channels:
            self.shortcut = nn.Conv2d(channels_in, channels, 1, stride, bias=False)

    def forward(self, x: Any) -> Any:
        branch = F.relu(self.norm1(self.conv1(x)))
        branch = self.norm2(self.conv2(branch))
        skip = x if self.shortcut is None else self.shortcut(x)
        return F.relu(skip + branch)


class Network(nn.Module):
    """A stem, three stages of residual blocks, the mean over the image, and a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 16, 3, padding=1)
        self.blocks = nn.Sequential(
            Block(16, 16, 1),
            Block(16, 32, 2),
            Block(32, 32, 1),
            Block(32, 64, 2),
            Block(64, 64, 1),
        )
        self.classifier = nn.Linear(64, 10)

    def forward(self, images: Any) -> Any:
        x = self.blocks(F.relu(self.stem(images)))
        return self.classifier(x.mean(axis=(2, 3)))


class Resnet(ImageClassifier):
    """A residual network (2015) reads handwritten digits."""

    epochs = 20
    batch_size = 32
    lr = 4e-3
    expected = "98.1 %"
    minutes = 0.10
    reference = "logistic regression 95.3 %"

    def network(self, train: Any) -> nn.Module:
        return Network()
