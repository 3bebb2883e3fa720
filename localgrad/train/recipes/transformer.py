"""A transformer: Vaswani et al., "Attention Is All You Need" (2017), in its causal form.

Queries, keys and values come from one source: its gradient is the sum of what returns through all
three, and of what comes back around them through the residual connection.
"""

from __future__ import annotations

from typing import Any

import numpy

from localgrad import nn
from localgrad.nn import functional as F
from localgrad.train.recipes._text import CharacterModel


class Block(nn.Module):
    """Attention to what came before, then a layer for each place, each around a skip."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.wide = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.dropout = nn.Dropout(0.1)

    def forward(self, x: Any) -> Any:
        x = x + self.dropout(self.attention(self.norm1(x)))
        return x + self.dropout(self.wide(self.norm2(x)))

    def attention(self, x: Any) -> Any:
        batch, length, width = x.shape
        parts = self.queries_keys_values(x).reshape(batch, length, 3, self.heads, -1)
        queries, keys, values = (parts[:, :, i].permute(0, 2, 1, 3) for i in range(3))
        found = F.scaled_dot_product_attention(queries, keys, values, is_causal=True)
        return self.output(found.permute(0, 2, 1, 3).reshape(batch, length, width))


class Network(nn.Module):
    """Characters and their places as vectors, three blocks, and a score for every character."""

    def __init__(self, characters: int, length: int, width: int = 96) -> None:
        super().__init__()
        self.embedding = nn.Embedding(characters, width)
        self.place = nn.Embedding(length, width)
        self.blocks = nn.Sequential(*(Block(width, 4) for _ in range(3)))
        self.norm = nn.LayerNorm(width)
        self.classifier = nn.Linear(width, characters)

    def forward(self, numbers: Any) -> Any:
        x = self.embedding(numbers) + self.place(numpy.arange(numbers.shape[1]))
        return self.classifier(self.norm(self.blocks(x)))


class Transformer(CharacterModel):
    """A transformer learns to write Python, character by character."""

    epochs = 12
    batch_size = 32
    lr = 3e-3
    clip = 1.0
    expected = "2.23"
    minutes = 2.18
    reference = "5-gram model 2.46"

    def network(self, train: Any) -> nn.Module:
        return Network(len(self.text.vocabulary), self.length)
