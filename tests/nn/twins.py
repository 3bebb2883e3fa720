"""A module here and its namesake in PyTorch: the same weights, inputs, outputs, gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import localgrad as lg

torch = pytest.importorskip("torch")

TOLERANCE = 1e-10


def twins(build: Any, seed: int = 0) -> tuple[Any, Any]:
    """The module that `build(nn)` makes, from both libraries, in float64, with one state."""
    torch.manual_seed(seed)
    theirs = build(torch.nn).double()
    ours = build(lg.nn).double()
    state = theirs.state_dict()
    assert list(ours.state_dict()) == list(state)
    for name, value in ours.state_dict().items():
        assert value.shape == tuple(state[name].shape), name
    ours.load_state_dict(state)
    back = {name: torch.from_numpy(v.numpy().copy()) for name, v in ours.state_dict().items()}
    theirs.load_state_dict(back)
    return ours, theirs


def leaves(arguments: Any) -> tuple[list[Any], list[Any]]:
    """Arguments for both libraries; float arrays require gradients."""
    ours, theirs = [], []
    for argument in arguments:
        if isinstance(argument, np.ndarray):
            wanted = argument.dtype.kind == "f"
            ours.append(lg.asarray(argument.copy(), requires_grad=wanted))
            theirs.append(torch.tensor(argument, requires_grad=wanted))
        else:
            ours.append(argument)
            theirs.append(argument)
    return ours, theirs


def flat(outputs: Any) -> list[Any]:
    """The tensors in an output that may be nested."""
    if isinstance(outputs, tuple | list):
        return [t for part in outputs for t in flat(part)]
    return [] if outputs is None else [outputs]


def close(ours: Any, theirs: Any, what: str = "", tolerance: float = TOLERANCE) -> None:
    theirs = theirs.detach().numpy()
    assert ours.shape == theirs.shape, what
    np.testing.assert_allclose(ours.numpy(), theirs, rtol=tolerance, atol=tolerance, err_msg=what)


def weighted(tensors: Any, library: Any) -> Any:
    """One number that depends on every element differently, so that a swap is noticed."""
    total = 0
    for tensor in tensors:
        weights = np.cos(np.arange(np.prod(tensor.shape, dtype=int)) + 1.0).reshape(tensor.shape)
        wrapped = lg.asarray(weights) if library is lg else torch.tensor(weights)
        total = total + (tensor * wrapped).sum()
    return total


def compare_calls(
    ours: Any, theirs: Any, arguments: Any, modules: Any = None, tolerance: float = TOLERANCE
) -> None:
    """Outputs and all gradients of `ours(*arguments)` against `theirs(*arguments)`."""
    mine, other = leaves(arguments)
    y, z = flat(ours(*mine)), flat(theirs(*other))
    assert len(y) == len(z)
    for a, b in zip(y, z):
        close(a, b, "output", tolerance)
    weighted([t for t in y if t.requires_grad], lg).backward()
    weighted([t for t in z if t.requires_grad], torch).backward()
    for number, (a, b) in enumerate(zip(mine, other)):
        if isinstance(a, lg.Tensor) and a.requires_grad:
            close(a.grad, b.grad, f"gradient of argument {number}", tolerance)
    if modules is not None:
        named = dict(modules[1].named_parameters())
        for name, parameter in modules[0].named_parameters():
            if named[name].grad is None:
                assert parameter.grad is None, name
            else:
                close(parameter.grad, named[name].grad, f"gradient of {name}", tolerance)
        for name, buffer in modules[0].named_buffers():
            close(buffer, dict(modules[1].named_buffers())[name], name, tolerance)


def compare(build: Any, *arguments: Any, tolerance: float = TOLERANCE) -> None:
    """A module against its namesake: training, evaluation, repr's class, states both ways."""
    ours, theirs = twins(build)
    compare_calls(ours, theirs, arguments, (ours, theirs), tolerance)
    ours.eval(), theirs.eval()
    ours.zero_grad(), theirs.zero_grad()
    compare_calls(ours, theirs, arguments, (ours, theirs), tolerance)
