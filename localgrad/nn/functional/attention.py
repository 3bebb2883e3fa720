"""Attention as functions."""

from __future__ import annotations

import math
from typing import Any

import numpy

from localgrad import errors_of_layers as errors
from localgrad import ops, random
from localgrad.graph.record import here
from localgrad.local.operation import as_raw
from localgrad.ops.network import attention as fused
from localgrad.tensor import Tensor

__all__ = [
    "scaled_dot_product_attention",
]



def additive(mask: Any, dtype: Any) -> Any:
    """A mask as numbers to add to the scores: −∞ where a boolean one is false."""
    raw = as_raw(mask)
    if raw.dtype.kind == "b":
        return numpy.where(raw, dtype.type(0), dtype.type(-numpy.inf))
    return mask if isinstance(mask, Tensor) and mask.source is not None else raw.astype(dtype)


def drawn(shape: tuple[int, ...], dropout_p: float, dtype: Any) -> Any:
    """Dropout's draw on the attention weights."""
    kept = random.bernoulli(shape, 1 - dropout_p).astype(dtype)
    return kept if dropout_p == 1 else kept / dtype.type(1 - dropout_p)


def scaled_dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(query keyᵀ · scale + mask) value; (…, length, width), scale 1/√width by default.

    `attn_mask` is added to the scores, or says, as truth values, where to look. `is_causal` lets
    a query look at no key after itself. With `enable_gqa`, groups of heads share keys and values.

    >>> import localgrad as lg
    >>> q = lg.ones((1, 2, 4))
    >>> lg.nn.functional.scaled_dot_product_attention(q, q, q, is_causal=True).shape
    (1, 2, 4)
    """
    if enable_gqa:
        heads = query.shape[-3]
        key = ops.repeat(key, heads // key.shape[-3], axis=-3)
        value = ops.repeat(value, heads // value.shape[-3], axis=-3)
    fits = query.shape[-1] == key.shape[-1] and key.shape[-2] == value.shape[-2]
    if not fits or min(query.ndim, key.ndim, value.ndim) < 2:
        raise errors.attention_shapes(query.shape, key.shape, value.shape, here())
    if is_causal and attn_mask is not None:
        raise errors.two_masks(here())
    lead = query.shape[:-2]
    if not lead == key.shape[:-2] == value.shape[:-2]:
        lead = numpy.broadcast_shapes(lead, key.shape[:-2], value.shape[:-2])
        query, key, value = (
            t if t.shape[:-2] == lead else ops.broadcast_to(t, (*lead, *t.shape[-2:]))
            for t in (query, key, value)
        )
    options = {
        "causal": is_causal,
        "scale": 1 / math.sqrt(query.shape[-1]) if scale is None else scale,
    }
    if dropout_p:
        shape = (*lead, query.shape[-2], key.shape[-2])
        options["kept"] = drawn(shape, dropout_p, query.dtype)
    if attn_mask is not None:
        options["mask"] = mask = additive(attn_mask, query.dtype)
        if isinstance(mask, Tensor):  # a learned mask has a gradient of its own
            return fused.attention.derivation(query, key, value, **options)
    return fused.attention(query, key, value, **options)
