"""Multi-head attention, and embeddings of position."""

from __future__ import annotations

import math
from typing import Any

import numpy

from localgrad import errors_of_layers as errors
from localgrad import ops
from localgrad.graph.record import here
from localgrad.kernels.reference_attention import later
from localgrad.nn import functional as F
from localgrad.nn import init
from localgrad.nn.dense import Dropout, Linear, empty
from localgrad.nn.functional.attention import additive
from localgrad.nn.module import Module
from localgrad.tensor import Tensor


class NonDynamicallyQuantizableLinear(Linear):
    """A Linear under the name that PyTorch prints for the output projection of attention."""


class MultiheadAttention(Module):
    """softmax(Q Kᵀ/√d) V in `num_heads` heads, Q, K, V being projections of query, key, value.

    Shapes (length, batch, embed_dim), or (batch, length, embed_dim) with `batch_first`, or
    without a batch (Vaswani et al., 2017).
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if embed_dim % num_heads:
            raise errors.heads(embed_dim, num_heads, here())
        self.embed_dim = embed_dim
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self.num_heads = num_heads
        self.dropout = dropout
        self.batch_first = batch_first
        self.head_dim = embed_dim // num_heads
        self.add_zero_attn = add_zero_attn
        together = self.kdim == embed_dim and self.vdim == embed_dim
        sizes = {"q": embed_dim, "k": self.kdim, "v": self.vdim}
        for name, size in sizes.items():
            made = None if together else empty((embed_dim, size), dtype)
            self.register_parameter(f"{name}_proj_weight", made)
        joint = empty((3 * embed_dim, embed_dim), dtype) if together else None
        self.register_parameter("in_proj_weight", joint)
        self.register_parameter("in_proj_bias", empty((3 * embed_dim,), dtype) if bias else None)
        self.out_proj = NonDynamicallyQuantizableLinear(embed_dim, embed_dim, bias, dtype=dtype)
        for name in ("bias_k", "bias_v"):
            made = empty((1, 1, embed_dim), dtype) if add_bias_kv else None
            self.register_parameter(name, made)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        for name in ("q_proj_weight", "k_proj_weight", "v_proj_weight", "in_proj_weight"):
            if getattr(self, name) is not None:
                init.xavier_uniform_(getattr(self, name))
        if self.in_proj_bias is not None:
            init.zeros_(self.in_proj_bias)
            init.zeros_(self.out_proj.bias)
        for vector in (self.bias_k, self.bias_v):
            if vector is not None:
                init.xavier_normal_(vector)

    def projections(self, query: Any, key: Any, value: Any) -> list[Any]:
        """Q, K and V."""
        biases = [None] * 3 if self.in_proj_bias is None else ops.split(self.in_proj_bias, 3)
        if self.in_proj_weight is None:
            weights = [self.q_proj_weight, self.k_proj_weight, self.v_proj_weight]
        elif query is key and key is value:
            joint = F.linear(query, self.in_proj_weight, self.in_proj_bias)
            return list(ops.split(joint, 3, axis=-1))
        else:
            weights = list(ops.split(self.in_proj_weight, 3))
        return [F.linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases)]

    def forward(
        self,
        query: Any,
        key: Any,
        value: Any,
        key_padding_mask: Any = None,
        need_weights: bool = True,
        attn_mask: Any = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Any, Any]:
        """The mixture, and the weights of it (averaged over heads) if `need_weights`.

        In truth-valued masks True means: do not look there, as PyTorch has it here.
        """
        if query.ndim == 2:
            if key_padding_mask is not None:
                key_padding_mask = key_padding_mask[None]
            axis = 0 if self.batch_first else 1
            parts = [ops.expand_dims(t, axis=axis) for t in (query, key, value)]
            y, weights = self._attend(parts, key_padding_mask, need_weights, attn_mask, is_causal)
            y = ops.squeeze(y, axis)
            weights = None if weights is None else weights[0]
        else:
            same = (query, key, value)
            y, weights = self._attend(same, key_padding_mask, need_weights, attn_mask, is_causal)
        if weights is not None and average_attn_weights:
            weights = ops.mean(weights, axis=-3)
        return y, weights

    def _attend(
        self, parts: Any, padding: Any, need_weights: bool, attn_mask: Any, is_causal: bool
    ) -> tuple[Any, Any]:
        q, k, v = self.projections(*parts)
        if not self.batch_first:
            q, k, v = (ops.swapaxes(t, 0, 1) for t in (q, k, v))
        batch = q.shape[0]
        mask = self.mask(q, k, padding, attn_mask, is_causal)
        if self.bias_k is not None:
            k = ops.concat([k, ops.broadcast_to(self.bias_k, (batch, 1, self.embed_dim))], axis=1)
            v = ops.concat([v, ops.broadcast_to(self.bias_v, (batch, 1, self.embed_dim))], axis=1)
        if self.add_zero_attn:
            nothing = Tensor(numpy.zeros((batch, 1, self.embed_dim), k.dtype))
            k, v = (ops.concat([t, nothing], axis=1) for t in (k, v))
        if mask is not None and mask.shape[-1] < k.shape[1]:
            widths = [(0, 0)] * (mask.ndim - 1) + [(0, k.shape[1] - mask.shape[-1])]
            mask = ops.pad(mask, widths)
        q, k, v = (self._heads(t) for t in (q, k, v))
        rate = self.dropout if self.training else 0.0
        weights = None
        if need_weights:
            scores = ops.matmul(q * (1 / math.sqrt(self.head_dim)), ops.matrix_transpose(k))
            weights = ops.softmax(scores if mask is None else scores + mask, axis=-1)
            weights = F.dropout(weights, rate)
            y = ops.matmul(weights, v)
        else:
            y = F.scaled_dot_product_attention(q, k, v, mask, rate)
        y = ops.reshape(ops.swapaxes(y, 1, 2), (batch, q.shape[2], self.embed_dim))
        y = self.out_proj(y)
        return y if self.batch_first else ops.swapaxes(y, 0, 1), weights

    def _heads(self, x: Any) -> Any:
        """(batch, length, embed_dim) as (batch, heads, length, head_dim)."""
        split = ops.reshape(x, (x.shape[0], x.shape[1], self.num_heads, self.head_dim))
        return ops.swapaxes(split, 1, 2)

    def mask(self, q: Any, k: Any, padding: Any, attn_mask: Any, is_causal: bool) -> Any:
        """One mask to add to scores (batch, heads, queries, keys), or None."""
        if is_causal and attn_mask is None:
            raise errors.causal_without_mask(here())
        total = None
        if attn_mask is not None:
            total = _forbidding(attn_mask, q.dtype)
            if total.ndim == 3:
                total = ops.reshape(total, (-1, self.num_heads, *total.shape[-2:]))
        if padding is not None:
            hidden = _forbidding(padding, q.dtype)[:, None, None, :]
            total = hidden if total is None else total + hidden
        return total


def _forbidding(mask: Any, dtype: Any) -> Any:
    """A mask to add, of one whose True forbids."""
    raw = mask.value if isinstance(mask, Tensor) else numpy.asarray(mask)
    made = additive(~raw if raw.dtype.kind == "b" else mask, dtype)
    return made if isinstance(made, Tensor) else Tensor(made)


def square_subsequent_mask(size: int, dtype: Any = "float32") -> Tensor:
    """−∞ where a key comes after its query, else 0: (size, size)."""
    return Tensor(numpy.where(later(size, size), -numpy.inf, 0).astype(dtype))


class SinusoidalPositions(Module):
    """x + sines and cosines of position (Vaswani et al., 2017), for x (…, length, width).

    Position p at 2i has sin(p / 10000^(2i/width)), at 2i + 1 its cosine.
    """

    def __init__(self, embed_dim: int, max_len: int = 5000, dropout: float = 0.0) -> None:
        super().__init__()
        angles = numpy.arange(max_len)[:, None] / 10000.0 ** (
            numpy.arange(0, embed_dim, 2) / embed_dim
        )
        table = numpy.stack([numpy.sin(angles), numpy.cos(angles)], axis=-1)
        table = table.reshape(max_len, -1)[:, :embed_dim].astype("float32")
        self.register_buffer("table", Tensor(table), persistent=False)
        self.dropout = Dropout(dropout)

    def forward(self, input: Any) -> Any:
        if input.shape[-2] > self.table.shape[0]:
            raise errors.too_many_positions(input.shape[-2], self.table.shape[0], here())
        return self.dropout(input + self.table[: input.shape[-2]])


class LearnedPositions(Module):
    """x + a learned vector for each position, for x (…, length, width)."""

    def __init__(self, max_len: int, embed_dim: int, dtype: Any = None) -> None:
        super().__init__()
        self.weight = empty((max_len, embed_dim), dtype)
        init.normal_(self.weight, std=0.02)

    def forward(self, input: Any) -> Any:
        if input.shape[-2] > self.weight.shape[0]:
            raise errors.too_many_positions(input.shape[-2], self.weight.shape[0], here())
        return input + self.weight[: input.shape[-2]]
