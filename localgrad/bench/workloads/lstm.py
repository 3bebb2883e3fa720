"""A training step of a character model: embedding 65→128, LSTM of 128, linear to 65, Adam."""

from __future__ import annotations

from typing import Any

from localgrad.bench.training import Training, contenders, texts
from localgrad.bench.workload import Workload

BATCH, LENGTH, VOCABULARY, WIDTH = 32, 64, 65, 128


def network(nn: Any) -> Any:
    """Embedding, one LSTM layer, linear."""

    class Characters(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(VOCABULARY, WIDTH)
            self.lstm = nn.LSTM(WIDTH, WIDTH, batch_first=True)
            self.head = nn.Linear(WIDTH, VOCABULARY)

        def forward(self, tokens: Any) -> Any:
            states, _ = self.lstm(self.embedding(tokens))
            return self.head(states)

    return Characters()


def logits(weights: dict[str, Any], tokens: Any) -> Any:
    """The same for JAX: a scan over the steps, the products with the inputs beforehand."""
    import jax
    import jax.numpy as jnp

    x = weights["embedding.weight"][tokens].swapaxes(0, 1)
    bias = weights["lstm.bias_ih_l0"] + weights["lstm.bias_hh_l0"]
    inputs = x @ weights["lstm.weight_ih_l0"].T + bias

    def cell(state: Any, gates: Any) -> Any:
        h, c = state
        i, f, g, o = jnp.split(gates + h @ weights["lstm.weight_hh_l0"].T, 4, axis=1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    zero = jnp.zeros((BATCH, WIDTH))
    _, states = jax.lax.scan(cell, (zero, zero), inputs)
    return states.swapaxes(0, 1) @ weights["head.weight"].T + weights["head.bias"]


TRAINING = Training(
    network,
    {
        "embedding.weight": (VOCABULARY, WIDTH),
        "lstm.weight_ih_l0": (4 * WIDTH, WIDTH),
        "lstm.weight_hh_l0": (4 * WIDTH, WIDTH),
        "lstm.bias_ih_l0": (4 * WIDTH,),
        "lstm.bias_hh_l0": (4 * WIDTH,),
        "head.weight": (VOCABULARY, WIDTH),
        "head.bias": (VOCABULARY,),
    },
    ("Adam", {"lr": 1e-3}),
    lambda: texts(BATCH, LENGTH, VOCABULARY),
)

WORKLOAD = Workload(
    "lstm",
    "embedding 65→128, LSTM 128, linear 128→65, batch 32, 64 steps, Adam",
    contenders(TRAINING, logits),
    targets={"localgrad": 0.6},
    flops=3 * 2 * BATCH * LENGTH * (8 * WIDTH * WIDTH + WIDTH * VOCABULARY),
)
