"""Patches of images: taken apart into columns, and added up again."""

from __future__ import annotations

from localgrad import kernels
from localgrad.local.linear import Linear, linear

GEOMETRY = {"kernel": (2, 3), "dilation": (2, 1), "padding": (1, 2), "stride": (1, 2)}

unfold: Linear = linear(
    "unfold",
    lambda x, kernel, dilation, padding, stride: kernels.unfold(
        x, kernel, dilation, padding, stride
    ),
    lambda g, like, kernel, dilation, padding, stride: fold.run(
        g, sizes=like.shape[2:], kernel=kernel, dilation=dilation, padding=padding, stride=stride
    ),
    doc="Every patch of (batch, channels, sizes…) as a column: (batch, channels · taps, patches).",
    example=lambda rng: ((rng.standard_normal((2, 3, 4, 5)),), GEOMETRY),
)
fold: Linear = linear(
    "fold",
    lambda x, sizes, kernel, dilation, padding, stride: kernels.fold(
        x, sizes, kernel, dilation, padding, stride
    ),
    lambda g, kernel, dilation, padding, stride: unfold.run(
        g, kernel=kernel, dilation=dilation, padding=padding, stride=stride
    ),
    doc="Columns added up where their patches overlap: the adjoint of `unfold`.",
    example=lambda rng: ((rng.standard_normal((2, 18, 16)),), {"sizes": (4, 5), **GEOMETRY}),
)
