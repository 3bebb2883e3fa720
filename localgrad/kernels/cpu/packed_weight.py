"""A weight that stays packed while each thread multiplies rows of its own by it, step after step.

    C = init + A @ B        A: (rows, k) and C: (rows, n) contiguous, B: (k, n) the weight

All threads pack the weight together, as panels for vectors and, where they pay, also as right
tiles, which stay in the second-level cache.  The rows change at every step; whether they can go by
tiles is seen while they are split.  ``own`` is a thread's scratch; its first word says what hinders
the use of the weight's tiles.
"""

from __future__ import annotations

import numpy as np

from .by_name import ByName
from .callee import callee
from .emit import atomic_load, atomic_store
from .host import LINE, host
from .launch import barrier, share
from .microkernel import prepare as prepare_microkernel
from .microkernel import reduce_product
from .pack import pack_panels, size_of, width_of
from .product import BY_TILES, BY_VECTORS
from .rectangle import ROWS, edge_tile
from .tile_pack import SCRATCH, pack_left, pack_right
from .tile_rectangle import BUFFER, multiply_tiles
from .tiles import CHUNK, SIDE, TILE, close_tiles, open_tiles
from .workspace import whole_lines

# A larger weight comes from the third-level cache at every step, where an element of its tiles
# takes as long as it takes to split one.
_CACHED = 3 << 19
_ZERO = np.float32(0)


def _in_tiles(count: int, k: int) -> int:
    """Bytes of the tiles for ``count`` rows, or columns, of k elements."""
    return -(-count // SIDE) * -(-k // CHUNK) * TILE


def _in_panels(k: int, n: int, itemsize: int) -> int:
    width = host().lanes(itemsize) * host().vectors
    return -(-n // width) * width * k * itemsize


def weight_bytes(k: int, n: int, itemsize: int, threads: int) -> int:
    """Bytes of a packed weight: panels, tiles, and a word from each thread; whole cache lines."""
    return whole_lines(_in_panels(k, n, itemsize)) + _in_tiles(n, k) + whole_lines(threads * 8)


def own_bytes(rows: int, k: int, n: int, itemsize: int) -> int:
    """Bytes of a thread's scratch; whole cache lines."""
    edge = (ROWS + 1) * host().lanes(itemsize) * host().vectors * itemsize
    return LINE + max(_in_tiles(rows, k) + whole_lines(SCRATCH + BUFFER), whole_lines(edge))


def tiles_pay(steps: int, rows: int, k: int, n: int, threads: int, itemsize: int) -> bool:
    """Whether tiles win back, in so many steps, what it costs to split the weight."""
    if itemsize != 4 or not host().tiles:
        return False
    whole = -(-rows // SIDE) * -(-n // SIDE) * SIDE * SIDE
    by_tiles = (BY_TILES * whole + rows) * (-(-k // CHUNK) * CHUNK)
    if _in_tiles(n, k) > _CACHED:
        by_tiles = max(by_tiles, n * k)
    return steps * by_tiles + n * k // threads < steps * BY_VECTORS * rows * n * k


@callee
def _pack_panels(zero, panels, b, b_k, b_column, k, n, thread, threads):  # type: ignore
    size, width = size_of(zero), width_of(zero)
    low, high = share((n + width - 1) // width, thread, threads)
    if low < high:
        pack_panels(panels + low * k * width * size, b + low * width * b_column * size,
                    b_k, b_column, k, min(n, high * width) - low * width, zero)


@callee
def _multiply_panels(zero, c, a, rows, k, n, panels, own, flags):  # type: ignore[no-untyped-def]
    size, width = size_of(zero), width_of(zero)
    for row in range(0, rows, ROWS):
        count = min(ROWS, rows - row)
        for column in range(0, n, width):
            place = c + (row * n + column) * size
            panel = panels + column * k * size
            if n - column >= width:
                reduce_product(zero, (count, place, n, a + row * k * size, k, 1, panel, width, k,
                                      1, 0, 0, 1, 0, 0, 0, flags))
            else:
                edge_tile(place, n, count, n - column, a + row * k * size, k, 1, panel, width, k,
                          0, flags, own + LINE, zero)


@callee
def _tiles_of(weight, k, n):  # type: ignore[no-untyped-def]
    """Where a float32 weight's tiles lie: behind its panels."""
    width = width_of(_ZERO)
    return weight + ((n + width - 1) // width * width * k * 4 + LINE - 1) // LINE * LINE


def _pack_either(  # type: ignore[no-untyped-def]
    weight, own, b, b_k, b_column, k, n, tiled, thread, threads,
):
    _pack_panels(_ZERO, weight, b, b_k, b_column, k, n, thread, threads)
    tiles, chunks = _tiles_of(weight, k, n), (k + CHUNK - 1) // CHUNK
    flags = tiles + (n + SIDE - 1) // SIDE * chunks * TILE
    special = False
    if tiled:
        low, high = share((n + SIDE - 1) // SIDE, thread, threads)
        special = pack_right(tiles + low * chunks * TILE, b + low * SIDE * b_column * 4, b_k,
                             b_column, k, min(n, high * SIDE) - low * SIDE, own + LINE)
    atomic_store(flags + thread * 8, special or not tiled)
    barrier(threads)
    hindered = 0
    for other in range(threads):
        hindered |= atomic_load(flags + other * 8)
    atomic_store(own, hindered)


def _multiply_either(c, a, rows, k, n, weight, own, flags):  # type: ignore[no-untyped-def]
    chunks = (k + CHUNK - 1) // CHUNK
    left = own + LINE
    scratch = left + (rows + SIDE - 1) // SIDE * chunks * TILE
    if atomic_load(own) == 0 and not pack_left(left, a, k, 1, rows, k, scratch):
        open_tiles()
        multiply_tiles(c, n, left, _tiles_of(weight, k, n), rows, n, chunks, 0, flags,
                       scratch + SCRATCH)
        close_tiles()
    else:
        _multiply_panels(_ZERO, c, a, rows, k, n, weight, own, flags)


def _pack_single(  # type: ignore[no-untyped-def]
    weight, own, b, b_k, b_column, k, n, tiled, thread, threads,
):
    _pack_panels(_ZERO, weight, b, b_k, b_column, k, n, thread, threads)
    barrier(threads)


def _pack_double(  # type: ignore[no-untyped-def]
    weight, own, b, b_k, b_column, k, n, tiled, thread, threads,
):
    _pack_panels(np.float64(0), weight, b, b_k, b_column, k, n, thread, threads)
    barrier(threads)


def _multiply_single(c, a, rows, k, n, weight, own, flags):  # type: ignore[no-untyped-def]
    _multiply_panels(_ZERO, c, a, rows, k, n, weight, own, flags)


def _multiply_double(c, a, rows, k, n, weight, own, flags):  # type: ignore[no-untyped-def]
    _multiply_panels(np.float64(0), c, a, rows, k, n, weight, own, flags)


_pack = ByName("localgrad_pack_weight",
               {4: _pack_either if host().tiles else _pack_single, 8: _pack_double}, 10)
_multiply = ByName("localgrad_multiply_weight",
                   {4: _multiply_either if host().tiles else _multiply_single,
                    8: _multiply_double}, 8)

#: ``pack_weight(like, (weight, own, b, b_k, b_column, k, n, tiled, thread, threads))``: every
#: thread must call it; afterwards the weight is packed.  Strides in elements, one of them 1.
pack_weight = _pack.call
#: ``multiply_weight(like, (c, a, rows, k, n, weight, own, flags))``; the flags are 0, which starts
#: from zero, or ``ACCUMULATE``, which starts from C.
multiply_weight = _multiply.call


def prepare(dtype: np.dtype) -> None:
    """Compile, or load, what packs and what multiplies for an element type."""
    prepare_microkernel(dtype)
    _pack.prepare(dtype)
    _multiply.prepare(dtype)
