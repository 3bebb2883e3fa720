"""Two hundred training steps beside PyTorch's: every optimiser, every option, in float64."""

from typing import Any

import numpy as np
import pytest

import localgrad as lg

torch = pytest.importorskip("torch")

STEPS = 200

OPTIMISERS = {
    "SGD": ("SGD", {"lr": 0.05}),
    "SGD with momentum": ("SGD", {"lr": 0.05, "momentum": 0.9, "weight_decay": 1e-3}),
    "SGD with Nesterov": ("SGD", {"lr": 0.02, "momentum": 0.8, "nesterov": True}),
    "SGD damped": ("SGD", {"lr": 0.05, "momentum": 0.9, "dampening": 0.3}),
    "SGD up": ("SGD", {"lr": 1e-3, "momentum": 0.5, "maximize": True}),
    "Adam": ("Adam", {"lr": 2e-3}),
    "Adam with all": (
        "Adam", {"lr": 2e-3, "betas": (0.8, 0.95), "weight_decay": 1e-2, "amsgrad": True},
    ),
    "AdamW": ("AdamW", {"lr": 2e-3, "weight_decay": 0.1}),
    "AdamW up": ("AdamW", {"lr": 1e-4, "maximize": True, "amsgrad": True}),
    "RMSprop": ("RMSprop", {"lr": 1e-3}),
    "RMSprop with all": (
        "RMSprop", {"lr": 1e-3, "momentum": 0.5, "centered": True, "weight_decay": 1e-2},
    ),
    "Adagrad": ("Adagrad", {"lr": 1e-2}),
    "Adagrad with all": (
        "Adagrad",
        {"lr": 1e-2, "lr_decay": 1e-2, "weight_decay": 1e-2, "initial_accumulator_value": 0.1},
    ),
}  # fmt: skip


def network(nn: Any) -> Any:
    # No bias before a batch norm: its gradient is zero but for rounding, which Adam magnifies.
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(),
        nn.MaxPool2d(2), nn.Conv2d(4, 6, 3, stride=2, groups=2), nn.Tanh(), nn.Flatten(),
        nn.Linear(6, 8), nn.Sigmoid(), nn.Dropout(0.0), nn.Linear(8, 3),
    ).double()  # fmt: skip


def batches() -> list[tuple[Any, Any]]:
    rng = np.random.default_rng(0)
    return [(rng.standard_normal((8, 1, 8, 8)), rng.integers(0, 3, 8)) for _ in range(5)]


def step(model: Any, optimiser: Any, library: Any, x: Any, y: Any) -> float:
    optimiser.zero_grad()
    loss = library.nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimiser.step()
    return loss.item()


def pair(name: str) -> tuple[Any, Any, Any, Any]:
    kind, options = OPTIMISERS[name]
    torch.manual_seed(0)
    theirs, ours = network(torch.nn), network(lg.nn)
    ours.load_state_dict(theirs.state_dict())
    return (
        ours,
        getattr(lg.optim, kind)(ours.parameters(), **options),
        theirs,
        getattr(torch.optim, kind)(theirs.parameters(), **options),
    )


@pytest.mark.parametrize("name", OPTIMISERS)
def test_two_hundred_steps_agree_with_pytorch(name: str) -> None:
    ours, mine, theirs, other = pair(name)
    data = batches()
    for number in range(STEPS):
        x, y = data[number % len(data)]
        loss = step(ours, mine, lg, lg.asarray(x), lg.asarray(y))
        expected = step(theirs, other, torch, torch.tensor(x), torch.tensor(y))
        assert loss == pytest.approx(expected, rel=1e-10, abs=1e-10), number
    state = theirs.state_dict()
    for key, value in ours.state_dict().items():
        np.testing.assert_allclose(value.numpy(), state[key].numpy(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_a_state_carries_on_where_it_was_and_crosses_from_pytorch(name: str) -> None:
    ours, mine, theirs, other = pair(name)
    for x, y in batches():
        step(theirs, other, torch, torch.tensor(x), torch.tensor(y))
    ours.load_state_dict(theirs.state_dict())
    mine.load_state_dict(other.state_dict())
    again = network(lg.nn)
    again.load_state_dict(ours.state_dict())
    kind, options = OPTIMISERS[name]
    third = getattr(lg.optim, kind)(again.parameters(), **options)
    third.load_state_dict(mine.state_dict())
    for x, y in batches():
        expected = step(theirs, other, torch, torch.tensor(x), torch.tensor(y))
        assert step(ours, mine, lg, lg.asarray(x), lg.asarray(y)) == pytest.approx(expected)
        step(again, third, lg, lg.asarray(x), lg.asarray(y))
    for a, b in zip(ours.parameters(), again.parameters()):
        assert np.array_equal(a.numpy(), b.numpy())
