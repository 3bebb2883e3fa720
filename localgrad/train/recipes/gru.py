"""A gated recurrent unit: Cho et al., "Learning Phrase Representations" (2014).

The new state is a mixture of the old one and a candidate, so that the old state has several
consumers: the mixture, the reset gate and the update gate.
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
        self.recurrent = nn.GRU(48, 192, batch_first=True)
        self.classifier = nn.Linear(192, characters)

    def forward(self, numbers: Any) -> Any:
        states, _ = self.recurrent(self.embedding(numbers))
        return self.classifier(states)


class Gru(CharacterModel):
    """A gated recurrent unit learns to write Python, character by character."""

    epochs = 5
    batch_size = 32
    lr = 5e-3
    clip = 1.0
    inside = ("gru",)
    record_every = 100  # step by step costs ten times a fused step
    expected = "2.21"
    minutes = 0.28
    reference = "5-gram model 2.46"

    def network(self, train: Any) -> nn.Module:
        return Network(len(self.text.vocabulary))
