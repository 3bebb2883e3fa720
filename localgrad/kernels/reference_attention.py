"""Scaled dot-product attention in NumPy: the oracle of the kernels.

q (…, queries, width), k (…, keys, width), v (…, keys, values); `mask` is added to the scores and
`kept` (of dropout, already divided by its probability) multiplies the weights; either may be None.
"""

from __future__ import annotations

from typing import Any

import numpy


def attention(
    q: Any, k: Any, v: Any, mask: Any, causal: bool, scale: float, kept: Any
) -> tuple[Any, Any]:
    """softmax(q kᵀ · scale + mask) v, and the softmax."""
    weights = (q * q.dtype.type(scale)) @ k.swapaxes(-1, -2)
    if mask is not None:
        weights = weights + mask
    if causal:
        numpy.copyto(weights, -numpy.inf, where=later(*weights.shape[-2:]))
    top = numpy.maximum.reduce(weights, axis=-1, keepdims=True, initial=-numpy.inf)
    # A row with nothing to attend to has top −∞; exp(−∞ − 0) makes its weights zero.
    weights -= numpy.where(numpy.isneginf(top), 0, top)
    numpy.exp(weights, out=weights)
    totals = numpy.add.reduce(weights, axis=-1, keepdims=True)
    weights /= numpy.where(totals == 0, 1, totals)
    return (weights if kept is None else weights * kept) @ v, weights


def later(queries: int, keys: int) -> Any:
    """Where a key comes after its query, and is not looked at, even if it is NaN."""
    return numpy.arange(keys) > numpy.arange(queries)[:, None]


def attention_backward(
    g: Any,
    q: Any,
    k: Any,
    v: Any,
    weights: Any,
    scale: float,
    kept: Any,
    needs: tuple[bool, bool, bool],
) -> list[Any]:
    """Downstreams of q, k and v, given the softmax."""
    result: list[Any] = [None, None, None]
    if needs[2]:
        used = weights if kept is None else weights * kept
        result[2] = used.swapaxes(-1, -2) @ g
    if needs[0] or needs[1]:
        scores = g @ v.swapaxes(-1, -2)
        if kept is not None:
            scores *= kept
        scores -= numpy.add.reduce(scores * weights, axis=-1, keepdims=True)
        scores *= weights
        scores *= scores.dtype.type(scale)
        if needs[0]:
            result[0] = scores @ k
        if needs[1]:
            result[1] = scores.swapaxes(-1, -2) @ q
    return result
