"""Patches of images as columns, in NumPy."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy

Sizes = tuple[int, ...]


def patch_counts(
    sizes: Sizes, kernel: Sizes, dilation: Sizes, padding: Sizes, stride: Sizes
) -> Sizes:
    """How many patches fit along each axis."""
    return tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, d, p, s in zip(sizes, kernel, dilation, padding, stride)
    )


def taps(
    counts: Sizes, kernel: Sizes, dilation: Sizes, stride: Sizes
) -> Iterator[tuple[Sizes, tuple[slice, ...]]]:
    """Each place within a patch, and where in the padded image all patches have it."""
    for tap in numpy.ndindex(*kernel):
        begins = [t * d for t, d in zip(tap, dilation)]
        yield tap, tuple(slice(b, b + s * n, s) for b, s, n in zip(begins, stride, counts))


def unfold(x: Any, kernel: Sizes, dilation: Sizes, padding: Sizes, stride: Sizes) -> Any:
    """x (batch, channels, sizes…) as (batch, channels · taps, patches)."""
    counts = patch_counts(x.shape[2:], kernel, dilation, padding, stride)
    padded: Any = numpy.pad(x, [(0, 0), (0, 0), *((p, p) for p in padding)])
    columns: Any = numpy.empty((*x.shape[:2], *kernel, *counts), x.dtype)
    for tap, places in taps(counts, kernel, dilation, stride):
        columns[(slice(None), slice(None), *tap)] = padded[(..., *places)]
    return columns.reshape(len(x), x.shape[1] * math.prod(kernel), math.prod(counts))


def fold(
    columns: Any, sizes: Sizes, kernel: Sizes, dilation: Sizes, padding: Sizes, stride: Sizes
) -> Any:
    """Patches added up where they overlap, as (batch, channels, sizes…): unfold's adjoint."""
    counts = patch_counts(sizes, kernel, dilation, padding, stride)
    batch, channels = len(columns), columns.shape[1] // math.prod(kernel)
    columns = columns.reshape(batch, channels, *kernel, *counts)
    padded: Any = numpy.zeros(
        (batch, channels, *(n + 2 * p for n, p in zip(sizes, padding))), columns.dtype
    )
    for tap, places in taps(counts, kernel, dilation, stride):
        padded[(..., *places)] += columns[(slice(None), slice(None), *tap)]
    return padded[(..., *(slice(p, p + n) for n, p in zip(sizes, padding)))]
