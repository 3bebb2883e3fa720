"""Networks for images."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.torch.networks import Forward, classified, draw, network


class Block(nn.Module):
    """A residual block as torchvision writes it: in-place relu and ``+=``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        y += x
        return self.relu(y)


@network
def residual_in_place() -> Any:
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    return classified(nn.Sequential(nn.Conv2d(2, 4, 3), Block(4), Block(4), *head), 2, 6, 6)


@network
def u_net() -> Any:
    def forward(self: Any, x: Tensor) -> Tensor:
        one = torch.relu(self.down1(x))
        two = torch.relu(self.down2(functional.max_pool2d(one, 2)))
        up = torch.relu(self.up(two))
        return self.out(torch.cat([one, up], 1))

    model = Forward(
        forward,
        down1=nn.Conv2d(1, 3, 3, padding=1),
        down2=nn.Conv2d(3, 6, 3, padding=1),
        up=nn.ConvTranspose2d(6, 3, 2, stride=2),
        out=nn.Conv2d(6, 1, 1),
    )
    x = draw(2, 1, 6, 6)
    return model, lambda: functional.binary_cross_entropy_with_logits(model(x), (x > 0).double())


@network
def inception() -> Any:
    def forward(self: Any, x: Tensor) -> Tensor:
        pooled = functional.avg_pool2d(x, 3, 1, 1)
        parts = [self.one(x), self.three(self.reduce(x)), self.five(x), self.pool(pooled)]
        return self.head(torch.relu(torch.cat(parts, 1)).mean((2, 3)))

    return classified(
        Forward(
            forward,
            one=nn.Conv2d(2, 2, 1),
            reduce=nn.Conv2d(2, 2, 1),
            three=nn.Conv2d(2, 3, 3, padding=1),
            five=nn.Conv2d(2, 1, 5, padding=2),
            pool=nn.Conv2d(2, 2, 1),
            head=nn.Linear(8, 3),
        ),
        2,
        6,
        6,
    )


@network
def dense_net() -> Any:
    def forward(self: Any, x: Tensor) -> Tensor:
        features = [x]
        for layer in self.layers:
            features.append(torch.relu(layer(torch.cat(features, 1))))
        return self.head(torch.cat(features, 1).flatten(2).mean(2))

    layers = nn.ModuleList(nn.Conv2d(2 + 2 * i, 2, 3, padding=1) for i in range(3))
    return classified(Forward(forward, layers=layers, head=nn.Linear(8, 3)), 2, 5, 5)


@network
def squeeze_and_excite() -> Any:
    def forward(self: Any, x: Tensor) -> Tensor:
        y = functional.silu(self.norm(self.depthwise(self.expand(x))))
        y = y * torch.sigmoid(self.excite(torch.relu(self.squeeze(y.mean((2, 3), keepdim=True)))))
        return self.head((x + self.project(y)).amax((2, 3)))

    return classified(
        Forward(
            forward,
            expand=nn.Conv2d(2, 4, 1),
            depthwise=nn.Conv2d(4, 4, 3, padding=1, groups=4),
            norm=nn.GroupNorm(2, 4),
            squeeze=nn.Conv2d(4, 2, 1),
            excite=nn.Conv2d(2, 4, 1),
            project=nn.Conv2d(4, 2, 1),
            head=nn.Linear(2, 3),
        ),
        2,
        5,
        5,
    )


@network
def transposed_autoencoder() -> Any:
    model = nn.Sequential(
        nn.Conv2d(1, 3, 3, stride=2),
        nn.ELU(),
        nn.ConvTranspose2d(3, 2, 3, stride=2),
        nn.Tanh(),
        nn.ConvTranspose2d(2, 1, 1),
    )
    x = draw(2, 1, 7, 7)
    return model, lambda: ((model(x) - x) ** 2).mean() + 0.1 * model(x).abs().mean()


@network
def multi_scale() -> Any:
    def forward(self: Any, x: Tensor) -> Tensor:
        large, small = self.large(x), self.small(functional.avg_pool2d(x, 2))
        up = functional.interpolate(small, scale_factor=2, mode="bilinear", align_corners=False)
        return self.head(functional.pad(large * up + large, (1, 0)).flatten(1))

    parts = {"large": nn.Conv2d(1, 2, 3, padding=1), "small": nn.Conv2d(1, 2, 1)}
    return classified(Forward(forward, head=nn.Linear(40, 3), **parts), 1, 4, 4)
