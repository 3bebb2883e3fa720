"""A training step of a small GPT: 4 layers, 4 heads, width 128, context 64, AdamW."""

from __future__ import annotations

import importlib
from typing import Any

from localgrad.bench.training import Training, contenders, texts
from localgrad.bench.workload import Workload

BATCH, LENGTH, VOCABULARY, WIDTH, LAYERS, HEADS = 12, 64, 65, 128, 4, 4


def network(nn: Any, layers: int = LAYERS) -> Any:
    """Pre-layer-norm blocks of causal attention and a gelu network four times as wide."""
    functional = importlib.import_module(nn.__name__ + ".functional")

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm1 = nn.LayerNorm(WIDTH)
            self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
            self.out = nn.Linear(WIDTH, WIDTH)
            self.norm2 = nn.LayerNorm(WIDTH)
            self.fc1 = nn.Linear(WIDTH, 4 * WIDTH)
            self.gelu = nn.GELU()
            self.fc2 = nn.Linear(4 * WIDTH, WIDTH)

        def attention(self, x: Any) -> Any:
            batch, length, width = x.shape
            qkv = self.qkv(x).reshape((batch, length, 3, HEADS, width // HEADS))
            q, k, v = (qkv[:, :, i].swapaxes(1, 2) for i in range(3))
            y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            return self.out(y.swapaxes(1, 2).reshape((batch, length, width)))

        def forward(self, x: Any) -> Any:
            x = x + self.attention(self.norm1(x))
            return x + self.fc2(self.gelu(self.fc1(self.norm2(x))))

    class GPT(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.token = nn.Embedding(VOCABULARY, WIDTH)
            self.position = nn.Embedding(LENGTH, WIDTH)
            self.blocks = nn.Sequential(*(Block() for _ in range(layers)))
            self.norm = nn.LayerNorm(WIDTH)
            self.head = nn.Linear(WIDTH, VOCABULARY, bias=False)

        def forward(self, tokens: Any) -> Any:
            return self.head(self.norm(self.blocks(self.token(tokens) + self.position.weight)))

    return GPT()


def logits(weights: dict[str, Any], tokens: Any) -> Any:
    """The same for JAX."""
    import jax

    def linear(name: str, x: Any) -> Any:
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def norm(name: str, x: Any) -> Any:
        x = x - x.mean(-1, keepdims=True)
        x = x * jax.lax.rsqrt((x * x).mean(-1, keepdims=True) + 1e-5)
        return x * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    x = weights["token.weight"][tokens] + weights["position.weight"]
    for i in range(LAYERS):
        at = f"blocks.{i}"
        qkv = linear(f"{at}.qkv", norm(f"{at}.norm1", x))
        qkv = qkv.reshape(BATCH, LENGTH, 3, HEADS, WIDTH // HEADS)
        y = jax.nn.dot_product_attention(*(qkv[:, :, j] for j in range(3)), is_causal=True)
        x = x + linear(f"{at}.out", y.reshape(BATCH, LENGTH, WIDTH))
        hidden = jax.nn.gelu(linear(f"{at}.fc1", norm(f"{at}.norm2", x)), approximate=False)
        x = x + linear(f"{at}.fc2", hidden)
    return norm("norm", x) @ weights["head.weight"].T


def shapes(layers: int = LAYERS) -> dict[str, tuple[int, ...]]:
    """Of all parameters, by name."""
    found: dict[str, tuple[int, ...]] = {
        "token.weight": (VOCABULARY, WIDTH),
        "position.weight": (LENGTH, WIDTH),
        "norm.weight": (WIDTH,),
        "norm.bias": (WIDTH,),
        "head.weight": (VOCABULARY, WIDTH),
    }
    for i in range(layers):
        for name, out, width in (("qkv", 3, 1), ("out", 1, 1), ("fc1", 4, 1), ("fc2", 1, 4)):
            found[f"blocks.{i}.{name}.weight"] = (out * WIDTH, width * WIDTH)
            found[f"blocks.{i}.{name}.bias"] = (out * WIDTH,)
        for name in ("norm1", "norm2"):
            found[f"blocks.{i}.{name}.weight"] = found[f"blocks.{i}.{name}.bias"] = (WIDTH,)
    return found


TRAINING = Training(
    network,
    shapes(),
    ("AdamW", {"lr": 1e-3}),
    lambda: texts(BATCH, LENGTH, VOCABULARY),
)

WORKLOAD = Workload(
    "gpt",
    "4 layers, 4 heads, width 128, context 64, vocabulary 65, batch 12, AdamW",
    contenders(TRAINING, logits),
    targets={"localgrad": 0.6},
    flops=3
    * 2
    * BATCH
    * LENGTH
    * (LAYERS * (12 * WIDTH * WIDTH + 2 * LENGTH * WIDTH) + WIDTH * VOCABULARY),
)
