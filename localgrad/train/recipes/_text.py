"""What the character models have in common: the text, the loss, and the text they write."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy

from localgrad import data, nn
from localgrad.graph.record import no_grad
from localgrad.nn import functional as F
from localgrad.tensor import Tensor
from localgrad.train import Recipe, accuracy

BITS = 1 / math.log(2)


class CharacterModel(Recipe):
    """Python's standard library by default; `--data` names another text file."""

    score = "bits per character"
    higher_is_better = False
    length = 64
    """Characters in a window: how far back a gradient can reach."""

    text: data.Text

    def data(self, source: Path | None) -> Any:
        self.text = data.characters(source or data.standard_library(), self.length)
        return self.text.train, self.text.held_out

    def loss(self, network: nn.Module, batch: Any) -> tuple[Any, dict[str, float]]:
        inputs, targets = batch
        logits = network(inputs)
        logits, targets = logits.reshape(-1, logits.shape[-1]), targets.reshape(-1)
        loss = F.cross_entropy(logits, targets)
        bits = loss.item() * BITS
        return loss, {"bits per character": bits, "accuracy": accuracy(logits, targets)}

    def sample(self, network: nn.Module) -> str:
        """What the network writes after the beginning of the held-out text."""
        random = numpy.random.default_rng(0)
        numbers = self.text.held_out[0][0].numpy().tolist()
        begun = len(numbers)
        network.eval()
        with no_grad():
            for _ in range(160):
                window = numpy.array([numbers[-self.length :]], numpy.int64)
                scores = network(Tensor(window)).numpy()[0, -1].astype(numpy.float64) / 0.7
                chances = numpy.exp(scores - scores.max())
                chances[0] = 0.0  # the unknown character cannot be written
                numbers.append(int(random.choice(len(chances), p=chances / chances.sum())))
        return self.text.decode(numpy.array(numbers[begun:]))
