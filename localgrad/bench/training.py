"""Training steps of localgrad, PyTorch and JAX from one description of a network.

localgrad's networks speak PyTorch, so a network, its optimiser and its step are written once and
built with either package. All contenders begin with the weights of `initial` and see the batches
of the same seed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from localgrad.bench.workload import Running

Array = npt.NDArray[Any]
Shapes = Mapping[str, tuple[int, ...]]
Builder = Callable[[str], Running]
Recorder = Callable[[Any], AbstractContextManager[Any]]
"""Given the model, a context in which forward and backward are recorded."""


@dataclass(frozen=True)
class Training:
    """A network and how it is trained.

    network: given the package's `nn`, builds the model.
    shapes: of its parameters, by their names in the state_dict.
    optimiser: name in `optim`, with its arguments.
    batches: (input, target) pairs, taken in turn.
    """

    network: Callable[[Any], Any]
    shapes: Shapes
    optimiser: tuple[str, Mapping[str, float]]
    batches: Callable[[], Sequence[tuple[Array, Array]]]


def initial(shapes: Shapes) -> dict[str, Array]:
    """Initial weights, the same for all: uniform within 1/√(inputs); norms 1, biases 0."""
    random = np.random.default_rng(0)
    weights = {}
    for name, shape in shapes.items():
        if len(shape) > 1:
            bound = 1 / math.sqrt(math.prod(shape[1:]))
            drawn = random.uniform(-bound, bound, shape)
        else:
            drawn = np.ones(shape) if name.endswith("weight") else np.zeros(shape)
        weights[name] = drawn.astype(np.float32)
    return weights


def images(shape: tuple[int, ...], classes: int, count: int = 4) -> list[tuple[Array, Array]]:
    """Batches of normal float32 inputs of that shape, with a class each."""
    random = np.random.default_rng(1)
    return [
        (random.standard_normal(shape, dtype=np.float32), random.integers(0, classes, shape[0]))
        for _ in range(count)
    ]


def texts(batch: int, length: int, vocabulary: int, count: int = 4) -> list[tuple[Array, Array]]:
    """Batches of token numbers, each with the next tokens as its target."""
    random = np.random.default_rng(1)
    drawn = [random.integers(0, vocabulary, (batch, length + 1)) for _ in range(count)]
    return [(d[:, :-1].copy(), d[:, 1:].copy()) for d in drawn]


def with_localgrad(training: Training, record: Recorder | None = None) -> Builder:
    """localgrad, eager, as a user writes it; forward and backward under a recorder, if any."""

    def build(case: str) -> Running:
        import localgrad as lg
        from localgrad import nn, optim

        model = training.network(nn)
        _load(model, initial(training.shapes), lg.asarray)
        batches = [(lg.asarray(x), lg.asarray(y)) for x, y in training.batches()]
        optimiser = _optimiser(optim, model, training)
        return _eager(model, nn.CrossEntropyLoss(), optimiser, batches, record)

    return build


def with_torch(training: Training, variant: str = "", record: Recorder | None = None) -> Builder:
    """PyTorch: eager, "fused" with the fused optimiser, or "compile" with that and compiled."""

    def build(case: str) -> Running:
        import torch

        model = training.network(torch.nn)
        _load(model, initial(training.shapes), torch.from_numpy)
        fused = {"fused": True} if variant else {}
        optimiser = _optimiser(torch.optim, model, training, **fused)
        batches = [(torch.from_numpy(x), torch.from_numpy(y)) for x, y in training.batches()]
        criterion = torch.nn.CrossEntropyLoss()
        if variant == "compile":
            model = torch.compile(model)
        return _eager(model, criterion, optimiser, batches, record)

    return build


def with_jax(training: Training, logits: Callable[[dict[str, Any], Any], Any]) -> Builder:
    """JAX: the whole step, optimiser included, in one `jax.jit` with donated buffers.

    logits: of the weights, by PyTorch's names, and an input.
    """

    def build(case: str) -> Running:
        import jax

        from localgrad.bench.jax_optimisers import cross_entropy, update

        def loss(weights: Any, x: Any, y: Any) -> Any:
            return cross_entropy(logits(weights, x), y)

        begin, advance = update(training.optimiser)

        def step(weights: Any, state: Any, x: Any, y: Any) -> Any:
            value, gradients = jax.value_and_grad(loss)(weights, x, y)
            return value, *advance(weights, state, gradients)

        compiled = jax.jit(step, donate_argnums=(0, 1))
        weights = {name: jax.numpy.asarray(w) for name, w in initial(training.shapes).items()}
        state = begin(weights)
        batches = itertools.cycle([jax.device_put(pair) for pair in training.batches()])

        def run() -> Any:
            nonlocal weights, state
            value, weights, state = compiled(weights, state, *next(batches))
            return jax.block_until_ready(value)

        return Running(run)

    return build


def contenders(
    training: Training, logits: Callable[[dict[str, Any], Any], Any]
) -> dict[str, Builder]:
    """The five that every training workload compares."""
    return {
        "localgrad": with_localgrad(training),
        "torch": with_torch(training),
        "torch fused": with_torch(training, "fused"),
        "torch compile": with_torch(training, "compile"),
        "jax jit": with_jax(training, logits),
    }


def _load(model: Any, weights: Mapping[str, Array], tensor: Callable[[Array], Any]) -> None:
    """Load all weights; the buffers of batch norms, which are not among them, stay."""
    state = {**model.state_dict(), **{name: tensor(w) for name, w in weights.items()}}
    model.load_state_dict(state)


def _optimiser(optim: Any, model: Any, training: Training, **more: bool) -> Any:
    name, arguments = training.optimiser
    return getattr(optim, name)(model.parameters(), **arguments, **more)


def _eager(
    model: Any,
    criterion: Any,
    optimiser: Any,
    batches: Sequence[tuple[Any, Any]],
    record: Recorder | None,
) -> Running:
    """Logits of shape (…, classes) against targets of shape (…)."""
    turns = itertools.cycle(batches)

    def sweep() -> Any:
        x, y = next(turns)
        scores = model(x)
        if y.ndim > 1:
            scores, y = scores.reshape((-1, scores.shape[-1])), y.reshape((-1,))
        loss = criterion(scores, y)
        loss.backward()
        return loss

    def step() -> Any:
        optimiser.zero_grad()
        if record is None:
            loss = sweep()
        else:
            with record(model):
                loss = sweep()
        optimiser.step()
        return loss

    return Running(step)
