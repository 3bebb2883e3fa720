"""Networks for sequences."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.torch.networks import Forward, classified, draw, network, tokens


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
        response = torch.complex(self.gain, self.phase)[:, None]
        mixed = torch.fft.irfft(torch.fft.rfft(x, dim=1) * response, x.shape[1], 1)
        return self.head((x + mixed).mean(1))

    gain, phase = (nn.Parameter(draw(3, seed=i)) for i in range(2))
    return classified(Forward(forward, gain=gain, phase=phase, head=nn.Linear(4, 3)), 4, 4)
