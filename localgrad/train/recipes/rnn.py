"""A plain recurrent network: Elman, "Finding Structure in Time" (1990).

The same weights act at every step: their gradient is a sum over all 64 steps, and what reaches the
first of them has passed through every tanh on the way.
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
        self.recurrent = nn.RNN(48, 192, batch_first=True)
        self.classifier = nn.Linear(192, characters)

    def forward(self, numbers: Any) -> Any:
        states, _ = self.recurrent(self.embedding(numbers))
        return self.classifier(states)


class Rnn(CharacterModel):
    """A plain recurrent network learns to write Python, character by character."""

    epochs = 5
    batch_size = 32
    lr = 5e-3
    clip = 1.0
    inside = ("rnn",)
    record_every = 100  # step by step costs ten times a fused step
    expected = "2.39"
    minutes = 0.34
    reference = "5-gram model 2.46"

    def network(self, train: Any) -> nn.Module:
        return Network(len(self.text.vocabulary))
