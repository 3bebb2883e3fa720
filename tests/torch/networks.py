"""Twenty-five networks as people write them, small and in double precision.

A case is a function that returns ``(model, losses)``; ``losses()`` is the list of losses, of which
each is swept in turn. Running it again gives the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

Losses = Callable[[], list[Tensor]]
Build = Callable[[], tuple[nn.Module, Losses]]
NETWORKS: dict[str, Build] = {}


def network(build: Callable[[], Any]) -> Build:
    """Enter a network. It may give a function that returns one loss or a list of them."""

    def seeded() -> tuple[nn.Module, Losses]:
        torch.manual_seed(0)
        model, loss = build()
        model.double()

        def losses() -> list[Tensor]:
            torch.manual_seed(1)
            found = loss()
            return found if isinstance(found, list) else [found]

        return model, losses

    NETWORKS[build.__name__] = seeded
    return seeded


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def tokens(*shape: int, count: int = 7, seed: int = 0) -> Tensor:
    return torch.randint(count, shape, generator=torch.Generator().manual_seed(seed))


def classified(model: nn.Module, *shape: int, batch: int = 4) -> Any:
    x, labels = draw(batch, *shape), torch.arange(batch) % 3
    return model, lambda: functional.cross_entropy(model(x), labels)


class Forward(nn.Module):
    """A module whose forward is written beside its parts."""

    def __init__(self, forward: Callable[..., Tensor], **parts: Any) -> None:
        super().__init__()
        self._forward = forward
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, *inputs: Tensor) -> Tensor:
        return self._forward(self, *inputs)


# -- images ------------------------------------------------------------------------------------


class Block(nn.Module):
    """A residual block as torchvision writes it: in-place relu and ``+=``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        y += x
        return self.relu(y)


@network
def residual_in_place() -> Any:
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    return classified(nn.Sequential(nn.Conv2d(2, 4, 3), Block(4), Block(4), *head), 2, 6, 6)


@network
def u_net() -> Any:
    def forward(self: Any, x: Tensor) -> Tensor:
        one = torch.relu(self.down1(x))
        two = torch.relu(self.down2(functional.max_pool2d(one, 2)))
        up = torch.relu(self.up(two))
        return self.out(torch.cat([one, up], 1))

    model = Forward(
        forward,
        down1=nn.Conv2d(1, 3, 3, padding=1),
        down2=nn.Conv2d(3, 6, 3, padding=1),
        up=nn.ConvTranspose2d(6, 3, 2, stride=2),
        out=nn.Conv2d(6, 1, 1),
    )
    x = draw(2, 1, 6, 6)
    return model, lambda: functional.binary_cross_entropy_with_logits(model(x), (x > 0).double())


@network
def inception() -> Any:
    def forward(self: Any, x: Tensor) -> Tensor:
        pooled = functional.avg_pool2d(x, 3, 1, 1)
        parts = [self.one(x), self.three(self.reduce(x)), self.five(x), self.pool(pooled)]
        return self.head(torch.relu(torch.cat(parts, 1)).mean((2, 3)))

    return classified(
        Forward(
            forward,
            one=nn.Conv2d(2, 2, 1),
            reduce=nn.Conv2d(2, 2, 1),
            three=nn.Conv2d(2, 3, 3, padding=1),
            five=nn.Conv2d(2, 1, 5, padding=2),
            pool=nn.Conv2d(2, 2, 1),
            head=nn.Linear(8, 3),
        ),
        2,
        6,
        6,
    )


@network
def dense_net() -> Any:
    def forward(self: Any, x: Tensor) -> Tensor:
        features = [x]
        for layer in self.layers:
            features.append(torch.relu(layer(torch.cat(features, 1))))
        return self.head(torch.cat(features, 1).flatten(2).mean(2))

    layers = nn.ModuleList(nn.Conv2d(2 + 2 * i, 2, 3, padding=1) for i in range(3))
    return classified(Forward(forward, layers=layers, head=nn.Linear(8, 3)), 2, 5, 5)


@network
def squeeze_and_excite() -> Any:
    def forward(self: Any, x: Tensor) -> Tensor:
        y = functional.silu(self.norm(self.depthwise(self.expand(x))))
        y = y * torch.sigmoid(self.excite(torch.relu(self.squeeze(y.mean((2, 3), keepdim=True)))))
        return self.head((x + self.project(y)).amax((2, 3)))

    return classified(
        Forward(
            forward,
            expand=nn.Conv2d(2, 4, 1),
            depthwise=nn.Conv2d(4, 4, 3, padding=1, groups=4),
            norm=nn.GroupNorm(2, 4),
            squeeze=nn.Conv2d(4, 2, 1),
            excite=nn.Conv2d(2, 4, 1),
            project=nn.Conv2d(4, 2, 1),
            head=nn.Linear(2, 3),
        ),
        2,
        5,
        5,
    )


@network
def transposed_autoencoder() -> Any:
    model = nn.Sequential(
        nn.Conv2d(1, 3, 3, stride=2),
        nn.ELU(),
        nn.ConvTranspose2d(3, 2, 3, stride=2),
        nn.Tanh(),
        nn.ConvTranspose2d(2, 1, 1),
    )
    x = draw(2, 1, 7, 7)
    return model, lambda: ((model(x) - x) ** 2).mean() + 0.1 * model(x).abs().mean()


@network
def multi_scale() -> Any:
    def forward(self: Any, x: Tensor) -> Tensor:
        large, small = self.large(x), self.small(functional.avg_pool2d(x, 2))
        up = functional.interpolate(small, scale_factor=2, mode="bilinear", align_corners=False)
        return self.head(functional.pad(large * up + large, (1, 0)).flatten(1))

    parts = {"large": nn.Conv2d(1, 2, 3, padding=1), "small": nn.Conv2d(1, 2, 1)}
    return classified(Forward(forward, head=nn.Linear(40, 3), **parts), 1, 4, 4)


# -- sequences ---------------------------------------------------------------------------------


class Attention(nn.Module):
    """Causal self-attention, written out."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.qkv, self.out, self.heads = nn.Linear(width, 3 * width), nn.Linear(width, width), heads

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        split = (batch, length, self.heads, width // self.heads)
        q, k, v = (part.view(split).transpose(1, 2) for part in self.qkv(x).chunk(3, -1))
        scores = q @ k.transpose(-2, -1) / split[-1] ** 0.5
        hidden = torch.ones(length, length).triu(1).bool()
        weights = scores.masked_fill(hidden, float("-inf")).softmax(-1)
        return self.out((weights @ v).transpose(1, 2).reshape(x.shape))


class Layer(nn.Module):
    """A pre-norm block."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(width), Attention(width, 2)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 8), nn.GELU(), nn.Linear(8, width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class TinyGPT(nn.Module):
    """Input and output embedding are one parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.token, self.position = nn.Embedding(7, 4), nn.Parameter(torch.randn(5, 4))
        self.layers = nn.Sequential(Layer(4), Layer(4))
        self.norm, self.head = nn.LayerNorm(4), nn.Linear(4, 7, bias=False)
        self.head.weight = self.token.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.layers(self.token(x) + self.position)))


@network
def tied_embeddings() -> Any:
    model, x = TinyGPT(), tokens(2, 5)
    return model, lambda: functional.cross_entropy(model(x).flatten(0, 1), x.flatten())


@network
def attention() -> Any:
    model, x = Attention(6, 2), draw(2, 4, 6)
    return model, lambda: model(x).square().mean()


@network
def fused_attention() -> Any:
    def forward(self: Any, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (3, 2, 3)).permute(2, 0, 3, 1, 4).unbind(0)
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.head(y.transpose(1, 2).flatten(2) + x).mean(1)

    return classified(Forward(forward, qkv=nn.Linear(6, 18), head=nn.Linear(6, 3)), 4, 6)


@network
def encoder_decoder() -> Any:
    model = nn.Transformer(4, 2, 1, 1, 8, dropout=0.1, batch_first=True)
    source, target = draw(2, 3, 4), draw(2, 2, 4, seed=1)
    return model, lambda: functional.smooth_l1_loss(model(source, target), target)


@network
def lstm() -> Any:
    def forward(self: Any, x: Tensor) -> Tensor:
        y, (h, c) = self.lstm(x)
        return self.head(y[:, -1] + h[0]) + c.mean()

    model = Forward(forward, lstm=nn.LSTM(3, 4, batch_first=True), head=nn.Linear(4, 3))
    return classified(model, 5, 3)


@network
def lstm_by_hand() -> Any:
    def forward(self: Any, x: Tensor) -> Tensor:
        h = c = x.new_zeros(x.shape[0], 3)
        for step in x.unbind(1):
            i, f, g, o = (self.input(step) + self.hidden(h)).chunk(4, 1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
        return self.head(h)

    parts = {"input": nn.Linear(2, 12), "hidden": nn.Linear(3, 12, bias=False)}
    return classified(Forward(forward, head=nn.Linear(3, 3), **parts), 4, 2)


@network
def gru() -> Any:
    def forward(self: Any, x: Tensor) -> Tensor:
        y, _ = self.gru(x)
        return self.head(torch.cat([y[:, -1, :3], y[:, 0, 3:]], 1))

    unit = nn.GRU(3, 3, num_layers=2, batch_first=True, bidirectional=True)
    return classified(Forward(forward, gru=unit, head=nn.Linear(6, 3)), 3, 3)


@network
def spectral_mixing() -> Any:
    def forward(self: Any, x: Tensor) -> Tensor:
        mixed = torch.fft.rfft(x, dim=1)
        mixed = torch.fft.irfft(mixed * torch.complex(self.gain, self.phase)[:, None], x.shape[1], 1)
        return self.head((x + mixed).mean(1))

    gain, phase = (nn.Parameter(draw(3, seed=i)) for i in range(2))
    return classified(Forward(forward, gain=gain, phase=phase, head=nn.Linear(4, 3)), 4, 4)


# -- words and tables --------------------------------------------------------------------------


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


# -- heads, losses and hand-written parts --------------------------------------------------------


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
