"""Healthy: networks as people write them, at initialisation and after some training."""

from __future__ import annotations

from typing import Any

import torch

from tests.torch.gallery import draw, healthy, parameter, weight

nn, functional = torch.nn, torch.nn.functional
LABELS = torch.arange(32) % 4


def classified(model: Any, *shape: int) -> Any:
    """The model and a step of cross entropy on 32 examples."""
    x = draw(32, *shape)
    return model, lambda: functional.cross_entropy(model(x), LABELS).backward()


@healthy("a small multilayer perceptron")
def perceptron() -> Any:
    return classified(
        nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 4)),
        8,
    )


@healthy("four tanh layers")
def tanh_network() -> Any:
    layers = [layer for _ in range(4) for layer in (nn.Linear(16, 16), nn.Tanh())]
    return classified(nn.Sequential(*layers, nn.Linear(16, 4)), 16)


@healthy("three sigmoid layers, as in old books")
def sigmoid_network() -> Any:
    return classified(
        nn.Sequential(
            nn.Linear(8, 16), nn.Sigmoid(), nn.Linear(16, 16), nn.Sigmoid(), nn.Linear(16, 4)
        ),
        8,
    )


@healthy("twenty relu layers with He's initialisation")
def deep_he_network() -> Any:
    weights = [weight(64, 64, seed=i) for i in range(20)]

    def step() -> None:
        h = draw(32, 64)
        for w in weights:
            h = torch.relu(h @ w)
        ((h - 1.0) ** 2).mean().backward()

    return None, step


@healthy("a convolutional network with pooling")
def convolutional() -> Any:
    return classified(
        nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 16, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(16, 4),
        ),
        1,
        8,
        8,
    )


@healthy("convolution and batch norm: a bias before it gets almost nothing")
def batch_norm() -> Any:
    return classified(
        nn.Sequential(
            nn.Conv2d(2, 8, 3),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(128, 4),
        ),
        2,
        8,
        8,
    )


class Residual(nn.Module):
    """x + f(x), the branch multiplied by ``scale`` (a parameter) if given."""

    def __init__(self, width: int, scale: float | None = None, zero_last: bool = False) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width)
        if zero_last:
            nn.init.zeros_(self.down.weight)
            nn.init.zeros_(self.down.bias)
        if scale is not None:
            self.scale = nn.Parameter(torch.full((width,), scale))
        self.is_scaled = scale is not None

    def forward(self, x: Any) -> Any:
        branch = self.down(functional.gelu(self.up(self.norm(x))))
        return x + (branch * self.scale if self.is_scaled else branch)


@healthy("twelve residual blocks")
def residual_network() -> Any:
    return classified(nn.Sequential(*(Residual(16) for _ in range(12)), nn.Linear(16, 4)), 16)


@healthy("a residual branch whose last layer starts at zero: no fault, it learns from step two")
def zero_initialised_branch() -> Any:
    blocks = [Residual(16, zero_last=True) for _ in range(4)]
    return classified(nn.Sequential(*blocks, nn.Linear(16, 4)), 16)


@healthy("a branch with a learned gate that starts at zero")
def rezero() -> Any:
    return classified(nn.Sequential(*(Residual(16, 0.0) for _ in range(6)), nn.Linear(16, 4)), 16)


@healthy("a branch with a learned scale of a millionth")
def layer_scale() -> Any:
    return classified(nn.Sequential(*(Residual(16, 1e-6) for _ in range(6)), nn.Linear(16, 4)), 16)


@healthy("dropout at one half")
def dropout() -> Any:
    return classified(
        nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 4)), 16
    )


@healthy("an embedding of which a batch touches a few rows")
def sparse_embedding() -> Any:
    class Words(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(500, 16)
            self.head = nn.Linear(16, 4)

        def forward(self, index: Any) -> Any:
            return self.head(self.table(index).mean(dim=1))

    model = Words()
    index = torch.randint(0, 500, (32, 6))
    return model, lambda: functional.cross_entropy(model(index), LABELS).backward()


class Attention(nn.Module):
    """Causal self-attention with one projection for queries, keys and values."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.inward = nn.Linear(width, 3 * width)
        self.outward = nn.Linear(width, width)

    def forward(self, x: Any) -> Any:
        n, t, width = x.shape
        parts = torch.reshape(self.inward(x), (n, t, 3, self.heads, width // self.heads))
        q, k, v = (torch.permute(parts[:, :, i], (0, 2, 1, 3)) for i in range(3))
        scores = q @ k.mT / (width // self.heads) ** 0.5
        scores = scores.masked_fill(~torch.ones(t, t, dtype=torch.bool).tril(), -torch.inf)
        mixed = torch.permute(torch.softmax(scores, dim=-1) @ v, (0, 2, 1, 3))
        return self.outward(torch.reshape(mixed, (n, t, width)))


class Layer(nn.Module):
    """A transformer's layer, normalised first."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, 2)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: Any) -> Any:
        x = x + self.attention(self.first(x))
        return x + self.mlp(self.second(x))


class Language(nn.Module):
    """A small language model whose output shares the embedding."""

    def __init__(self, tied: bool) -> None:
        super().__init__()
        self.table = nn.Embedding(20, 16)
        self.layers = nn.Sequential(*(Layer(16) for _ in range(3)))
        self.norm = nn.LayerNorm(16)
        self.head = nn.Linear(16, 20, bias=False)
        if tied:
            self.head.weight = self.table.weight

    def forward(self, index: Any) -> Any:
        return self.head(self.norm(self.layers(self.table(index))))


def language(tied: bool) -> Any:
    model = Language(tied)
    text = torch.randint(0, 20, (8, 13))

    def step() -> None:
        logits = model(text[:, :-1])
        functional.cross_entropy(
            torch.reshape(logits, (-1, 20)), text[:, 1:].reshape(-1)
        ).backward()

    return model, step


@healthy("a transformer of three layers")
def transformer() -> Any:
    return language(tied=False)


@healthy("a transformer whose output weight is its embedding")
def tied_transformer() -> Any:
    return language(tied=True)


@healthy("a plain recurrent network over twenty steps, orthogonal weight")
def recurrent() -> Any:
    inside = weight(4, 16, scale=0.3)
    across = torch.linalg.qr(draw(16, 16))[0].requires_grad_()

    def step() -> None:
        x = draw(8, 20, 4)
        h = torch.zeros((8, 16))
        for t in range(20):
            h = torch.tanh(x[:, t] @ inside + h @ across)
        ((h - 0.5) ** 2).mean().backward()

    return None, step


@healthy("a gated recurrence by hand over fifteen steps")
def gated() -> Any:
    class Cell(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gate, self.new = nn.Linear(20, 16), nn.Linear(20, 16)

        def forward(self, x: Any, h: Any) -> Any:
            both = torch.cat([x, h], dim=-1)
            z = torch.sigmoid(self.gate(both))
            return z * h + (1 - z) * torch.tanh(self.new(both))

    cell = Cell()

    def step() -> None:
        x = draw(8, 15, 4)
        h = torch.zeros((8, 16))
        for t in range(15):
            h = cell(x[:, t], h)
        ((h - 0.5) ** 2).mean().backward()

    return cell, step


@healthy("a variational autoencoder: two losses, one of them added up")
def variational() -> Any:
    class Auto(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encode, self.decode = nn.Linear(16, 8), nn.Linear(4, 16)

        def forward(self, x: Any) -> Any:
            both = self.encode(x)
            mean, log_variance = both[:, :4], both[:, 4:]
            z = mean + torch.exp(0.5 * log_variance) * draw(32, 4, seed=5)
            divergence = -0.5 * (1 + log_variance - mean**2 - torch.exp(log_variance)).sum()
            return self.decode(z), divergence

    model = Auto()
    x = torch.sigmoid(draw(32, 16))

    def step() -> None:
        logits, divergence = model(x)
        error = functional.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        ((error + divergence) / 32).backward()

    return model, step


@healthy("a generator's step against a frozen critic")
def adversarial() -> Any:
    generator = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 8))
    critic = nn.Sequential(nn.Linear(8, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))
    critic.requires_grad_(False)

    def step() -> None:
        score = critic(generator(draw(32, 4)))
        functional.softplus(-score).mean().backward()

    return generator, step


@healthy("two networks in one step, named apart")
def actor_and_critic() -> Any:
    actor, critic = nn.Linear(8, 3), nn.Linear(8, 1)

    def step() -> None:
        x = draw(32, 8)
        value = critic(x)[:, 0]
        advantage = draw(32, seed=3) - value
        chosen = torch.log_softmax(actor(x), dim=-1)[:, 1]
        (-(chosen * advantage.detach()).mean() + (advantage**2).mean()).backward()

    return {"actor": actor, "critic": critic}, step


@healthy("a contrastive loss between two views")
def contrastive() -> Any:
    encoder = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 8))

    def step() -> None:
        x = draw(16, 8)
        a = functional.normalize(encoder(x + 0.1 * draw(16, 8, seed=1)))
        b = functional.normalize(encoder(x + 0.1 * draw(16, 8, seed=2)))
        functional.cross_entropy(a @ b.T / 0.5, torch.arange(16)).backward()

    return encoder, step


@healthy("a frozen backbone with a new head")
def frozen_backbone() -> Any:
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
    model[0].requires_grad_(False)
    return classified(model, 8)


@healthy("a batch of one example, whose relu units are half zero by nature")
def one_example() -> Any:
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
    return model, lambda: functional.cross_entropy(model(draw(1, 8)), torch.tensor([2])).backward()


@healthy("gradients collected over several small batches")
def accumulation() -> Any:
    model = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 4))

    def step() -> None:
        for part in range(3):
            x = draw(8, 8, seed=part)
            (functional.cross_entropy(model(x), LABELS[:8]) / 3).backward()

    return model, step


@healthy("an output layer that starts small, as policies have it")
def small_head() -> Any:
    model = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 4))
    model[2].weight.data *= 0.01
    return classified(model, 8)


@healthy("a classifier that has learned its data: sure of itself, and right")
def fitted_classifier() -> Any:
    model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1), nn.Sigmoid())
    x = draw(64, 2)
    y = (x[:, :1] > 0).float()
    for _ in range(150):
        model.zero_grad()
        functional.binary_cross_entropy(model(x), y).backward()
        with torch.no_grad():
            for p in model.parameters():
                p -= 2.0 * p.grad
    model.zero_grad()
    return model, lambda: functional.binary_cross_entropy(model(x), y).backward()


@healthy("half of a network's channels through a gate: gated linear units")
def gated_linear_units() -> Any:
    model = nn.Sequential(nn.Linear(8, 32), nn.GLU(), nn.Linear(16, 4))
    return classified(model, 8)


@healthy("a mixture whose weights come from a softmax")
def mixture() -> Any:
    class Mixture(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.choose = nn.Linear(8, 3)
            self.experts = parameter(3, 8, 4, scale=0.3)

        def forward(self, x: Any) -> Any:
            weights = torch.softmax(self.choose(x), dim=-1)
            return torch.einsum("nk,ni,kij->nj", weights, x, self.experts)

    return classified(Mixture(), 8)
