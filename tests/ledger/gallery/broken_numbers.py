"""Broken: NaN and infinity, and the line where each is born."""

from __future__ import annotations

from typing import Any

import numpy as np

import localgrad as lg
from tests.ledger.gallery import broken, draw, weight

functional = lg.nn.functional


@broken("nonfinite", "the untaken branch of where gives NaN although its value is never used")
def untaken_where() -> Any:
    w = weight(8, 4)

    def step() -> None:
        h = lg.relu(draw(16, 8) @ w)
        root = lg.sqrt(h)  # <- here
        loss = lg.where(h > 0, root, 0.0).mean()
        loss.backward()

    return None, step


@broken("nonfinite", "log of a clipped-out value: 0 times infinity under a mask")
def untaken_log() -> Any:
    w = weight(8, 4)

    def step() -> None:
        p = lg.relu(draw(16, 8) @ w)
        entropy = p * lg.where(p > 0, lg.log(p), 0.0)  # <- here
        entropy.mean().backward()

    return None, step


@broken("nonfinite", "the norm of a zero vector has no gradient")
def norm_at_zero() -> Any:
    w = weight(8, 4)
    x = draw(16, 8)
    x[3] = 0.0

    def step() -> None:
        h = x @ w
        length = lg.sqrt((h * h).sum(axis=-1))  # <- here
        length.mean().backward()

    return None, step


@broken("nonfinite", "standard deviation of a constant feature")
def std_of_a_constant() -> Any:
    w = weight(8, 4)

    def step() -> None:
        h = lg.zeros((16, 8)) @ w
        spread = lg.sqrt(lg.var(h, axis=0))  # <- here
        spread.mean().backward()

    return None, step


@broken("nonfinite", "log(softmax(x)) underflows for sure predictions")
def log_of_softmax() -> Any:
    w = weight(8, 5, scale=200.0)

    def step() -> None:
        p = lg.softmax(draw(16, 8) @ w, axis=-1)
        loss = -lg.log(p).mean()  # <- here
        loss.backward()

    return None, step


@broken("nonfinite", "an attention row in which every key is masked")
def fully_masked_row() -> Any:
    w = weight(8, 8)
    mask = np.tril(np.ones((6, 6), bool))
    mask[2] = False

    def step() -> None:
        x = draw(6, 8)
        scores = lg.where(mask, (x @ w) @ x.T, -np.inf)
        attention = lg.softmax(scores, axis=-1)  # <- here
        (attention @ x).sum().backward()

    return None, step


@broken("nonfinite", "softmax written by hand overflows in exp")
def exp_overflows() -> Any:
    w = weight(8, 5, scale=60.0)

    def step() -> None:
        logits = draw(16, 8) @ w
        e = lg.exp(logits)  # <- here
        p = e / e.sum(axis=-1, keepdims=True)
        (p * p).mean().backward()

    return None, step


@broken("nonfinite", "an average over an empty selection divides by zero")
def division_by_an_empty_count() -> Any:
    w = weight(8, 4)
    chosen = lg.zeros((16, 1))

    def step() -> None:
        h = (draw(16, 8) @ w) * chosen
        average = h.sum() / chosen.sum()  # <- here
        average.backward()

    return None, step


@broken("nonfinite", "normalising a zero vector: 0/0")
def unit_vector_of_zero() -> Any:
    w = weight(8, 4)
    x = draw(16, 8)
    x[5] = 0.0

    def step() -> None:
        h = x @ w
        length = lg.sqrt((h * h).sum(axis=-1, keepdims=True) + 0.0)
        unit = h / length  # <- here
        unit.sum().backward()

    return None, step


@broken("nonfinite", "the data set contains a NaN")
def nan_in_the_data() -> Any:
    w = weight(8, 4)
    x = draw(16, 8)
    x[2, 3] = np.nan

    def step() -> None:
        h = x @ w  # <- here
        lg.tanh(h).mean().backward()

    return None, step


@broken("nonfinite", "cross entropy from probabilities: log(1 - p) at p = 1")
def log_of_one_minus_p() -> Any:
    w = weight(8, 1, scale=40.0)
    y = lg.asarray(np.arange(16.0)[:, None] % 2, dtype=lg.float32)

    def step() -> None:
        p = lg.sigmoid(draw(16, 8) @ w)
        first = y * lg.log(p + 1e-12)
        second = (1 - y) * lg.log(1 - p)  # <- here
        loss = -(first + second).mean()
        loss.backward()

    return None, step


@broken("nonfinite", "the angle between equal directions: acos at 1")
def acos_at_one() -> Any:
    w = weight(4, 3)

    def step() -> None:
        a = w / lg.sqrt((w * w).sum(axis=-1, keepdims=True))
        cosine = lg.minimum((a * a.detach()).sum(axis=-1) + 1e-3, 1.0)
        angle = lg.acos(cosine)  # <- here
        (angle * angle).mean().backward()

    return None, step


@broken("nonfinite", "a power below one at zero")
def root_as_a_power() -> Any:
    w = weight(8, 4)

    def step() -> None:
        h = lg.relu(draw(16, 8) @ w)
        (h**0.5).mean().backward()  # <- here

    return None, step


@broken("nonfinite", "half precision: two finite gradients add up to infinity")
def sum_overflows_half() -> Any:
    w = lg.asarray(np.ones(4, "float16"), requires_grad=True)

    def step() -> None:
        h = lg.tanh(w)  # <- here
        scale = lg.asarray(np.full(4, 40000, "float16"))
        (h * scale - 0.5 * scale + h * scale - scale).sum().backward()

    return None, step


@broken("nonfinite", "the weights are NaN already: the last step destroyed them")
def nan_weights() -> Any:
    class Net(lg.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            start = draw(8, 4).numpy()
            start[1, 2] = np.nan
            self.weight = lg.nn.Parameter(lg.asarray(start))  # <- here

        def forward(self, x: Any) -> Any:
            return lg.tanh(x @ self.weight)

    model = Net()
    return model, lambda: model(draw(16, 8)).mean().backward()
