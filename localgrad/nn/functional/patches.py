"""Patches of images as columns, and channels as places: layers that only move elements."""

from __future__ import annotations

import math
from typing import Any

from localgrad import errors_of_layers as errors
from localgrad import kernels, ops
from localgrad.graph.record import here
from localgrad.nn.functional.convolution import Size, sizes
from localgrad.nn.functional.pooling import batched
from localgrad.ops.network import patches

__all__ = [
    "channel_shuffle",
    "fold",
    "pixel_shuffle",
    "pixel_unshuffle",
    "unfold",
]


def unfold(
    input: Any, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1
) -> Any:
    """Every patch of (batch, channels, height, width) as a column (channels · kernel places).

    A convolution is a product with these: conv2d(x, w) = w.reshape(out, -1) @ unfold(x).

    >>> import localgrad as lg
    >>> lg.nn.functional.unfold(lg.ones((1, 3, 8, 8)), 3).shape
    (1, 27, 36)
    """
    kernel, spread, edges, steps = (sizes(v, 2) for v in (kernel_size, dilation, padding, stride))

    def columns(x: Any) -> Any:
        counts = kernels.patch_counts(x.shape[2:], kernel, spread, edges, steps)
        if min(counts) < 1:
            raise errors.kernel_too_large("unfold", x.shape, kernel, edges, spread, here())
        return patches.unfold(x, kernel=kernel, dilation=spread, padding=edges, stride=steps)

    return batched("unfold", 2, columns, input)


def fold(
    input: Any,
    output_size: Size,
    kernel_size: Size,
    dilation: Size = 1,
    padding: Size = 0,
    stride: Size = 1,
) -> Any:
    """Columns (batch, channels · kernel places, patches) added up as images of `output_size`.

    The adjoint of `unfold`, not its inverse: where patches overlap, their elements are added.
    """
    kernel, spread, edges, steps = (sizes(v, 2) for v in (kernel_size, dilation, padding, stride))
    places = sizes(output_size, 2)

    def images(x: Any) -> Any:
        counts = kernels.patch_counts(places, kernel, spread, edges, steps)
        rows, columns = math.prod(kernel), math.prod(counts)
        if min(counts) < 1 or x.shape[1] % rows or x.shape[2] != columns:
            raise errors.fold_columns(x.shape, places, rows, columns, here())
        geometry = {"kernel": kernel, "dilation": spread, "padding": edges, "stride": steps}
        return patches.fold(x, sizes=places, **geometry)

    return batched("fold", 1, images, input)


def pixel_shuffle(input: Any, upscale_factor: int) -> Any:
    """(…, channels · r², height, width) as (…, channels, height · r, width · r) (Shi et al., 2016).

    >>> import localgrad as lg
    >>> lg.nn.functional.pixel_shuffle(lg.ones((1, 8, 2, 3)), 2).shape
    (1, 2, 4, 6)
    """
    r = upscale_factor
    *before, channels, height, width = _image("pixel_shuffle", input)
    if channels % r**2:
        raise errors.shuffled("pixel_shuffle", input.shape, f"{r}² = {r**2} channels", here())
    x = ops.reshape(input, (-1, r, r, height, width))
    x = ops.permute_dims(x, (0, 3, 1, 4, 2))
    return ops.reshape(x, (*before, channels // r**2, height * r, width * r))


def pixel_unshuffle(input: Any, downscale_factor: int) -> Any:
    """(…, channels, height · r, width · r) as (…, channels · r², height, width)."""
    r = downscale_factor
    *before, channels, height, width = _image("pixel_unshuffle", input)
    if height % r or width % r:
        raise errors.shuffled("pixel_unshuffle", input.shape, f"{r}×{r} pixels", here())
    x = ops.reshape(input, (-1, height // r, r, width // r, r))
    x = ops.permute_dims(x, (0, 2, 4, 1, 3))
    return ops.reshape(x, (*before, channels * r**2, height // r, width // r))


def _image(name: str, x: Any) -> tuple[int, ...]:
    if x.ndim < 3:
        raise errors.pooling_rank(name, x.shape, 2, here())
    return tuple(x.shape)


def channel_shuffle(input: Any, groups: int) -> Any:
    """Channels (groups · n) in the order (n · groups): groups mix (Zhang et al., 2018)."""
    if input.shape[1] % groups:
        raise errors.shuffled("channel_shuffle", input.shape, f"{groups} groups", here())
    x = ops.reshape(input, (input.shape[0], groups, -1, *input.shape[2:]))
    return ops.reshape(ops.moveaxis(x, 1, 2), input.shape)
