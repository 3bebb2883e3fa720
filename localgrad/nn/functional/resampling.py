"""Images made larger or smaller: a matrix along each axis."""

from __future__ import annotations

from typing import Any

from localgrad import errors_of_layers as errors
from localgrad.errors import unknown_choice
from localgrad.graph.record import here
from localgrad.nn.functional.convolution import sizes
from localgrad.ops.network import pooling, windows

__all__ = [
    "interpolate",
]

AXES = {"linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3}
ANY_AXES = ("nearest", "nearest-exact", "area")


def interpolate(
    input: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Any:
    """(batch, channels, …) with 1 to 3 more axes at another size, or scaled by a factor.

    mode: "nearest", "nearest-exact", "area", "linear" (one axis), "bilinear", "bicubic" (two),
    "trilinear" (three). `align_corners` puts the outermost pixels' centres upon each other, not
    the outermost edges. `antialias` widens the filter where the image shrinks.

    >>> import localgrad as lg
    >>> lg.nn.functional.interpolate(lg.asarray([[[1.0, 3.0]]]), 4, mode="linear").tolist()
    [[[1.0, 1.5, 2.5, 3.0]]]
    """
    count = input.ndim - 2
    if not 1 <= count <= 3:
        raise errors.interpolated_rank(input.shape, here())
    if mode not in AXES and mode not in ANY_AXES:
        raise unknown_choice("mode", mode, [*ANY_AXES, *AXES], here())
    if AXES.get(mode, count) != count:
        raise errors.interpolation_mode(mode, AXES[mode], input.shape, here())
    if align_corners is not None and mode in ANY_AXES:
        raise errors.no_corners(mode, here())
    if antialias and mode not in ("bilinear", "bicubic"):
        raise errors.no_antialias(mode, here())
    if (size is None) == (scale_factor is None):
        raise errors.size_or_scale(here())
    places = input.shape[2:]
    factors: tuple[Any, ...] = (None,) * count
    if size is not None:
        outputs = sizes(size, count)
    else:
        several = isinstance(scale_factor, tuple | list)
        factors = tuple(scale_factor) if several else (scale_factor,) * count
        outputs = tuple(windows.scaled_size(n, f) for n, f in zip(places, factors))
        if recompute_scale_factor:
            factors = (None,) * count

    def along(n: int, m: int, factor: float | None) -> Any:
        if mode == "area":
            return windows.adaptive_averaging(n, m)
        if mode in ANY_AXES:
            return windows.nearest(n, m, mode == "nearest-exact", factor, input.dtype)
        chosen = windows.antialiased if antialias else windows.interpolating
        return chosen(n, m, mode, bool(align_corners), factor)

    return pooling.resample(input, matrices=tuple(map(along, places, outputs, factors)))
