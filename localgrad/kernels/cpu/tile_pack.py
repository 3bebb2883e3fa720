"""Laying operands out as the tile unit reads them: left tiles of A, right tiles of B.

Tiles lie row of tiles by row of tiles, the tiles of one row in the order of k; what an operand
lacks of its last tiles is zero.  A tile is read as it lies in memory: 16 lines of 32 numbers where
an operand is stored along k, 32 lines of 16 where it is stored along its *side* (A's rows, B's
columns).  Where that is not how the unit wants it, its two squares are transposed on the way.
"""

from __future__ import annotations

import numpy as np

from .callee import callee
from .emit import array_at, prefetch
from .host import LINE
from .pack import load_at, store_at, transpose_block
from .tiles import CHUNK, SIDE, TILE, special, split_tile

_ZERO = np.float32(0)
_AHEAD = 2  # tiles that are on their way while one is packed
_SQUARE = SIDE * SIDE * 4  # bytes of half a tile
SCRATCH = 4 * _SQUARE  #: bytes of scratch: a tile as it lies in memory, and transposed


@callee
def _ask(here, lines, step, size):  # type: ignore[no-untyped-def]
    """Fetch a tile of memory ahead of its use: its lines lie far apart, and nobody guesses them."""
    for line in range(lines):
        for part in range(0, size, LINE):
            prefetch(here + line * step + part)


@callee
def _fill(scratch, lines, width, here, step, valid_lines, valid):  # type: ignore[no-untyped-def]
    """A tile's lines in scratch, what is not there as zeros."""
    array_at(scratch, SIDE * CHUNK, _ZERO)[:] = _ZERO
    for line in range(valid_lines):
        for place in range(valid):
            store_at(scratch + (line * width + place) * 4,
                     load_at(here + line * step + place * 4, _ZERO))


@callee
def _pack(target, source, side, k, count, depth, right, scratch):  # type: ignore[no-untyped-def]
    """Tiles for ``count`` rows of A, or columns of B if ``right``; one stride (elements) is 1.

    ``right`` is a number: for ``True`` and for ``False`` all this would be compiled once each.
    """
    tiles, chunks = (count + SIDE - 1) // SIDE, (depth + CHUNK - 1) // CHUNK
    along = k == 1
    lines, width, step = (SIDE, CHUNK, side * 4) if along else (CHUNK, SIDE, k * 4)
    # Memory is read from end to end: a walk across it meets a new page at every step.
    outer, inner, whole = (tiles, chunks, count) if along else (chunks, tiles, depth)
    found = False
    for i in range(outer):
        for j in range(inner):
            tile, chunk = (i, j) if along else (j, i)
            here = source + i * lines * step + j * width * 4
            # Never beyond the operand: there may lie what another thread writes.
            later, line = j + _AHEAD, i * lines
            if later >= inner:
                later, line = later - inner, line + lines
            _ask(source + line * step + later * width * 4, min(lines, whole - line), step,
                 width * 4)
            sides, deep = min(SIDE, count - tile * SIDE), min(CHUNK, depth - chunk * CHUNK)
            apart, row = SIDE * (4 if along else step), step
            if sides < SIDE or deep < CHUNK:
                _fill(scratch, lines, width, here, step, sides if along else deep,
                      deep if along else sides)
                here, row = scratch, width * 4
                apart = SIDE * (4 if along else row)
            if along == (right != 0):
                turned = scratch + 2 * _SQUARE
                for half in range(2):
                    transpose_block(turned + half * _SQUARE, SIDE, here + half * apart, row // 4,
                                    _ZERO)
                here, row, apart = turned, SIDE * 4, _SQUARE
            place = target + (tile * chunks + chunk) * TILE
            found |= special(split_tile(place, here, row, apart))
    return found


@callee
def pack_left(target, a, a_row, a_k, rows, depth, scratch):  # type: ignore[no-untyped-def]
    """Left tiles for ``rows`` rows of A and ``depth`` k; whether one is ``special``."""
    return _pack(target, a, a_row, a_k, rows, depth, np.int64(0), scratch)


@callee
def pack_right(target, b, b_k, b_column, depth, columns, scratch):  # type: ignore[no-untyped-def]
    """Right tiles for ``columns`` columns of B and ``depth`` k; whether one is ``special``."""
    return _pack(target, b, b_column, b_k, columns, depth, np.int64(1), scratch)
