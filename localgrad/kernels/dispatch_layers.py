"""Which road an array takes, continued: channels, embeddings, sequences and updates."""

from __future__ import annotations

from typing import Any

from localgrad.kernels import cpu
from localgrad.kernels import reference_attention as scores
from localgrad.kernels import reference_dense as dense
from localgrad.kernels import reference_normalisation as norms
from localgrad.kernels import reference_optimisers as rules
from localgrad.kernels import reference_recurrent as sequences
from localgrad.kernels.dispatch import SMALL_ROWS, kernels_allowed, suits

SMALL_SEQUENCE = 1 << 15  # elements of x times those of a state
SMALL_UPDATE = 1 << 10  # elements of all parameters together


def channel_moments(x: Any, running: Any = None, momentum: float = 0.0) -> tuple[Any, Any]:
    """Mean and variance (divided by n) of every channel, towards which `running` ones move."""
    if x.size < SMALL_ROWS or not suits(x):
        return norms.channel_moments(x, running, momentum)
    if running is None or (suits(x, *running) and all(vector.flags.carray for vector in running)):
        return cpu.channel_moments(x, running, momentum)
    mean, variance = cpu.channel_moments(x)
    norms.move(running, mean, variance, x.size // mean.size, momentum)
    return mean, variance


def channel_norm(
    x: Any, mean: Any, variance: Any, weight: Any, bias: Any, eps: float
) -> tuple[Any, Any]:
    """(x − mean)/√(variance + eps) · weight + bias, each a vector of channels; and the root's
    reciprocal."""
    if x.size >= SMALL_ROWS and suits(x, weight, bias):
        return cpu.channel_norm(x, mean, variance, weight, bias, eps)
    return norms.channel_norm(x, mean, variance, weight, bias, eps)


def channel_norm_backward(
    g: Any, x: Any, mean: Any, scale: Any, weight: Any, fixed: bool, needs: tuple[bool, bool, bool]
) -> list[Any]:
    """Downstreams of x, weight and bias; `fixed` where mean and scale do not depend on x."""
    if x.size >= SMALL_ROWS and suits(g, x, weight):
        return cpu.channel_norm_backward(g, x, mean, scale, weight, fixed, needs)
    return norms.channel_norm_backward(g, x, mean, scale, weight, fixed, needs)


def gather_rows(table: Any, index: Any) -> Any:
    """table[index]."""
    if table.ndim == 2 and index.size * table.shape[1] >= SMALL_ROWS and suits(table):
        return cpu.gather_rows(table, index)
    return dense.gather_rows(table, index)


def scatter_rows(g: Any, index: Any, count: int) -> Any:
    """`count` rows of zeros with the rows of g added where `index` says."""
    if g.ndim == index.ndim + 1 and g.size >= SMALL_ROWS and suits(g):
        return cpu.scatter_rows(g, index, count)
    return dense.scatter_rows(g, index, count)


def _recurs(x: Any, h: Any, *weights: Any) -> bool:
    """Whether a kernel takes these sequences."""
    return x.size * h.shape[-1] >= SMALL_SEQUENCE and suits(x, h, *weights)


def lstm(
    x: Any, h: Any, c: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any
) -> tuple[tuple[Any, Any, Any], Any]:
    """(outputs, last h, last c), and what backward needs."""
    if _recurs(x, h, c, w_ih, w_hh, b_ih, b_hh):
        return cpu.lstm(x, h, c, w_ih, w_hh, b_ih, b_hh)
    return sequences.lstm(x, h, c, w_ih, w_hh, b_ih, b_hh)


def lstm_backward(
    upstream: Any, saved: Any, x: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any
) -> list[Any]:
    """Downstreams of x, h, c, w_ih, w_hh, b_ih, b_hh; a part of `upstream` may be None."""
    run = sequences if len(saved) == 3 else cpu  # whichever made it
    return run.lstm_backward(upstream, saved, x, w_ih, w_hh, b_ih, b_hh)


def gru(
    x: Any, h: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any
) -> tuple[tuple[Any, Any], Any]:
    """(outputs, last h), and what backward needs."""
    if _recurs(x, h, w_ih, w_hh, b_ih, b_hh):
        return cpu.gru(x, h, w_ih, w_hh, b_ih, b_hh)
    return sequences.gru(x, h, w_ih, w_hh, b_ih, b_hh)


def gru_backward(
    upstream: Any, saved: Any, x: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any
) -> list[Any]:
    """Downstreams of x, h, w_ih, w_hh, b_ih, b_hh."""
    run = sequences if len(saved) == 3 else cpu  # whichever made it
    return run.gru_backward(upstream, saved, x, w_ih, w_hh, b_ih, b_hh)


def attention(
    q: Any, k: Any, v: Any, mask: Any, causal: bool, scale: float, kept: Any
) -> tuple[Any, Any]:
    """softmax(q kᵀ · scale + mask) v, and what backward needs."""
    plain = mask is None and kept is None and q.shape[:-2] == k.shape[:-2] == v.shape[:-2]
    if plain and q.size * k.shape[-2] >= SMALL_SEQUENCE and suits(q, k, v):
        return cpu.attention(q, k, v, causal, scale)
    return scores.attention(q, k, v, mask, causal, scale, kept)


def attention_backward(
    g: Any, q: Any, k: Any, v: Any, saved: Any, scale: float, kept: Any,
    needs: tuple[bool, bool, bool],
) -> list[Any]:
    """Downstreams of q, k and v, given what `attention` kept: the softmax, or less."""
    if isinstance(saved, tuple):
        return cpu.attention_backward(g, q, k, v, saved, scale)
    return scores.attention_backward(g, q, k, v, saved, scale, kept, needs)


def _launched(values: list[Any]) -> bool:
    """Whether one launch for all of these is quicker than NumPy's calls for each."""
    count = 0
    for value in values:
        count += value.size
        if count >= SMALL_UPDATE:
            return kernels_allowed()
    return False


def sgd_step(
    values: list[Any], gradients: list[Any], velocities: Any, options: dict[str, Any]
) -> None:
    """w ← w − lr · v; `velocities` holds None where none was made yet, and is filled in."""
    if not (_launched(values) and cpu.sgd_step(values, gradients, velocities, options)):
        rules.sgd_step(values, gradients, velocities, options)


def adam_step(
    values: list[Any],
    gradients: list[Any],
    means: list[Any],
    squares: list[Any],
    largest: Any,
    steps: list[int],
    options: dict[str, Any],
) -> None:
    """w ← w − lr · m̂ / (√v̂ + eps); `largest` are the maxima of v for amsgrad, or None."""
    state = (means, squares, largest, steps, options)
    if not (_launched(values) and cpu.adam_step(values, gradients, *state)):
        rules.adam_step(values, gradients, *state)
