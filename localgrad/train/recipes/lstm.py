"""A long short-term memory: Hochreiter and Schmidhuber, "Long Short-Term Memory" (1997).

The cell is carried from step to step by a product with the forget gate and a sum: a gradient can
travel along it for 64 steps without passing through a single weight matrix.
"""

from __future__ import annotations

from typing import Any

from localgrad import nn
from localgrad.train.recipes._text import CharacterModel


class Network(nn.Module):
    """Characters as vectors, one recurrent layer, and a score for every character."""

    def __init__(self, characters: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(characters, 48)
        self.recurrent = nn.LSTM(48, 192, batch_first=True)
        self.classifier = nn.Linear(192, characters)

    def forward(self, numbers: Any) -> Any:
        states, _ = self.recurrent(self.embedding(numbers))
        return self.classifier(states)


class Lstm(CharacterModel):
    """A long short-term memory learns to write Python, character by character."""

    epochs = 5
    batch_size = 32
    lr = 5e-3
    clip = 1.0
    inside = ("lstm",)
    record_every = 100  # step by step costs ten times a fused step
    expected = "2.27"
    minutes = 0.33
    reference = "5-gram model 2.46"

    def network(self, train: Any) -> nn.Module:
        return Network(len(self.text.vocabulary))
