"""Broken: gradients that vanish, explode, die, saturate or cancel."""

from __future__ import annotations

from typing import Any

import torch

from tests.torch.gallery import broken, draw, parameter, weight

nn = torch.nn


@broken("vanishing", "twelve sigmoid layers: the first ones do not learn")
def deep_sigmoids() -> Any:
    weights = [weight(16, 16, seed=i, scale=0.25) for i in range(12)]

    def step() -> None:
        h = draw(32, 16)
        for w in weights:
            h = torch.sigmoid(h @ w)  # <- here
        (h**2).mean().backward()

    return None, step


@broken("vanishing", "weights initialised with a deviation of 0.01 in a deep relu network")
def tiny_initialisation() -> Any:
    weights = [weight(32, 32, seed=i, scale=0.01) for i in range(6)]

    def step() -> None:
        h = draw(64, 32)
        for w in weights:
            h = torch.relu(h @ w)  # <- here
        (h - 1.0).mean().backward()

    return None, step


@broken("vanishing", "a hand-written block that forgets its skip connection")
def missing_skip() -> Any:
    class Block(nn.Module):
        def __init__(self, seed: int) -> None:
            super().__init__()
            self.up = parameter(16, 16, seed=seed, scale=0.12)
            self.down = parameter(16, 16, seed=seed + 50, scale=0.12)

        def forward(self, x: Any) -> Any:
            return torch.tanh(torch.tanh(x @ self.up) @ self.down)  # <- here

    model = nn.Sequential(*(Block(i) for i in range(10)))
    return model, lambda: (model(draw(32, 16)) - draw(32, 16, seed=9)).mean().backward()


@broken("vanishing", "a plain recurrent network over 80 steps forgets the beginning")
def long_recurrence() -> Any:
    inside, across = weight(4, 16), weight(16, 16, seed=1, scale=0.1)

    def step() -> None:
        x = draw(8, 80, 4)
        h = torch.zeros((8, 16))
        for t in range(80):
            h = torch.tanh(x[:, t] @ inside + h @ across)  # <- here
        (h**2).mean().backward()

    return None, step


@broken("vanishing", "a normalisation over a single value, which has no variance")
def normalisation_of_one_value() -> Any:
    first, second = weight(8, 1), weight(1, 4, seed=1)

    def step() -> None:
        h = draw(16, 8) @ first
        h = torch.nn.functional.layer_norm(h, (1,))  # <- here
        (h @ second - 1.0).sum().backward()

    return None, step


@broken("cancelling", "batch norm on one value, by hand: each value minus itself")
def batch_norm_on_one_value() -> Any:
    first, second = weight(8, 4), weight(4, 1, seed=1)

    def step() -> None:
        h = draw(1, 8) @ first  # <- here
        h = (h - h.mean(dim=0)) / torch.sqrt(torch.var(h, dim=0, correction=0) + 1e-5)
        (h @ second).sum().backward()

    return None, step


@broken("exploding", "a recurrent weight that is initialised too large")
def large_recurrent_weight() -> Any:
    inside, across = weight(4, 16), weight(16, 16, seed=1, scale=0.6)

    def step() -> None:
        x = draw(8, 30, 4, scale=0.01)
        h = torch.zeros((8, 16))
        for t in range(30):
            h = x[:, t] @ inside + h @ across  # <- here
        h.mean().backward()

    return None, step


@broken("exploding", "deep relu network with weights of deviation one")
def large_initialisation() -> Any:
    weights = [weight(64, 64, seed=i, scale=1.0) for i in range(8)]

    def step() -> None:
        h = draw(16, 64)
        for w in weights:
            h = torch.relu(h @ w)  # <- here
        h.mean().backward()

    return None, step


@broken("exploding", "targets in the millions: the first gradient dwarfs the weights")
def unscaled_targets() -> Any:
    w = weight(8, 1)

    def step() -> None:
        x = draw(64, 8, scale=1000.0)
        y = draw(64, 1, scale=1e6)
        error = x @ w - y
        (error**2).mean().backward()  # <- here

    return None, step


@broken("exploding", "the root of something almost zero")
def root_near_zero() -> Any:
    w = weight(8, 4, scale=1e-12)

    def step() -> None:
        h = draw(16, 8) @ w
        r = torch.sqrt(h * h + 1e-18)  # <- here
        r.mean().backward()

    return None, step


@broken("dead", "a bias far below zero: no relu ever fires")
def negative_bias() -> Any:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(8, 32)
            self.second = nn.Linear(32, 1)
            self.first.bias.data[:24] = -30.0

        def forward(self, x: Any) -> Any:
            h = torch.relu(self.first(x))  # <- here
            return self.second(h)

    model = Net()
    return model, lambda: (model(draw(64, 8)) ** 2).mean().backward()


@broken("dead", "all weights start at zero")
def zero_initialisation() -> Any:
    first, second = weight(8, 16, scale=0.0), weight(16, 1, scale=0.0)

    def step() -> None:
        h = torch.relu(draw(64, 8) @ first)  # <- here
        ((h @ second - 1.0) ** 2).mean().backward()

    return None, step


@broken("dead", "channels of a convolution that one large step killed")
def dead_channels() -> Any:
    w, b = weight(16, 3, 3, 3, scale=0.2), weight(16, scale=0.1)
    b.data[:12] = -100.0

    def step() -> None:
        h = torch.nn.functional.conv2d(draw(4, 3, 8, 8), w, b, padding=1)
        h = torch.relu(h)  # <- here
        (h**2).mean().backward()

    return None, step


@broken("saturated", "raw pixels, 0 to 255, into tanh")
def unscaled_inputs() -> Any:
    first, second = weight(8, 32, scale=0.5), weight(32, 1, scale=0.2)

    def step() -> None:
        x = draw(64, 8, scale=255.0)
        h = torch.tanh(x @ first)  # <- here
        ((h @ second - 1.0) ** 2).mean().backward()

    return None, step


@broken("saturated", "gates initialised so wide that they are always open or shut")
def saturated_gates() -> Any:
    gate, inside = weight(8, 32, scale=80.0), weight(8, 32)

    def step() -> None:
        x = draw(64, 8)
        g = torch.sigmoid(x @ gate)  # <- here
        out = weight(32, 4) * 1.0
        ((g * (x @ inside) @ out - 1.0) ** 2).mean().backward()

    return None, step


@broken("saturated", "attention scores that nobody divided by the root of the width")
def unscaled_attention() -> Any:
    query, key, value = (weight(256, 256, seed=i, scale=0.2) for i in range(3))

    def step() -> None:
        x = draw(4, 16, 256)
        scores = (x @ query) @ (x @ key).mT
        attention = torch.softmax(scores, dim=-1)  # <- here
        ((attention @ (x @ value)) ** 2).mean().backward()

    return None, step


@broken("cancelling", "two terms of the loss pull the same value in opposite directions")
def opposite_losses() -> Any:
    w, head = weight(8, 8), weight(8, 1)

    def step() -> None:
        features = torch.tanh(draw(32, 8) @ w)  # <- here
        score = features @ head
        generator, critic = score.mean(), -(features @ head).mean()
        (generator + critic).backward()

    return None, step


@broken("cancelling", "a contrastive pair made of the same view twice")
def same_view_twice() -> Any:
    w = weight(8, 4)

    def step() -> None:
        x = draw(16, 8)
        a = torch.tanh(x @ w)  # <- here
        b = 0.999999 * a
        distance = ((a - b) ** 2 + (a - b)).mean()
        distance.backward()

    return None, step


@broken("imbalance", "a tied weight: the second use overwrites the buffer of the first")
def reused_buffer() -> Any:
    buffer = torch.zeros(6, 6)

    class Tied(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, w: Any) -> Any:
            ctx.save_for_backward(x)
            return x @ w

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return None, torch.matmul(ctx.saved_tensors[0].T, g, out=buffer)

    w = weight(6, 6)

    def step() -> None:
        h = Tied.apply(draw(10, 6), w)
        y = Tied.apply(draw(10, 6, seed=1), w)  # <- here
        (h * h + y).mean().backward()

    return None, step
