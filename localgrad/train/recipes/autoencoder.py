"""An autoencoder: digits through a bottleneck of eight numbers, and back."""

from __future__ import annotations

from typing import Any

from localgrad import nn
from localgrad.nn import functional as F
from localgrad.train.recipes._images import ImageClassifier


class Network(nn.Module):
    """An encoder to eight numbers and a decoder, each with two hidden layers."""

    def __init__(self, pixels: int, code: int = 8) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Linear(pixels, 128), nn.GELU(), nn.Linear(128, 64), nn.GELU(), nn.Linear(64, code)
        )
        self.decoder = nn.Sequential(
            nn.Linear(code, 64), nn.GELU(), nn.Linear(64, 128), nn.GELU(), nn.Linear(128, pixels)
        )

    def forward(self, pixels: Any) -> Any:
        return self.decoder(self.encoder(pixels))


class Autoencoder(ImageClassifier):
    """An autoencoder writes digits as eight numbers and reads them back."""

    epochs = 60
    batch_size = 32
    lr = 3e-3
    score = "error"
    higher_is_better = False
    expected = "0.0105"
    minutes = 0.05
    reference = "8 principal components 0.0245"
    smallest = 1

    def network(self, train: Any) -> nn.Module:
        return Network(train[0][0].size)

    def loss(self, network: nn.Module, batch: Any) -> tuple[Any, dict[str, float]]:
        images, _ = batch
        pixels = images.reshape(len(images), -1)
        error = F.mse_loss(network(pixels), pixels)
        return error, {"error": error.item()}
