"""Broken: NaN and infinity, and the line where each is born."""

from __future__ import annotations

from typing import Any

import torch

from tests.torch.gallery import broken, draw, weight

functional = torch.nn.functional


@broken("nonfinite", "the untaken branch of where gives NaN although its value is never used")
def untaken_where() -> Any:
    w = weight(8, 4)

    def step() -> None:
        h = torch.relu(draw(16, 8) @ w)
        root = torch.sqrt(h)  # <- here
        loss = torch.where(h > 0, root, 0.0).mean()
        loss.backward()

    return None, step


@broken("nonfinite", "log of a clipped-out value: 0 times infinity under a mask")
def untaken_log() -> Any:
    w = weight(8, 4)

    def step() -> None:
        p = torch.relu(draw(16, 8) @ w)
        entropy = p * torch.where(p > 0, torch.log(p), 0.0)  # <- here
        entropy.mean().backward()

    return None, step


@broken("nonfinite", "the norm of a zero vector has no gradient")
def norm_at_zero() -> Any:
    w = weight(8, 4)
    x = draw(16, 8)
    x[3] = 0.0

    def step() -> None:
        h = x @ w
        length = torch.sqrt((h * h).sum(dim=-1))  # <- here
        length.mean().backward()

    return None, step


@broken("nonfinite", "standard deviation of a constant feature")
def std_of_a_constant() -> Any:
    w = weight(8, 4)

    def step() -> None:
        h = torch.zeros((16, 8)) @ w
        spread = torch.sqrt(torch.var(h, dim=0))  # <- here
        spread.mean().backward()

    return None, step


@broken("nonfinite", "log(softmax(x)) underflows for sure predictions")
def log_of_softmax() -> Any:
    w = weight(8, 5, scale=200.0)

    def step() -> None:
        p = torch.softmax(draw(16, 8) @ w, dim=-1)
        loss = -torch.log(p).mean()  # <- here
        loss.backward()

    return None, step


@broken("nonfinite", "an attention row in which every key is masked")
def fully_masked_row() -> Any:
    w = weight(8, 8)
    mask = torch.ones(6, 6, dtype=torch.bool).tril()
    mask[2] = False

    def step() -> None:
        x = draw(6, 8)
        scores = ((x @ w) @ x.T).masked_fill(~mask, -torch.inf)
        attention = torch.softmax(scores, dim=-1)  # <- here
        (attention @ x).sum().backward()

    return None, step


@broken("nonfinite", "softmax written by hand overflows in exp")
def exp_overflows() -> Any:
    w = weight(8, 5, scale=60.0)

    def step() -> None:
        logits = draw(16, 8) @ w
        e = torch.exp(logits)  # <- here
        p = e / e.sum(dim=-1, keepdim=True)
        (p * p).mean().backward()

    return None, step


@broken("nonfinite", "an average over an empty selection divides by zero")
def division_by_an_empty_count() -> Any:
    w = weight(8, 4)
    chosen = torch.zeros((16, 1))

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
        length = torch.sqrt((h * h).sum(dim=-1, keepdim=True) + 0.0)
        unit = h / length  # <- here
        unit.sum().backward()

    return None, step


@broken("nonfinite", "the data set contains a NaN")
def nan_in_the_data() -> Any:
    w = weight(8, 4)
    x = draw(16, 8)
    x[2, 3] = torch.nan

    def step() -> None:
        h = x @ w  # <- here
        torch.tanh(h).mean().backward()

    return None, step


@broken("nonfinite", "cross entropy from probabilities: log(1 - p) at p = 1")
def log_of_one_minus_p() -> Any:
    w = weight(8, 1, scale=40.0)
    y = torch.arange(16.0)[:, None] % 2

    def step() -> None:
        p = torch.sigmoid(draw(16, 8) @ w)
        first = y * torch.log(p + 1e-12)
        second = (1 - y) * torch.log(1 - p)  # <- here
        loss = -(first + second).mean()
        loss.backward()

    return None, step


@broken("nonfinite", "the angle between equal directions: acos at 1")
def acos_at_one() -> Any:
    w = weight(4, 3)

    def step() -> None:
        a = w / torch.sqrt((w * w).sum(dim=-1, keepdim=True))
        cosine = torch.clamp((a * a.detach()).sum(dim=-1) + 1e-3, max=1.0)
        angle = torch.acos(cosine)  # <- here
        (angle * angle).mean().backward()

    return None, step


@broken("nonfinite", "a power below one at zero")
def root_as_a_power() -> Any:
    w = weight(8, 4)

    def step() -> None:
        h = torch.relu(draw(16, 8) @ w)
        (h**0.5).mean().backward()  # <- here

    return None, step


@broken("nonfinite", "half precision: two finite gradients add up to infinity")
def sum_overflows_half() -> Any:
    w = torch.ones(4, dtype=torch.float16, requires_grad=True)

    def step() -> None:
        h = torch.tanh(w)  # <- here
        scale = torch.full((4,), 40000.0, dtype=torch.float16)
        (h * scale - 0.5 * scale + h * scale - scale).sum().backward()

    return None, step


@broken("nonfinite", "the weights are NaN already: the last step destroyed them")
def nan_weights() -> Any:
    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            start = draw(8, 4)
            start[1, 2] = torch.nan
            self.weight = torch.nn.Parameter(start)  # <- here

        def forward(self, x: Any) -> Any:
            return torch.tanh(x @ self.weight)

    model = Net()
    return model, lambda: model(draw(16, 8)).mean().backward()
