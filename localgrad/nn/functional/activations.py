"""Activations as functions. `inplace` is taken as PyTorch spells it, and makes a new tensor."""

from __future__ import annotations

from typing import Any

from localgrad import ops, random
from localgrad.ops.norms import vector_norm
from localgrad.tensor import Tensor

__all__ = [
    "celu",
    "elu",
    "gelu",
    "glu",
    "gumbel_softmax",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "leaky_relu",
    "log_softmax",
    "logsigmoid",
    "mish",
    "normalize",
    "prelu",
    "relu",
    "relu6",
    "rrelu",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
]



def relu(input: Any, inplace: bool = False) -> Tensor:
    """max(x, 0)."""
    return ops.relu(input)


def relu6(input: Any, inplace: bool = False) -> Tensor:
    """min(max(x, 0), 6)."""
    return ops.relu6(input)


def leaky_relu(input: Any, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x where x > 0, else negative_slope · x."""
    return ops.leaky_relu(input, negative_slope=negative_slope)


def prelu(input: Any, weight: Any) -> Tensor:
    """x where x > 0, else weight · x; one weight, or one per channel (axis 1)."""
    if weight.size > 1 and input.ndim > 1:
        weight = ops.reshape(weight, (1, -1, *[1] * (input.ndim - 2)))
    return ops.prelu(input, weight)


def rrelu(
    input: Any,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Tensor:
    """x where x > 0, else slope · x; in training a slope is drawn for every element."""
    if not training:
        return ops.leaky_relu(input, negative_slope=(lower + upper) / 2)
    slopes = random.generator().uniform(lower, upper, input.shape).astype(input.dtype)
    return ops.prelu(input, slopes)


def elu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, else alpha · (eˣ − 1)."""
    return ops.elu(input, alpha=alpha)


def selu(input: Any, inplace: bool = False) -> Tensor:
    """1.0507 · elu(x, 1.6733)."""
    return ops.selu(input)


def celu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, else alpha · (e^(x/alpha) − 1)."""
    return ops.celu(input, alpha=alpha)


def gelu(input: Any, approximate: str = "none") -> Tensor:
    """x · Φ(x), Φ the normal distribution; "tanh" for the formula with tanh."""
    return ops.gelu(input, approximate)


def silu(input: Any, inplace: bool = False) -> Tensor:
    """x · sigmoid(x)."""
    return ops.silu(input)


def mish(input: Any, inplace: bool = False) -> Tensor:
    """x · tanh(softplus(x))."""
    return ops.mish(input)


def sigmoid(input: Any) -> Tensor:
    """1 / (1 + e⁻ˣ)."""
    return ops.sigmoid(input)


def logsigmoid(input: Any) -> Tensor:
    """log sigmoid(x)."""
    return ops.logsigmoid(input)


def tanh(input: Any) -> Tensor:
    """The hyperbolic tangent."""
    return ops.tanh(input)


def tanhshrink(input: Any) -> Tensor:
    """x − tanh x."""
    return ops.tanhshrink(input)


def softplus(input: Any, beta: float = 1, threshold: float = 20) -> Tensor:
    """log(1 + e^(beta·x)) / beta; x itself where beta·x > threshold."""
    return ops.softplus(input, beta=beta, threshold=threshold)


def softsign(input: Any) -> Tensor:
    """x / (1 + |x|)."""
    return ops.softsign(input)


def softshrink(input: Any, lambd: float = 0.5) -> Tensor:
    """x pulled towards 0 by lambd."""
    return ops.softshrink(input, lambd=lambd)


def hardshrink(input: Any, lambd: float = 0.5) -> Tensor:
    """0 where |x| ≤ lambd, else x."""
    return ops.hardshrink(input, lambd=lambd)


def hardtanh(
    input: Any, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    """min(max(x, min_val), max_val)."""
    return ops.hardtanh(input, min_val=min_val, max_val=max_val)


def hardsigmoid(input: Any, inplace: bool = False) -> Tensor:
    """min(max(x + 3, 0), 6) / 6."""
    return ops.hardsigmoid(input)


def hardswish(input: Any, inplace: bool = False) -> Tensor:
    """x · min(max(x + 3, 0), 6) / 6."""
    return ops.hardswish(input)


def threshold(input: Any, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """x where x > threshold, else value."""
    return ops.threshold(input, threshold=threshold, value=value)


def glu(input: Any, dim: int = -1) -> Tensor:
    """a · sigmoid(b), where a and b are the two halves of x along `dim`."""
    return ops.glu(input, dim)


def _default_axis(input: Any, dim: int | None) -> int:
    return (0 if input.ndim in (0, 1, 3) else 1) if dim is None else dim


def softmax(input: Any, dim: int | None = None, dtype: Any = None) -> Tensor:
    """eˣ / Σ eˣ along `dim`."""
    x = input if dtype is None else ops.astype(input, dtype)
    return ops.softmax(x, axis=_default_axis(input, dim))


def log_softmax(input: Any, dim: int | None = None, dtype: Any = None) -> Tensor:
    """log softmax(x) along `dim`, without under- or overflow."""
    x = input if dtype is None else ops.astype(input, dtype)
    return ops.log_softmax(x, axis=_default_axis(input, dim))


def softmin(input: Any, dim: int | None = None, dtype: Any = None) -> Tensor:
    """softmax(−x) along `dim`."""
    return softmax(-input, dim, dtype)


def gumbel_softmax(
    logits: Any, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Tensor:
    """softmax((x + gumbel noise) / tau); with `hard`, its one-hot, and the softmax's gradient."""
    noise = random.generator().gumbel(size=logits.shape).astype(logits.dtype)
    soft = ops.softmax((logits + noise) / tau, axis=dim)
    if not hard:
        return soft
    best = ops.equal(soft, ops.max(soft, axis=dim, keepdims=True)).astype(logits.dtype)
    return best - soft.detach() + soft


def normalize(input: Any, p: float = 2.0, dim: Any = 1, eps: float = 1e-12) -> Tensor:
    """x / max(‖x‖ₚ, eps) along `dim`."""
    size = vector_norm(input, ord=p, axis=dim, keepdims=True)
    return input / ops.clip(size, eps)
