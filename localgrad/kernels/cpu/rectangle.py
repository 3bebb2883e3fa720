"""A rectangle of C by vectors: blocking and packing around the microkernel.

Every thread packs what it needs of B into column panels of its own: nobody waits for anybody, and
no packed line travels from one core's cache to another's, which costs more than packing it twice.
A is read in place when its rows are contiguous, and copied chunk by chunk otherwise.  k is cut so
that a panel stays in the first-level cache.
"""

from __future__ import annotations

import numpy as np

from .by_name import ByName
from .callee import callee
from .emit import array_at
from .host import LINE, host
from .launch import share
from .microkernel import (
    ACCUMULATE,
    NARROW,
    NARROW_ROWS,
    RELU,
    WIDE,
    WIDE_PANELS,
    WIDE_PANELS_OF_ONE,
    WIDE_ROWS,
    reduce_product,
)
from .microkernel import prepare as prepare_microkernel
from .pack import copy_row, lanes_of, load_at, pack_panels, size_of, store_at, width_of

DEPTH = 192  # k in one pass: a panel of 32 floats then takes 24 KiB
ROWS = 144  # rows of A in one chunk: with the depth above, 108 KiB of the second-level cache
_NEAR = 1 << 13  # bytes of a B that stays in the first-level cache
_SHORT, _LONG = 64, 2048  # k in one pass, at least and at most, where B is read in place
_SPAN = 1 << 19  # bytes of memory that such a pass walks over
READ = 8  # an element of A or B costs as much to fetch as so many multiply-adds
SHARED = 5000  # a line that both write travels between the cores: so many multiply-adds
_BLOCK = host().rows


def scratch_bytes(k: int, n: int, size: int) -> int:
    """Bytes of workspace of each thread: packed B, a chunk of A, a tile of C, a padded bias."""
    width = host().lanes(size) * host().vectors
    columns = -(-n // width) * width
    packed = max(min(k, DEPTH) * columns, min(k, _LONG) * width)
    return size * (packed + ROWS * DEPTH + (ROWS + 1) * width)


@callee
def column_splits(m, panels, width, read, shared, threads):  # type: ignore[no-untyped-def]
    """Into how many column ranges to cut C (a divisor of ``threads``); rows take the rest.

    An element of A or B costs as much to fetch as ``read`` multiply-adds, and a cache line of C
    that two threads write, one in every row between two ranges, as much as ``shared``.
    """
    best, best_cost = 1, -1
    for splits in range(1, threads + 1):
        if threads % splits:
            continue
        bands = threads // splits
        columns = (panels + splits - 1) // splits * width
        rows = (m + bands - 1) // bands
        cost = (columns + read) * (rows + read)
        if splits > 1:
            cost += rows * shared
        if best_cost < 0 or cost < best_cost:
            best, best_cost = splits, cost
    return best


@callee
def shared_line(c, c_row, k, whole, size):  # type: ignore[no-untyped-def]
    """What a line of C that two threads write costs for every k, if ``whole`` is what it costs in
    all; nothing where columns are cut between lines."""
    return 0 if (c | c_row * size) % LINE == 0 else whole // max(k, 1)


@callee
def copy_tile(target, target_row, source, source_row, rows, columns, zero):  # type: ignore
    """Copy ``rows x columns`` elements; strides in elements."""
    size, width = size_of(zero), width_of(zero)
    whole = columns - columns % width
    for row in range(rows):
        for column in range(0, whole, width):
            copy_row(target + (row * target_row + column) * size,
                     source + (row * source_row + column) * size, zero)
        for column in range(whole, columns):
            store_at(target + (row * target_row + column) * size,
                     load_at(source + (row * source_row + column) * size, zero))


@callee
def edge_tile(  # type: ignore[no-untyped-def]
    c, c_row, rows, valid, a, a_row, a_k, b, b_k, depth, init, flags, tile, zero,
):
    """The last, narrower panel: computed in a tile of full width, of which ``valid`` is kept."""
    size, width = size_of(zero), width_of(zero)
    if flags & ACCUMULATE:
        copy_tile(tile, width, c, c_row, rows, valid, zero)
    padded = tile + ROWS * width * size
    if init != 0:
        copy_tile(padded, width, init, width, np.int64(1), valid, zero)
        init = padded
    if valid <= lanes_of(zero):
        flags |= NARROW
    reduce_product(zero, (rows, tile, width, a, a_row, a_k, b, b_k, depth,
                          1, 0, 0, 1, 0, 0, init, flags))
    copy_tile(c, c_row, tile, width, rows, valid, zero)


@callee
def add_columns(sums, a, a_k, rows, count, zero):  # type: ignore[no-untyped-def]
    """``sums[i] += sum over k of A[i, k]`` for a tile of A whose columns are contiguous."""
    size = size_of(zero)
    total = array_at(sums, rows, zero)
    whole = count - count % 4
    for k in range(0, whole, 4):  # four at a time, to spare the sums' memory
        one = array_at(a + k * a_k * size, rows, zero)
        two = array_at(a + (k + 1) * a_k * size, rows, zero)
        three = array_at(a + (k + 2) * a_k * size, rows, zero)
        four = array_at(a + (k + 3) * a_k * size, rows, zero)
        for i in range(rows):
            total[i] += (one[i] + two[i]) + (three[i] + four[i])
    for k in range(whole, count):
        one = array_at(a + k * a_k * size, rows, zero)
        for i in range(rows):
            total[i] += one[i]


@callee
def _rectangle(  # type: ignore[no-untyped-def]
    zero, a, a_row, a_k, b, b_k, b_column, c, c_row, m, k, n, init, flags, sums, work, thread,
    threads,
):
    size, width, lanes = size_of(zero), width_of(zero), lanes_of(zero)
    panels = (n + width - 1) // width
    splits = column_splits(m, panels, width, READ, shared_line(c, c_row, k, SHARED, size), threads)
    first_panel, last_panel = share(panels, thread % splits, splits)
    first_row, last_row = share(m, thread // splits, threads // splits)
    # A few rows of A do not repay that B is packed, but for a last panel that is not full; nor does
    # a B that is in the cache as it lies.
    in_place = b_column == 1 and (
        last_row - first_row <= 2 * _BLOCK or k * b_k * size <= _NEAR)
    packed = first_panel
    if in_place:
        packed = min(max(first_panel, n // width + (n % width == lanes)), last_panel)
    whole = min(packed, n // width)

    deepest = DEPTH
    if in_place and last_row - first_row <= _BLOCK:
        # One block of rows reads every panel once; it need not stay in the cache, but its pages
        # should be known when the next panel comes.
        deepest = min(max(_SPAN // (b_k * size), _SHORT), _LONG)
    passes = max((k + deepest - 1) // deepest, 1)
    depth = (k + passes - 1) // passes
    own = work + max(min(depth, DEPTH) * panels, depth) * width * size
    tile = own + ROWS * DEPTH * size
    chunks = max((last_row - first_row + ROWS - 1) // ROWS, 1)
    block = NARROW_ROWS if n <= lanes else _BLOCK
    chunk = ((last_row - first_row + chunks - 1) // chunks + block - 1) // block * block
    chunk = max(min(chunk, ROWS), 1)
    # A's rows far apart would compete for the same sets of the cache and for its page table.
    gather = last_panel - first_panel > 3 and max(a_k, a_row) * size > 2048 and depth <= DEPTH

    for start in range(0, max(k, 1), max(depth, 1)):
        count = min(depth, k - start)
        epilogue = flags & RELU if start + count >= k else 0
        if start > 0:
            epilogue |= ACCUMULATE
        else:
            epilogue |= flags & ACCUMULATE
        begin = init if start == 0 else 0
        if packed < last_panel and first_row < last_row:
            first = packed * width
            pack_panels(work, b + (start * b_k + first * b_column) * size,
                        b_k, b_column, count, min(n, last_panel * width) - first, zero)
        for row in range(first_row, last_row, chunk):
            rows = min(chunk, last_row - row)
            a_here, a_here_k = a + (row * a_row + start * a_k) * size, a_k
            a_here_row = a_row
            if gather:
                if a_k == 1:
                    copy_tile(own, count, a_here, a_row, rows, count, zero)
                    a_here_row = count
                else:
                    copy_tile(own, rows, a_here, a_k, count, rows, zero)
                    a_here_k = rows
                a_here = own
            if sums != 0 and first_panel == 0 < last_panel:
                add_columns(sums + row * size, a_here, a_here_k, rows, count, zero)
            panel = first_panel
            while panel < last_panel:
                column = panel * width
                if panel < packed:
                    b_here, b_here_k = b + (start * b_k + column) * size, b_k
                else:
                    b_here, b_here_k = work + (panel - packed) * count * width * size, width
                place = c + (row * c_row + column) * size
                bias = begin + column * size if begin != 0 else 0
                wide = WIDE_PANELS_OF_ONE if rows == 1 else WIDE_PANELS
                if rows <= WIDE_ROWS and a_here_k == 1 and panel + wide <= whole:
                    reduce_product(zero, (
                        rows, place, c_row, a_here, a_here_row, a_here_k, b_here, b_here_k, count,
                        1, 0, 0, 1, 0, 0, bias, epilogue | WIDE))
                    panel += wide
                    continue
                if n - column >= width or n - column == lanes:
                    how = epilogue if n - column >= width else epilogue | NARROW
                    reduce_product(zero, (
                        rows, place, c_row, a_here, a_here_row, a_here_k, b_here, b_here_k, count,
                        1, 0, 0, 1, 0, 0, bias, how))
                else:
                    edge_tile(place, c_row, rows, n - column, a_here, a_here_row, a_here_k,
                              b_here, b_here_k, count, bias, epilogue, tile, zero)
                panel += 1


def _rectangle_single(  # type: ignore[no-untyped-def]
    a, a_row, a_k, b, b_k, b_column, c, c_row, m, k, n, init, flags, sums, work, thread, threads,
):
    _rectangle(np.float32(0), a, a_row, a_k, b, b_k, b_column, c, c_row, m, k, n, init, flags, sums,
               work, thread, threads)


def _rectangle_double(  # type: ignore[no-untyped-def]
    a, a_row, a_k, b, b_k, b_column, c, c_row, m, k, n, init, flags, sums, work, thread, threads,
):
    _rectangle(np.float64(0), a, a_row, a_k, b, b_k, b_column, c, c_row, m, k, n, init, flags, sums,
               work, thread, threads)


_named = ByName("localgrad_rectangle", {4: _rectangle_single, 8: _rectangle_double}, 17)

#: ``rectangle(like, arguments)``: a thread's rectangle of C for ``like``'s element type; the
#: arguments are the integers of ``_rectangle``, in its order.
rectangle = _named.call


def prepare(dtype: np.dtype) -> None:
    """Compile, or load, the rectangle of an element type, and the microkernel it calls."""
    prepare_microkernel(dtype)
    _named.prepare(dtype)
