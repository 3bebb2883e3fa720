"""Sequences of different lengths: padded to the longest, or packed without padding.

A packed sequence lies time by time: first the first steps of all sequences, the longest sequence
first, then the second steps of those that have one, and so on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy

from localgrad import errors_of_layers as errors
from localgrad import ops
from localgrad.errors import unknown_choice
from localgrad.graph.record import here
from localgrad.local.operation import as_raw
from localgrad.ops.indexing import index_put
from localgrad.tensor import Tensor


class PackedSequence(NamedTuple):
    """Sequences without padding; `batch_sizes[t]` says how many have a step t."""

    data: Any
    batch_sizes: Any = None
    sorted_indices: Any = None
    unsorted_indices: Any = None


def places(batch_sizes: Any) -> tuple[Any, Any]:
    """Time and sequence of every row of the packed data."""
    sizes = as_raw(batch_sizes)
    times = numpy.repeat(numpy.arange(len(sizes)), sizes)
    starts = numpy.repeat(numpy.cumsum(sizes) - sizes, sizes)
    return times, numpy.arange(len(times)) - starts


def to_padded(packed: PackedSequence) -> Any:
    """(time, batch, …) with zeros after each sequence's end, in packed order."""
    sizes = as_raw(packed.batch_sizes)
    shape = (len(sizes), int(sizes[0]), *packed.data.shape[1:])
    return index_put(packed.data, shape=shape, key=places(sizes))


def from_padded(padded: Any, batch_sizes: Any) -> Any:
    """The rows of (time, batch, …) that are no padding, packed."""
    return padded[places(batch_sizes)]


def running_steps(batch_sizes: Any) -> Any:
    """(time, batch, 1): whether a sequence has that step."""
    sizes = as_raw(batch_sizes)
    return (numpy.arange(sizes[0]) < sizes[:, None])[..., None]


def pack_padded_sequence(
    input: Any, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Pack (time, batch, …), or batch first, of sequences with these lengths."""
    counts = numpy.asarray(as_raw(lengths))
    x = ops.swapaxes(input, 0, 1) if batch_first else input
    if counts.shape != (x.shape[1],) or counts.min() < 1 or counts.max() > x.shape[0]:
        raise errors.sequence_lengths(counts.tolist(), x.shape, here())
    order = inverse = None
    if enforce_sorted:
        if (numpy.diff(counts) > 0).any():
            raise errors.unsorted_lengths(counts.tolist(), here())
    else:
        order = numpy.argsort(-counts, kind="stable")
        inverse = numpy.argsort(order)
        x, counts = x[:, order], counts[order]
    sizes = (numpy.arange(counts[0])[:, None] < counts).sum(axis=1)
    indices = [None if i is None else Tensor(i) for i in (order, inverse)]
    return PackedSequence(from_padded(x, sizes), Tensor(sizes), *indices)


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Any, Tensor]:
    """(the padded batch, lengths): the inverse of `pack_padded_sequence`."""
    sizes = as_raw(sequence.batch_sizes)
    lengths = (sizes[:, None] > numpy.arange(sizes[0])).sum(axis=0)
    y = to_padded(sequence)
    if total_length is not None:
        if total_length < len(sizes):
            raise errors.total_length(total_length, len(sizes), here())
        y = ops.pad(y, [(0, total_length - len(sizes)), *[(0, 0)] * (y.ndim - 1)])
    if padding_value:
        over = numpy.arange(y.shape[0])[:, None] >= lengths
        y = ops.where(over[(..., *[None] * (y.ndim - 2))], padding_value, y)
    if sequence.unsorted_indices is not None:
        y = y[:, sequence.unsorted_indices]
        lengths = lengths[as_raw(sequence.unsorted_indices)]
    return ops.swapaxes(y, 0, 1) if batch_first else y, Tensor(lengths)


def pad_sequence(
    sequences: Sequence[Any],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Any:
    """Sequences (length, …) side by side, padded to the longest: (time, batch, …)."""
    if padding_side not in ("right", "left"):
        raise unknown_choice("padding_side", padding_side, ["right", "left"], here())
    longest = max(s.shape[0] for s in sequences)
    padded = []
    for s in sequences:
        short = longest - s.shape[0]
        width = (0, short) if padding_side == "right" else (short, 0)
        widths = [width, *[(0, 0)] * (s.ndim - 1)]
        padded.append(ops.pad(s, widths, constant_values=padding_value))
    return ops.stack(padded, axis=0 if batch_first else 1)


def unpad_sequence(padded_sequences: Any, lengths: Any, batch_first: bool = False) -> list[Any]:
    """The sequences (length, …) in (time, batch, …): the inverse of `pad_sequence`."""
    x = padded_sequences if batch_first else ops.swapaxes(padded_sequences, 0, 1)
    return [x[i, : int(n)] for i, n in enumerate(as_raw(lengths))]


def pack_sequence(sequences: Sequence[Any], enforce_sorted: bool = True) -> PackedSequence:
    """Pack sequences (length, …) of different lengths."""
    lengths = [s.shape[0] for s in sequences]
    return pack_padded_sequence(
        pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted
    )


def unpack_sequence(packed_sequences: PackedSequence) -> list[Any]:
    """The sequences (length, …) in a packed one: the inverse of `pack_sequence`."""
    return unpad_sequence(*pad_packed_sequence(packed_sequences))
