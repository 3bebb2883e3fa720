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


from tests.torch.networks import hands, images, sequences  # noqa: E402  they enter theirs above

ROOMS = (images, sequences, hands)
