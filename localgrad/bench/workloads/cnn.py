"""A training step of a two-convolution digit classifier, batch 64, Adam."""

from __future__ import annotations

from typing import Any

from localgrad.bench.training import Training, contenders, images
from localgrad.bench.workload import Workload

BATCH = 64


def network(nn: Any) -> Any:
    """Two 5×5 convolutions with relu and max pooling, then two linear layers."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(3136, 128),
        nn.ReLU(),
        nn.Linear(128, 10),
    )


def logits(weights: dict[str, Any], x: Any) -> Any:
    """The same for JAX."""
    import jax

    for layer in ("0", "3"):
        x = jax.lax.conv_general_dilated(x, weights[f"{layer}.weight"], (1, 1), "SAME")
        x = jax.nn.relu(x + weights[f"{layer}.bias"][:, None, None])
        window = (1, 1, 2, 2)
        x = jax.lax.reduce_window(x, -float("inf"), jax.lax.max, window, window, "VALID")
    x = x.reshape(x.shape[0], -1)
    x = jax.nn.relu(x @ weights["7.weight"].T + weights["7.bias"])
    return x @ weights["9.weight"].T + weights["9.bias"]


TRAINING = Training(
    network,
    {
        "0.weight": (32, 1, 5, 5),
        "0.bias": (32,),
        "3.weight": (64, 32, 5, 5),
        "3.bias": (64,),
        "7.weight": (128, 3136),
        "7.bias": (128,),
        "9.weight": (10, 128),
        "9.bias": (10,),
    },
    ("Adam", {"lr": 1e-3}),
    lambda: images((BATCH, 1, 28, 28), 10),
)

WORKLOAD = Workload(
    "cnn",
    "conv 1→32→64 of 5×5, linear 3136→128→10, batch 64, Adam",
    contenders(TRAINING, logits),
    targets={"localgrad": 0.6},
    flops=2
    * BATCH
    * (2 * 28 * 28 * 25 * 32 + 3 * 14 * 14 * 25 * 32 * 64 + 3 * 3136 * 128 + 3 * 128 * 10),
)
