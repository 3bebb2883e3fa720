"""A training step of a 64-32-10 sigmoid network, batch 32, SGD 0.1: all overhead."""

from __future__ import annotations

from typing import Any

from localgrad.bench.training import Training, contenders, images
from localgrad.bench.workload import Workload

BATCH = 32


def network(nn: Any) -> Any:
    """64-32-10 with a sigmoid between."""
    return nn.Sequential(nn.Linear(64, 32), nn.Sigmoid(), nn.Linear(32, 10))


def logits(weights: dict[str, Any], x: Any) -> Any:
    """The same for JAX."""
    import jax

    hidden = jax.nn.sigmoid(x @ weights["0.weight"].T + weights["0.bias"])
    return hidden @ weights["2.weight"].T + weights["2.bias"]


TRAINING = Training(
    network,
    {"0.weight": (32, 64), "0.bias": (32,), "2.weight": (10, 32), "2.bias": (10,)},
    ("SGD", {"lr": 0.1}),
    lambda: images((BATCH, 64), 10),
)

WORKLOAD = Workload(
    "mlp_tiny",
    "64-32-10, sigmoid, batch 32, SGD 0.1",
    contenders(TRAINING, logits),
    targets={"localgrad": 0.6},
    flops=2 * BATCH * (2 * 64 * 32 + 3 * 32 * 10),
)
