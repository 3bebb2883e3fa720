"""CPU kernels: functions on NumPy arrays, compiled by Numba when first used.

``available()`` says whether they can run here; every other name loads its room, and Numba with it,
when it is first asked for.  All take and return float32 or float64 arrays (``supported``).
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

_ROOMS = {
    "convolution": ("conv2d", "conv2d_input", "conv2d_weight"),
    "layout": ("contiguous", "supported"),
    "dense": ("linear", "linear_backward"),
    "matrices": ("matmul",),
    "rows": (
        "cross_entropy",
        "cross_entropy_backward",
        "layer_norm",
        "layer_norm_backward",
        "softmax",
        "softmax_backward",
    ),
    "pooling": ("max_pool", "scatter_places"),
    "resampling": ("resample",),
    "pointwise": ("add", "gelu", "gelu_backward", "relu", "relu_backward", "sigmoid_forward"),
    "channels": ("channel_moments", "channel_norm", "channel_norm_backward"),
    "attending": ("attention", "attention_backward"),
    "recurrent": ("lstm", "lstm_backward"),
    "recurrent_gru": ("gru", "gru_backward"),
    "ranges": ("add_range", "put_range"),
    "table": ("gather_rows", "scatter_rows"),
    "updates": ("adam_step", "sgd_step"),
    "arena": ("empty", "release", "usage"),
    "threads": ("get_num_threads", "set_num_threads"),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = ["available", *_ROOM_OF]


def available() -> bool:
    """Whether Numba is installed."""
    return importlib.util.find_spec("numba") is not None


def __getattr__(name: str) -> Any:
    room = _ROOM_OF.get(name)
    if room is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{room}"), name)
    globals()[name] = value
    return value
