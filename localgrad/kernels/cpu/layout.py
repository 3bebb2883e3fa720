"""How an array lies in memory, and what a kernel may therefore read in place."""

from __future__ import annotations

import numpy as np

from . import arena
from .objects import FLOATS


def supported(*arrays: np.ndarray) -> bool:
    """Whether the kernels can take these arrays: all float32, or all float64, and aligned."""
    kind = arrays[0].dtype
    return kind in FLOATS and all(
        array.dtype == kind and array.flags.aligned for array in arrays
    )


def contiguous(array: np.ndarray) -> np.ndarray:
    """The array itself if a kernel can read it as rows end to end, otherwise a copy."""
    if array.flags.carray and type(array) is np.ndarray:  # aligned and writeable, too
        return array
    # A read-only array has a Numba type of its own, for which every kernel would be compiled anew.
    copy = arena.empty(array.shape, array.dtype)
    copy[...] = array
    return copy


def rows_or_columns(matrix: np.ndarray) -> tuple[np.ndarray, bool]:
    """A 2-d array as one that is contiguous, and whether that one is its transpose."""
    flags = matrix.flags
    if flags.f_contiguous and not flags.c_contiguous:
        return contiguous(matrix.T), True
    return contiguous(matrix), False


def image_memory(images: np.ndarray) -> tuple[np.ndarray, bool]:
    """A (batch, channels, height, width) array as it lies in memory, and whether channels are last.

    Copies only what is neither channels-first nor channels-last.
    """
    flags = images.flags
    if flags.c_contiguous and (images.shape[1] > 1 or not flags.writeable):
        return contiguous(images), False
    turned = images.transpose(0, 2, 3, 1)
    if turned.flags.carray:
        return turned, True
    return contiguous(turned), True


def channels_first(array: np.ndarray) -> bool:
    """Whether (batch, channels, …) lies in memory just so, and not also with its channels last."""
    if not array.flags.c_contiguous:
        return False
    return not array.transpose(0, *range(2, array.ndim), 1).flags.c_contiguous
