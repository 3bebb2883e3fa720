"""The matrix product: who makes which rectangle of C, by vectors or by matrix tiles.

    C = epilogue(init + A @ B)         A: (m, k), B: (k, n), C: (m, n), C contiguous along n

A and B are given by address and strides, one stride of each being 1.  Every thread makes a
rectangle of C by itself.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from . import rectangle as vectors
from . import tile_rectangle as tiles
from .by_name import ByName
from .callee import callee
from .host import host
from .rectangle import rectangle
from .tile_rectangle import tile_rectangle
from .tiles import CHUNK, SIDE
from .workspace import whole_lines

# What a multiply-add costs by either, in units of what it costs to split an element into parts.
BY_TILES, BY_VECTORS = 1 / 40, 1 / 16


@lru_cache(maxsize=1024)  # a training step asks the same again
def scratch_bytes(k: int, n: int, size: int) -> int:
    """Bytes of workspace of each thread; whole cache lines."""
    needed = vectors.scratch_bytes(k, n, size)
    if size == 4 and host().tiles:
        needed = max(needed, tiles.scratch_bytes(k, n))
    return whole_lines(needed)


@callee
def _tiles_pay(m, k, n, threads):  # type: ignore[no-untyped-def]
    """Whether tiles, which are always whole and packed at a price, beat vectors here."""
    whole = -(-m // SIDE) * -(-n // SIDE) * SIDE * SIDE
    packed = min(m, n) + max(m, n) // threads
    by_tiles = (BY_TILES * whole / threads + packed) * (-(-k // CHUNK) * CHUNK)
    return by_tiles < BY_VECTORS * m * n / threads * k


def _by_vectors(  # type: ignore[no-untyped-def]
    a, a_row, a_k, b, b_k, b_column, c, c_row, m, k, n, init, flags, sums, work, thread, threads,
):
    rectangle(np.float32(0), (a, a_row, a_k, b, b_k, b_column, c, c_row, m, k, n, init, flags,
                     sums, work, thread, threads))


def _by_either(  # type: ignore[no-untyped-def]
    a, a_row, a_k, b, b_k, b_column, c, c_row, m, k, n, init, flags, sums, work, thread, threads,
):
    if _tiles_pay(m, k, n, threads):
        tile_rectangle(a, a_row, a_k, b, b_k, b_column, c, c_row, m, k, n, init, flags, sums, work,
                       thread, threads)
    else:
        rectangle(np.float32(0), (a, a_row, a_k, b, b_k, b_column, c, c_row, m, k, n, init, flags,
                         sums, work, thread, threads))


def _double(  # type: ignore[no-untyped-def]
    a, a_row, a_k, b, b_k, b_column, c, c_row, m, k, n, init, flags, sums, work, thread, threads,
):
    rectangle(np.float64(0), (a, a_row, a_k, b, b_k, b_column, c, c_row, m, k, n, init, flags,
                     sums, work, thread, threads))


_single = _by_either if host().tiles else _by_vectors
_named = ByName("localgrad_product", {4: _single, 8: _double}, 17)
_named_call = _named.call


def prepare(dtype: np.dtype) -> None:
    """Compile, or load, the product of an element type, and what it calls."""
    vectors.prepare(dtype)
    _named.prepare(dtype)


@callee
def product(  # type: ignore[no-untyped-def]
    a, a_row, a_k, b, b_k, b_column, c, c_row, m, k, n, init, flags, work, zero, thread, threads,
):
    """This thread's rectangle of ``C = epilogue(init + A @ B)``; every thread must call it.

    ``work`` is the address of ``scratch_bytes`` bytes that are this thread's own.
    """
    _named_call(zero, (a, a_row, a_k, b, b_k, b_column, c, c_row, m, k, n, init, flags, 0, work,
                       thread, threads))


@callee
def product_and_sums(  # type: ignore[no-untyped-def]
    a, a_row, a_k, b, b_k, b_column, c, c_row, m, k, n, init, flags, sums, work, zero, thread,
    threads,
):
    """``product``; where ``sums`` is an address, A (stored by columns) is also summed over k and
    added there, while its tiles are in the cache."""
    _named_call(zero, (a, a_row, a_k, b, b_k, b_column, c, c_row, m, k, n, init, flags, sums, work,
                       thread, threads))
