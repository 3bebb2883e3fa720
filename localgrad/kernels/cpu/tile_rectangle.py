"""A rectangle of C by matrix tiles; see ``tiles`` for how, and ``product`` for what and when.

B's columns are packed whole for a pass over k, A's rows chunk by chunk; both then lie in the
second-level cache, which the tile unit does not wait for.  Where an operand has a tile with
infinity, NaN or nothing but very small numbers, its part of the sum is made by vectors.
"""

from __future__ import annotations

import numpy as np

from .callee import callee
from .emit import array_at
from .launch import share
from .microkernel import ACCUMULATE, RELU
from .rectangle import add_columns, column_splits, copy_tile, rectangle, shared_line
from .rectangle import scratch_bytes as vector_scratch_bytes
from .tile_pack import SCRATCH, pack_left, pack_right
from .tiles import CHUNK, SIDE, TILE, close_tiles, open_tiles, tile_block

DEPTH = 512  # k in one pass
_ACROSS = 128  # the same of an operand that is stored across k: every k is then another page
ROWS = 64  # rows of A in one chunk: 192 KiB with the depth above
_PACKED = 400  # tiles of B in one pass: 1.2 MiB
READ = 40  # packing an element costs as much as so many multiply-adds
SHARED = 12000  # and a line of C that two threads write as much as so many
_ZERO = np.float32(0)
BUFFER = (2 * SIDE + 1) * 2 * SIDE * 4  # bytes of a block of C, and a row more


def scratch_bytes(k: int, n: int) -> int:
    """Bytes of workspace of each thread: B, a chunk of A, a tile, a block of C and its bias."""
    chunks = -(-min(k, DEPTH) // CHUNK)
    tiles = min(-(-n // SIDE) * chunks, _PACKED) + ROWS // SIDE * chunks
    return tiles * TILE + SCRATCH + BUFFER + vector_scratch_bytes(min(k, DEPTH), n, 4)


@callee
def _clamp(c, c_row, rows, columns):  # type: ignore[no-untyped-def]
    for row in range(rows):
        values = array_at(c + row * c_row * 4, columns, _ZERO)
        for column in range(columns):
            value = values[column]
            values[column] = _ZERO if value < _ZERO else value


@callee
def _block(place, c_row, rows, columns, a, b, chunks, bias, flags, buffer):  # type: ignore
    """Up to 32 x 32 elements of C; what does not fill its tiles is made in a buffer."""
    high, wide = (rows + SIDE - 1) // SIDE, (columns + SIDE - 1) // SIDE
    step = chunks * TILE
    whole = rows == high * SIDE and columns == wide * SIDE
    to, to_row = (place, c_row) if whole else (buffer, 2 * SIDE)
    start, start_row = bias, 0
    if flags & ACCUMULATE:
        start, start_row = to, to_row
        if not whole:
            copy_tile(to, to_row, place, c_row, rows, columns, _ZERO)
    elif bias != 0 and not whole:
        start = buffer + 2 * SIDE * 2 * SIDE * 4
        copy_tile(start, 2 * SIDE, bias, 2 * SIDE, 1, columns, _ZERO)
    tile_block(high, wide, (to, to_row * 4, a, step, b, step, chunks, start, start_row * 4))
    if not whole:
        copy_tile(place, c_row, to, to_row, rows, columns, _ZERO)


@callee
def multiply_tiles(c, c_row, a, b, rows, columns, chunks, bias, flags, buffer):  # type: ignore
    """``C = init + A @ B`` of packed tiles, in a thread that has opened its own."""
    step = 2 * chunks * TILE
    for j in range(0, columns, 2 * SIDE):
        for i in range(0, rows, 2 * SIDE):
            _block(c + (i * c_row + j) * 4, c_row, min(2 * SIDE, rows - i),
                   min(2 * SIDE, columns - j), a + i // (2 * SIDE) * step,
                   b + j // (2 * SIDE) * step, chunks, bias + j * 4 if bias != 0 else 0, flags,
                   buffer)


@callee
def tile_rectangle(  # type: ignore[no-untyped-def]
    a, a_row, a_k, b, b_k, b_column, c, c_row, m, k, n, init, flags, sums, work, thread, threads,
):
    """This thread's part of ``C = epilogue(init + A @ B)``, float32."""
    tiles = (n + SIDE - 1) // SIDE
    splits = column_splits(m, tiles, SIDE, READ, shared_line(c, c_row, k, SHARED, 4), threads)
    first_tile, last_tile = share(tiles, thread % splits, splits)
    first_row, last_row = share((m + SIDE - 1) // SIDE, thread // splits, threads // splits)
    first, last = first_tile * SIDE, min(last_tile * SIDE, n)
    top, bottom = first_row * SIDE, min(last_row * SIDE, m)
    deepest = DEPTH if a_k == 1 and b_k == 1 else _ACROSS
    passes = (k + deepest - 1) // deepest
    depth = ((k + passes - 1) // passes + CHUNK - 1) // CHUNK * CHUNK
    most = _PACKED // (depth // CHUNK)
    ranges = (last_tile - first_tile + most - 1) // most
    wide = (last_tile - first_tile + ranges - 1) // max(ranges, 1) * SIDE
    left = work + min(_PACKED, tiles * (depth // CHUNK)) * TILE
    scratch = left + ROWS // SIDE * (depth // CHUNK) * TILE
    buffer = scratch + SCRATCH

    open_tiles()
    for start in range(0, k, depth):
        count = min(depth, k - start)
        chunks = (count + CHUNK - 1) // CHUNK
        how = flags & (ACCUMULATE | RELU)
        if start > 0:
            how |= ACCUMULATE
        if start + count < k:
            how &= ~RELU
        begin = init if start == 0 else 0
        for column in range(first, last, wide):
            columns = min(wide, last - column)
            b_here = b + (start * b_k + column * b_column) * 4
            special_right = pack_right(work, b_here, b_k, b_column, count, columns, scratch)
            for row in range(top, bottom, ROWS):
                rows = min(ROWS, bottom - row)
                a_here = a + (row * a_row + start * a_k) * 4
                c_here = c + (row * c_row + column) * 4
                bias = begin + column * 4 if begin != 0 else 0
                special_left = pack_left(left, a_here, a_row, a_k, rows, count, scratch)
                if sums != 0 and column == 0:
                    add_columns(sums + row * 4, a_here, a_k, rows, count, _ZERO)
                if special_left or special_right:
                    rectangle(_ZERO, (a_here, a_row, a_k, b_here, b_k, b_column, c_here, c_row,
                                      rows, count, columns, bias, how, 0, buffer + BUFFER, 0, 1))
                    continue
                multiply_tiles(c_here, c_row, left, work, rows, columns, chunks, bias, how, buffer)
                if how & RELU:  # not tile by tile: what a tile has stored is not there to be read
                    _clamp(c_here, c_row, rows, columns)
    close_tiles()
