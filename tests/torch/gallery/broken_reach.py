"""Broken: gradients that never arrive, shapes that grow, values that change, wrong rules."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from tests.torch.gallery import broken, draw, weight

nn = torch.nn


class Two(nn.Module):
    """An encoder and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(8, 6)
        self.head = nn.Linear(6, 3)


@broken("cut", "a detach() in the middle of forward: the encoder does not learn")
def detached_features() -> Any:
    class Net(Two):
        def forward(self, x: Any) -> Any:
            h = torch.tanh(self.encoder(x)).detach()  # <- here
            return self.head(h)

    model = Net()
    return model, lambda: (model(draw(16, 8)) ** 2).mean().backward()


@broken("cut", "the skip connection of every residual block is detached")
def detached_skip() -> Any:
    class Net(Two):
        def forward(self, x: Any) -> Any:
            h = self.encoder(x)
            for _ in range(3):
                kept = h.detach()  # <- here
                h = torch.tanh(h) * 0.5
                h = h + kept
            return self.head(h)

    model = Net()
    return model, lambda: (model(draw(16, 8)) ** 2).mean().backward()


@broken("cut", "the encoder runs under no_grad, left over from evaluation")
def encoder_under_no_grad() -> Any:
    class Net(Two):
        def forward(self, x: Any) -> Any:
            with torch.no_grad():
                h = x @ self.encoder.weight.T  # <- here
                h = torch.tanh(h)
            return self.head(h)

    model = Net()

    def step() -> None:
        (model(draw(16, 8)) ** 2).mean().backward()

    model.encoder.bias = None
    return model, step


@broken("cut", "a hard choice: argmax, then one-hot")
def hard_choice() -> Any:
    class Net(Two):
        def forward(self, x: Any) -> Any:
            scores = self.encoder(x)
            chosen = torch.argmax(scores, dim=-1)  # <- here
            return self.head((chosen[:, None] == torch.arange(6)).float())

    model = Net()
    return model, lambda: (model(draw(16, 8)) ** 2).mean().backward()


@broken("cut", "weights are rounded in forward: quantisation without a straight-through estimate")
def rounded_features() -> Any:
    class Net(Two):
        def forward(self, x: Any) -> Any:
            h = torch.round(4 * self.encoder(x))  # <- here
            return self.head(h)

    model = Net()
    return model, lambda: (model(draw(16, 8)) ** 2).mean().backward()


@broken("cut", "a step in NumPy in the middle of forward")
def through_numpy() -> Any:
    class Net(Two):
        def forward(self, x: Any) -> Any:
            h = self.encoder(x)
            h = np.sort(h.detach().numpy(), axis=-1)  # <- here
            return self.head(torch.from_numpy(h))

    model = Net()
    return model, lambda: (model(draw(16, 8)) ** 2).mean().backward()


@broken("cut", "the loss is computed from a detached prediction")
def loss_on_a_detached_value() -> Any:
    class Net(Two):
        def forward(self, x: Any) -> Any:
            return self.head(torch.tanh(self.encoder(x)))

    model = Net()

    def step() -> None:
        prediction = model(draw(16, 8)).detach()  # <- here
        ((prediction - 1.0) ** 2).mean().backward()

    return model, step


@broken("unused", "a layer that forward forgets to call")
def forgotten_layer() -> Any:
    class Net(Two):
        def __init__(self) -> None:
            super().__init__()
            self.extra = nn.Parameter(draw(6, 6))  # <- here

        def forward(self, x: Any) -> Any:
            return self.head(torch.tanh(self.encoder(x)))

    model = Net()
    return model, lambda: (model(draw(16, 8)) ** 2).mean().backward()


@broken("unused", "an auxiliary head whose loss is never added")
def auxiliary_loss_left_out() -> Any:
    class Net(Two):
        def __init__(self) -> None:
            super().__init__()
            self.auxiliary = nn.Parameter(draw(6, 1))  # <- here

        def forward(self, x: Any) -> Any:
            h = torch.tanh(self.encoder(x))
            return self.head(h), h @ self.auxiliary

    model = Net()

    def step() -> None:
        y, extra = model(draw(16, 8))
        (y**2).mean().backward()
        (extra**2).mean().item()

    return model, step


@broken("broadcast", "predictions (n, 1) against targets (n,)")
def column_against_row() -> Any:
    w = weight(8, 1)
    y = draw(16)

    def step() -> None:
        prediction = draw(16, 8) @ w
        error = prediction - y  # <- here
        (error**2).mean().backward()

    return None, step


@broken("broadcast", "advantages (n, 1) times log probabilities (n,)")
def advantages_times_log_probabilities() -> Any:
    policy, critic = weight(8, 4), weight(8, 1)

    def step() -> None:
        x = draw(16, 8)
        chosen = torch.log_softmax(x @ policy, dim=-1)[:, 0]
        advantage = draw(16, 1, seed=2) - x @ critic
        loss = -(chosen * advantage).mean()  # <- here
        loss.backward()

    return None, step


@broken("broadcast", "weights of the examples (n,) against losses (n, 1)")
def example_weights() -> Any:
    w = weight(8, 1)
    importance = torch.linspace(0.5, 1.5, 16)

    def step() -> None:
        losses = (draw(16, 8) @ w - 1.0) ** 2
        (losses * importance).mean().backward()  # <- here

    return None, step


@broken("mutated", "x += y after x was used: the value that a backward needs is gone")
def in_place_after_use() -> Any:
    w = weight(8, 4)

    def step() -> None:
        h = torch.exp(draw(16, 8) @ w)
        y = h * h
        h += 1.0  # <- here
        (y + h).mean().backward()

    return None, step


@broken("mutated", "an activation is overwritten to save memory")
def in_place_activation() -> Any:
    w = weight(8, 4)

    def step() -> None:
        h = torch.sigmoid(draw(16, 8) @ w)
        h *= 2.0  # <- here
        h.mean().backward()

    return None, step


@broken("mutated", "the parameters are updated between forward and backward")
def update_before_backward() -> Any:
    first, second = weight(8, 4), weight(4, 2)

    def step() -> None:
        nonlocal second
        loss = (torch.tanh(draw(16, 8) @ first) @ second).mean()
        with torch.no_grad():
            second -= 0.1  # <- here
        loss.backward()

    return None, step


@broken("mismatch", "a hand-written backward that forgets the factor", audited=True)
def wrong_backward() -> Any:
    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * ctx.saved_tensors[0] ** 2

    w = weight(8, 4)

    def step() -> None:
        h = Cube.apply(draw(16, 8) @ w)  # <- here
        h.mean().backward()

    return None, step


@broken("mismatch", "a hand-written matrix product that transposes the wrong side", audited=True)
def wrong_transpose() -> Any:
    class Product(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, a: Any, b: Any) -> Any:
            ctx.save_for_backward(a, b)
            return a @ b

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            a, b = ctx.saved_tensors
            return g @ b.T, (a.T @ g).T

    w = weight(8, 8)

    def step() -> None:
        h = Product.apply(draw(16, 8), w)  # <- here
        torch.tanh(h).mean().backward()

    return None, step
