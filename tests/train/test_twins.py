"""Every recipe's network against its PyTorch twin, trained from the same weights.

The twin is the recipe's own source, read with PyTorch's names in place of ours: that this works at
all is what "names as PyTorch's" means. Both train for fifty steps in float64 with dropout off;
losses and every parameter's gradient must agree, and our float32 kernels must follow.
"""

import inspect
import types
from typing import Any

import numpy as np
import pytest

import localgrad as lg
from localgrad.graph.order import oldest_first, reachable
from localgrad.kernels.reference_pooling import max_pool
from localgrad.train import catalogue

torch = pytest.importorskip("torch")

STEPS = 50
CHARACTERS, LENGTH = 20, 12
RNG = np.random.default_rng(0)


def images(*shape: int, classes: int = 10) -> tuple[np.ndarray, ...]:
    return RNG.standard_normal(shape), RNG.integers(0, classes, shape[0])


def by_class(network: Any, batch: Any, F: Any) -> Any:
    return F.cross_entropy(network(batch[0]), batch[1])


def by_squares(network: Any, batch: Any, F: Any) -> Any:
    return ((network(batch[0]) - batch[1]) ** 2).sum(1).mean() / 2


def by_reconstruction(network: Any, batch: Any, F: Any) -> Any:
    pixels = batch[0].reshape(len(batch[0]), -1)
    return F.mse_loss(network(pixels), pixels)


def by_character(network: Any, batch: Any, F: Any) -> Any:
    logits = network(batch[0])
    return F.cross_entropy(logits.reshape(-1, logits.shape[-1]), batch[1].reshape(-1))


def by_three_heads(network: Any, batch: Any, F: Any) -> Any:
    digit, box, mask = network(batch[0])
    return (
        F.cross_entropy(digit, batch[1])
        + 4.0 * F.smooth_l1_loss(box, batch[2], beta=0.1)
        + 2.0 * F.binary_cross_entropy_with_logits(mask, batch[3])
    )


def text() -> tuple[np.ndarray, ...]:
    drawn = RNG.integers(0, CHARACTERS, (4, LENGTH + 1))
    return drawn[:, :-1].copy(), drawn[:, 1:].copy()


SCENES = images(2, 1, 32, 32)
CASES: dict[str, tuple[Any, Any]] = {
    "mlp": (images(8, 1, 8, 8), by_class),
    "lenet": (images(8, 1, 8, 8), by_class),
    "resnet": (images(6, 1, 8, 8), by_class),
    "inception": (images(6, 1, 8, 8), by_class),
    "densenet": (images(6, 1, 8, 8), by_class),
    "vit": (images(6, 1, 8, 8), by_class),
    "digits": (images(6, 1, 8, 8), by_class),
    "mnist": (images(2, 1, 28, 28), by_class),
    "lecun1989": ((RNG.standard_normal((6, 1, 16, 16)), np.eye(10)[:6] * 2 - 1), by_squares),
    "autoencoder": (images(8, 1, 8, 8), by_reconstruction),
    "unet": ((SCENES[0], RNG.integers(0, 11, (2, 32, 32))), by_class),
    "multitask": (
        (*SCENES, RNG.random((2, 4)), (RNG.random((2, 32, 32)) < 0.3).astype(float)),
        by_three_heads,
    ),
    "rnn": (text(), by_character),
    "lstm": (text(), by_character),
    "gru": (text(), by_character),
    "transformer": (text(), by_character),
    "tabular": (images(8, 30, classes=2), by_class),
}


class Examples:
    """What a recipe looks at to size its network: the first example, and all labels."""

    def __init__(self, batch: Any) -> None:
        self.batch = batch
        self.tensors = [types.SimpleNamespace(numpy=lambda part=part: part) for part in batch]

    def __getitem__(self, index: int) -> Any:
        return [part[index] for part in self.batch]


def network(recipe: Any, batch: Any) -> Any:
    recipe.text = types.SimpleNamespace(vocabulary=range(CHARACTERS))
    recipe.length = LENGTH
    return recipe.network(Examples(batch))


def in_pytorch(name: str) -> Any:
    """The recipe whose source says torch where ours says localgrad."""
    ours = catalogue.recipe(name)
    source = inspect.getsource(inspect.getmodule(type(ours)))
    for mine, theirs in (
        ("import localgrad as lg\n", "import torch as lg\n"),
        ("from localgrad import data, nn\n", "from localgrad import data\nfrom torch import nn\n"),
        ("from localgrad import nn\n", "from torch import nn\n"),
        ("from localgrad.nn import functional as F", "from torch.nn import functional as F"),
        ("numpy.arange", "__import__('torch').arange"),
    ):
        source = source.replace(mine, theirs)
    module = types.ModuleType("twin")
    exec(compile(source, f"<{name} in PyTorch>", "exec"), module.__dict__)
    return getattr(module, type(ours).__name__)()


def without_dropout(network: Any) -> Any:
    network.train()
    for module in network.modules():
        if type(module).__name__ == "Dropout":
            module.p = 0.0
    return network


def twins(name: str, dtype: str) -> tuple[Any, Any]:
    """Our network and PyTorch's, with one state, which loads by PyTorch's names."""
    batch, _ = CASES[name]
    torch.manual_seed(0)
    theirs = without_dropout(network(in_pytorch(name), batch)).double()
    ours = without_dropout(network(catalogue.recipe(name), batch))
    ours = ours.double() if dtype == "float64" else ours.float()
    copy_state(theirs, ours, dtype)
    return ours, theirs


def copy_state(theirs: Any, ours: Any, dtype: str) -> None:
    state = {k: as_dtype(v.numpy(), dtype) for k, v in theirs.state_dict().items()}
    ours.load_state_dict({k: lg.asarray(v.copy()) for k, v in state.items()})


def as_dtype(part: np.ndarray, dtype: str) -> np.ndarray:
    return part.astype(dtype) if part.dtype.kind == "f" else part


@pytest.mark.parametrize("name", CASES)
def test_fifty_steps_agree_with_pytorch(name: str) -> None:
    batch, loss = CASES[name]
    ours, theirs = twins(name, "float64")
    mine = lg.optim.SGD(ours.parameters(), lr=0.02, momentum=0.9)
    other = torch.optim.SGD(theirs.parameters(), lr=0.02, momentum=0.9)
    inputs = [lg.asarray(part) for part in batch]
    their_inputs = [torch.tensor(part) for part in batch]
    for _ in range(STEPS):
        mine.zero_grad()
        other.zero_grad()
        a = loss(ours, inputs, lg.nn.functional)
        b = loss(theirs, their_inputs, torch.nn.functional)
        a.backward()
        b.backward()
        assert a.item() == pytest.approx(b.item(), rel=1e-9)
        for (path, p), q in zip(ours.named_parameters(), theirs.parameters()):
            np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), atol=1e-9, err_msg=path)
        mine.step()
        other.step()


def exact_gradients(model: Any, seed: int, inputs: list[Any], loss: Any) -> list[np.ndarray]:
    """Gradients in float64; from weights one part in a million away, unless the seed is 0."""
    if seed:
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for p in model.parameters():
                p.mul_(1 + 1e-6 * torch.randn(p.shape, generator=generator, dtype=p.dtype))
    loss(model, inputs, torch.nn.functional).backward()
    return [p.grad.numpy() for p in model.parameters()]


@pytest.mark.parametrize("name", CASES)
def test_the_kernels_of_float32_follow(name: str) -> None:
    """From each of the fifty weights of the float64 training, to 1e-4: the loss, the weights after
    our own step, and every parameter's gradient relative to its norm.

    Every step starts from the exact weights, because a relu or a maximum that decides differently
    within the rounding of float32 parts two trajectories for good, PyTorch's own too. The gradient
    jumps there, so it is compared at the steps where every unit decides as in float64: nearly all.
    """
    batch, loss = CASES[name]
    ours, theirs = twins(name, "float32")
    exact_ours, _ = twins(name, "float64")
    inputs = [lg.asarray(as_dtype(part, "float32")) for part in batch]
    wide_inputs = [lg.asarray(part) for part in batch]
    exact_inputs = [torch.tensor(part) for part in batch]
    optimiser = lg.optim.SGD(ours.parameters(), lr=1e-3)
    exact_optimiser = torch.optim.SGD(theirs.parameters(), lr=1e-3)
    alike = 0
    for _ in range(STEPS):
        copy_state(theirs, ours, "float32")
        copy_state(theirs, exact_ours, "float64")
        for each in (optimiser, exact_optimiser):
            each.zero_grad()
        value = loss(ours, inputs, lg.nn.functional)
        exact = loss(theirs, exact_inputs, torch.nn.functional)
        same = decisions(value) == decisions(loss(exact_ours, wide_inputs, lg.nn.functional))
        value.backward()
        exact.backward()
        assert abs(value.item() / exact.item() - 1) <= 1e-4
        if same:
            alike += 1
            compare_gradients(ours, theirs)
        optimiser.step()
        exact_optimiser.step()
        for (path, p), q in zip(ours.named_parameters(), theirs.parameters()):
            found, expected = p.numpy(), q.detach().numpy()
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4, err_msg=path)
    assert alike >= 0.8 * STEPS


def decisions(loss: Any) -> list[bytes]:
    """What every relu let pass and every maximum chose, in the order of the forward pass."""
    found = []
    for node in oldest_first(reachable([loss.node])):
        if node.op.name == "relu":
            found.append((node.retained["y"] > 0).tobytes())
        elif node.op.name == "max_pool":
            _, chosen = max_pool(node.retained["x"], **node.options)
            found.append(chosen.tobytes())
    return found


def compare_gradients(ours: Any, theirs: Any) -> None:
    """Every parameter's, relative to its norm; one that is zero by design, to the whole."""
    pairs = zip(ours.named_parameters(), theirs.parameters())
    gradients = [(path, p.grad.numpy(), q.grad.numpy()) for (path, p), q in pairs]
    whole = np.linalg.norm([np.linalg.norm(expected) for _, _, expected in gradients])
    for path, found, expected in gradients:
        error = np.linalg.norm(found - expected)
        assert error <= 1e-4 * np.linalg.norm(expected) + 1e-6 * whole, path
