"""Padding as PyTorch spells it: pairs of numbers from the last axis backwards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from localgrad import errors_of_layers as errors
from localgrad import ops
from localgrad.errors import unknown_choice
from localgrad.graph.record import here
from localgrad.tensor import Tensor

__all__ = [
    "pad",
]


NUMPY_MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}
WIDEST = {"reflect": 1, "replicate": 0, "circular": 0}  # how many of an axis cannot be copied


def pad(input: Any, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Any:
    """input with `pad` = (before, after) of the last axis, then of the one before it, and so on.

    mode: "constant" (of `value`), "reflect", "replicate" or "circular". Negative numbers crop.

    >>> import localgrad as lg
    >>> lg.nn.functional.pad(lg.asarray([[1.0, 2.0, 3.0]]), (1, 2), mode="reflect").tolist()
    [[2.0, 1.0, 2.0, 3.0, 2.0, 1.0]]
    """
    pairs = [(int(pad[i]), int(pad[i + 1])) for i in range(0, len(pad), 2)]
    if len(pad) % 2 or len(pairs) > input.ndim:
        raise errors.pad_pairs(input.shape, tuple(pad), here())
    if mode != "constant" and mode not in WIDEST:
        raise unknown_choice("mode", mode, ["constant", *WIDEST], here())
    input = _cropped(input, pairs)
    pairs = [(max(before, 0), max(after, 0)) for before, after in pairs]
    widths = [(0, 0)] * (input.ndim - len(pairs)) + pairs[::-1]
    if mode == "constant":
        return ops.pad(input, widths, constant_values=0 if value is None else value)
    for size, (before, after) in zip(reversed(input.shape), pairs):
        limit = size - WIDEST[mode]
        if mode != "replicate" and max(before, after) > limit:
            raise errors.pad_too_wide(mode, size, max(before, after), limit, here())
    return ops.pad(input, widths, mode=NUMPY_MODES[mode])


def _cropped(input: Tensor, pairs: list[tuple[int, int]]) -> Tensor:
    """input without what the negative ones among `pairs` take away."""
    if all(min(pair) >= 0 for pair in pairs):
        return input
    sizes = zip(reversed(pairs), input.shape[input.ndim - len(pairs) :])
    return input[(..., *(slice(max(-b, 0), n - max(-a, 0)) for (b, a), n in sizes))]
