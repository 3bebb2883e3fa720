"""A training step of a 784-512-512-10 relu network, batch 128, Adam."""

from __future__ import annotations

from typing import Any

from localgrad.bench.training import Training, contenders, images
from localgrad.bench.workload import Workload

BATCH = 128


def network(nn: Any) -> Any:
    """784-512-512-10 with relu between."""
    return nn.Sequential(
        nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10)
    )


def logits(weights: dict[str, Any], x: Any) -> Any:
    """The same for JAX."""
    import jax

    for layer in ("0", "2"):
        x = jax.nn.relu(x @ weights[f"{layer}.weight"].T + weights[f"{layer}.bias"])
    return x @ weights["4.weight"].T + weights["4.bias"]


TRAINING = Training(
    network,
    {
        "0.weight": (512, 784),
        "0.bias": (512,),
        "2.weight": (512, 512),
        "2.bias": (512,),
        "4.weight": (10, 512),
        "4.bias": (10,),
    },
    ("Adam", {"lr": 1e-3}),
    lambda: images((BATCH, 784), 10),
)

WORKLOAD = Workload(
    "mlp_mid",
    "784-512-512-10, relu, batch 128, Adam",
    contenders(TRAINING, logits),
    targets={"localgrad": 0.6},
    flops=2 * BATCH * (2 * 784 * 512 + 3 * 512 * 512 + 3 * 512 * 10),
)
