"""Laying operands out as the tile unit reads them: left tiles of A, right tiles of B.

Tiles lie row of tiles by row of tiles, the tiles of one row in the order of k; what an operand
lacks of its last tiles is zero.  An operand that is not stored along the way that its tiles are
read (A along k, B along its columns) goes through one tile of scratch, where it is turned.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .emit import array_at, prefetch
from .host import CACHE, LINE
from .pack import load_at, store_at, transpose
from .tiles import CHUNK, SIDE, TILE, special, split_tile

_ZERO = np.float32(0)
_AHEAD = 2  # tiles that are on their way while one is packed
SCRATCH = SIDE * CHUNK * 4  #: bytes of scratch in which a tile is turned


@njit(cache=CACHE)
def _turned(scratch, width, here, along, across, valid_along, valid_across):  # type: ignore
    """A part of an operand as rows of ``width`` in scratch, filled up with zeros.

    ``along`` is the stride from row to row, ``across`` within one; one of them is 1.
    """
    if valid_along * valid_across < SIDE * CHUNK:
        array_at(scratch, SIDE * CHUNK, _ZERO)[:] = _ZERO
    if across == 1:
        for i in range(valid_along):
            for j in range(valid_across):
                store_at(scratch + (i * width + j) * 4,
                         load_at(here + (i * along + j) * 4, _ZERO))
    else:
        transpose(scratch, width, here, across, valid_across, valid_along, _ZERO)


@njit(cache=CACHE)
def _ask(here, rows, stride, lines):  # type: ignore[no-untyped-def]
    """Fetch a tile of memory ahead of its use: its rows lie far apart, and nobody guesses them."""
    for row in range(rows):
        for line in range(lines):
            prefetch(here + row * stride * 4 + line * LINE)


@njit(cache=CACHE)
def pack_left(target, a, a_row, a_k, rows, depth, scratch):  # type: ignore[no-untyped-def]
    """Left tiles for ``rows`` rows of A and ``depth`` k; whether one is ``special``."""
    tiles, chunks = (rows + SIDE - 1) // SIDE, (depth + CHUNK - 1) // CHUNK
    found = False
    for number in range(tiles * chunks):
        # Memory is read from end to end: a walk across it meets a new page at every step.
        tile = number // chunks if a_k == 1 else number % tiles
        chunk = number % chunks if a_k == 1 else number // tiles
        later = number + _AHEAD
        if a_k == 1:
            _ask(a + (later // chunks * SIDE * a_row + later % chunks * CHUNK) * 4, SIDE, a_row, 2)
        else:
            _ask(a + (later % tiles * SIDE + later // tiles * CHUNK * a_k) * 4, CHUNK, a_k, 1)
        row, k = tile * SIDE, chunk * CHUNK
        here = a + (row * a_row + k * a_k) * 4
        place = target + (tile * chunks + chunk) * TILE
        if a_k == 1 and rows - row >= SIDE and depth - k >= CHUNK:
            most = split_tile(place, here, a_row * 4, SIDE * 4)
        else:
            _turned(scratch, np.int64(CHUNK), here, a_row, a_k, min(SIDE, rows - row),
                    min(CHUNK, depth - k))
            most = split_tile(place, scratch, CHUNK * 4, SIDE * 4)
        found |= special(most)
    return found


@njit(cache=CACHE)
def pack_right(target, b, b_k, b_column, depth, columns, scratch):  # type: ignore[no-untyped-def]
    """Right tiles for ``columns`` columns of B and ``depth`` k; whether one is ``special``."""
    tiles, chunks = (columns + SIDE - 1) // SIDE, (depth + CHUNK - 1) // CHUNK
    found = False
    for number in range(tiles * chunks):
        tile = number % tiles if b_column == 1 else number // chunks
        chunk = number // tiles if b_column == 1 else number % chunks
        later = number + _AHEAD
        if b_column == 1:
            _ask(b + (later % tiles * SIDE + later // tiles * CHUNK * b_k) * 4, CHUNK, b_k, 1)
        else:
            _ask(b + (later // chunks * SIDE * b_column + later % chunks * CHUNK) * 4, SIDE,
                 b_column, 2)
        column, k = tile * SIDE, chunk * CHUNK
        here = b + (column * b_column + k * b_k) * 4
        place = target + (tile * chunks + chunk) * TILE
        if b_column == 1 and columns - column >= SIDE and depth - k >= CHUNK:
            most = split_tile(place, here, b_k * 4, SIDE * b_k * 4)
        else:
            _turned(scratch, np.int64(SIDE), here, b_k, b_column, min(CHUNK, depth - k),
                    min(SIDE, columns - column))
            most = split_tile(place, scratch, SIDE * 4, SIDE * SIDE * 4)
        found |= special(most)
    return found
