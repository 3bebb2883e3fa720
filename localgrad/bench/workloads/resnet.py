"""A training step of a small residual network with batch norm, batch 32, SGD with momentum."""

from __future__ import annotations

from typing import Any

from localgrad.bench.training import Training, contenders, images
from localgrad.bench.workload import Workload

BATCH = 32


def network(nn: Any) -> Any:
    """Convolution 3→16, two blocks of 16, convolution of stride 2 to 32, two blocks of 32."""

    class Block(nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.conv1, self.norm1 = _conv(nn, width, width)
            self.conv2, self.norm2 = _conv(nn, width, width)
            self.relu = nn.ReLU()

        def forward(self, x: Any) -> Any:
            y = self.relu(self.norm1(self.conv1(x)))
            return self.relu(self.norm2(self.conv2(y)) + x)

    return nn.Sequential(
        *_conv(nn, 3, 16),
        nn.ReLU(),
        Block(16),
        Block(16),
        *_conv(nn, 16, 32, stride=2),
        nn.ReLU(),
        Block(32),
        Block(32),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 10),
    )


def _conv(nn: Any, width: int, out: int, stride: int = 1) -> tuple[Any, Any]:
    return (
        nn.Conv2d(width, out, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(out),
    )


def logits(weights: dict[str, Any], x: Any) -> Any:
    """The same for JAX."""
    import jax

    def conv(x: Any, name: str, norm: str, stride: int = 1) -> Any:
        padding = ((1, 1), (1, 1))
        x = jax.lax.conv_general_dilated(x, weights[f"{name}.weight"], (stride, stride), padding)
        mean, var = x.mean((0, 2, 3), keepdims=True), x.var((0, 2, 3), keepdims=True)
        scale, shift = (weights[f"{norm}.{w}"][:, None, None] for w in ("weight", "bias"))
        return (x - mean) * jax.lax.rsqrt(var + 1e-5) * scale + shift

    def block(x: Any, at: str) -> Any:
        y = jax.nn.relu(conv(x, f"{at}.conv1", f"{at}.norm1"))
        return jax.nn.relu(conv(y, f"{at}.conv2", f"{at}.norm2") + x)

    x = block(block(jax.nn.relu(conv(x, "0", "1")), "3"), "4")
    x = block(block(jax.nn.relu(conv(x, "5", "6", 2)), "8"), "9")
    return x.mean((2, 3)) @ weights["12.weight"].T + weights["12.bias"]


def _shapes() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}

    def conv(name: str, norm: str, width: int, out: int) -> None:
        shapes[f"{name}.weight"] = (out, width, 3, 3)
        shapes[f"{norm}.weight"] = shapes[f"{norm}.bias"] = (out,)

    for stem, width, out, blocks in ((0, 3, 16, (3, 4)), (5, 16, 32, (8, 9))):
        conv(f"{stem}", f"{stem + 1}", width, out)
        for block in blocks:
            for half in (1, 2):
                conv(f"{block}.conv{half}", f"{block}.norm{half}", out, out)
    return {**shapes, "12.weight": (10, 32), "12.bias": (10,)}


TRAINING = Training(
    network,
    _shapes(),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    lambda: images((BATCH, 3, 32, 32), 10),
)

WORKLOAD = Workload(
    "resnet",
    "convolutions 3→16→32 with four basic blocks, batch norm, 3×32×32, batch 32, SGD momentum",
    contenders(TRAINING, logits),
    targets={"localgrad": 0.6},
    flops=2
    * BATCH
    * 9
    * (2 * 1024 * 3 * 16 + 3 * (4 * 1024 * 16 * 16 + 256 * 16 * 32 + 4 * 256 * 32 * 32)),
)
