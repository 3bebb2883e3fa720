"""LeNet-5, from "Gradient-Based Learning Applied to Document Recognition" (LeCun et al., 1998)."""

from __future__ import annotations

from typing import Any

from localgrad import nn
from localgrad.nn import functional as F
from localgrad.train.recipes._images import ImageClassifier


class Network(nn.Module):
    """Convolutions of 5×5 with average pooling, tanh throughout, and three linear layers."""

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5, padding=2)
        self.linear1 = nn.Linear(16 * (height // 4) * (width // 4), 120)
        self.linear2 = nn.Linear(120, 84)
        self.classifier = nn.Linear(84, 10)

    def forward(self, images: Any) -> Any:
        x = F.avg_pool2d(F.tanh(self.conv1(images)), 2)
        x = F.avg_pool2d(F.tanh(self.conv2(x)), 2)
        x = F.tanh(self.linear1(x.reshape(len(x), -1)))
        return self.classifier(F.tanh(self.linear2(x)))


class Lenet(ImageClassifier):
    """LeNet-5 (1998) reads handwritten digits."""

    epochs = 40
    batch_size = 16
    lr = 8e-3
    expected = "97.5 %"
    minutes = 0.07
    reference = "logistic regression 95.3 %"

    def network(self, train: Any) -> nn.Module:
        return Network(*train[0][0].shape[1:])
