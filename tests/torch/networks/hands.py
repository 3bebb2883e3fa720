"""Tables, several heads and losses, hand-written functions, checkpoints, second derivatives."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from tests.torch.networks import Forward, classified, draw, network, tokens


@network
def sparse_embeddings() -> Any:
    def forward(self: Any, x: Tensor) -> Tensor:
        return self.head(self.bag(x) + self.words(x).mean(1) + self.words(x[:, :1])[:, 0])

    model = Forward(
        forward,
        bag=nn.EmbeddingBag(7, 3, mode="sum"),
        words=nn.Embedding(7, 3, sparse=True),
        head=nn.Linear(3, 3),
    )
    x = tokens(4, 5)
    return model, lambda: functional.cross_entropy(model(x), x[:, 0] % 3)


@network
def mixture_of_experts() -> Any:
    def forward(self: Any, x: Tensor) -> Tensor:
        weights, chosen = self.gate(x).softmax(-1).topk(2, -1)
        out = torch.zeros_like(x)
        for number, expert in enumerate(self.experts):
            row, column = torch.where(chosen == number)
            out = out.index_add(0, row, expert(x[row]) * weights[row, column, None])
        return self.head(out)

    experts = nn.ModuleList(nn.Sequential(nn.Linear(4, 4), nn.Tanh()) for _ in range(3))
    parts = {"gate": nn.Linear(4, 3), "experts": experts, "head": nn.Linear(4, 3)}
    return classified(Forward(forward, **parts), 4, batch=6)


@network
def written_in_place() -> Any:
    def forward(self: Any, x: Tensor) -> Tensor:
        h = self.first(x)
        board = torch.zeros(x.shape[0], 6, dtype=x.dtype)
        board[:, :4] = h
        board[:, 2:] += self.second(h)
        board.mul_(0.5)
        board[board > 1] = 1.0
        return self.head(board)

    parts = {"first": nn.Linear(4, 4), "second": nn.Linear(4, 4), "head": nn.Linear(6, 3)}
    return classified(Forward(forward, **parts), 4)


@network
def multi_task() -> Any:
    def loss() -> Tensor:
        h = model.trunk(x)
        cost = functional.cross_entropy(model.label(h), torch.arange(4) % 3)
        return cost + 0.3 * functional.mse_loss(model.value(h), x[:, :1]) + 1e-2 * h.pow(2).mean()

    trunk = nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 6), nn.ReLU())
    model: Any = nn.ModuleDict({"trunk": trunk, "label": nn.Linear(6, 3), "value": nn.Linear(6, 1)})
    model = Forward(lambda *_: loss(), **dict(model.items()))
    x = draw(4, 5)
    return model, lambda: model(x)


@network
def siamese() -> Any:
    tower = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))
    a, b, c = (draw(4, 4, seed=seed) for seed in range(3))
    return tower, lambda: functional.triplet_margin_loss(tower(a), tower(b), tower(c))


@network
def gradient_accumulation() -> Any:
    model = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3))
    batches = [draw(4, 4, seed=seed) for seed in range(2)]
    labels = torch.arange(4) % 3
    return model, lambda: [functional.cross_entropy(model(x), labels) / 2 for x in batches]


@network
def reused_weight() -> Any:
    def forward(self: Any, x: Tensor) -> Tensor:
        for _ in range(4):
            x = torch.tanh(x @ self.weight + x @ self.weight.T) + 0.5 * x
        return self.head(x) + self.weight.diagonal().sum() + self.weight[0, :3]

    weight = nn.Parameter(0.3 * draw(4, 4))
    return classified(Forward(forward, weight=weight, head=nn.Linear(4, 3)), 4)


class Swish(torch.autograd.Function):
    """x σ(x), in two outputs, of which one is used twice."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        gate = torch.sigmoid(scale * x)
        ctx.save_for_backward(x, scale, gate)
        return x * gate, gate

    @staticmethod
    def backward(ctx: Any, *upstream: Any) -> Any:
        x, scale, gate = ctx.saved_tensors
        first, second = upstream
        slope = gate * (1 - gate) * (first * x + second)
        return first * gate + slope * scale, (slope * x).sum()


class Doubled(torch.autograd.Function):
    """One buffer handed to both inputs."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        return a + b

    @staticmethod
    def backward(ctx: Any, *upstream: Any) -> Any:
        (given,) = upstream
        return given, given


@network
def hand_written_functions() -> Any:
    def forward(self: Any, x: Tensor) -> Tensor:
        y, gate = Swish.apply(self.first(x), self.scale)
        return self.head(Doubled.apply(y * gate, Doubled.apply(y, y)))

    scale = nn.Parameter(torch.tensor(1.5))
    parts = {"first": nn.Linear(4, 4), "scale": scale, "head": nn.Linear(4, 3)}
    return classified(Forward(forward, **parts), 4)


@network
def checkpointed() -> Any:
    def forward(self: Any, x: Tensor) -> Tensor:
        x = self.first(x)
        for block in self.blocks:
            x = x + checkpoint(block, x, use_reentrant=False)
        return self.head(x)

    blocks = nn.ModuleList(
        nn.Sequential(nn.LayerNorm(4), nn.Linear(4, 4), nn.GELU(), nn.Dropout(0.2)) for _ in "ab"
    )
    parts = {"first": nn.Linear(4, 4), "blocks": blocks, "head": nn.Linear(4, 3)}
    return classified(Forward(forward, **parts), 4)


@network
def normalised_weights() -> Any:
    first = nn.utils.parametrizations.weight_norm(nn.Linear(4, 5))
    second = nn.utils.parametrizations.spectral_norm(nn.Linear(5, 5))
    return classified(nn.Sequential(first, nn.ReLU(), second.eval(), nn.Linear(5, 3)), 4)


@network
def gradient_penalty() -> Any:
    model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 1))
    x = draw(4, 4)

    def loss() -> Tensor:
        given = x.clone().requires_grad_()
        (slope,) = torch.autograd.grad(model(given).sum(), given, create_graph=True)
        return model(x).mean() + (slope.norm(dim=1) - 1).square().mean()

    return model, loss
