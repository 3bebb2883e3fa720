"""Matrix tiles: float32 products at twice the speed of vectors, where a processor has the tiles.

    x = h + m + l,   h, m, l bfloat16        x · y ≈ h h' + (h m' + m h') + (h l' + m m' + l h')

A float32 number is exactly the sum of three bfloat16 numbers (3 × 8 bits of a significand of 24).
Of the nine products of two such sums the six largest are made; the other three are below 2^-23 of
|x y|, the rounding of a float32.  The tile unit of x86 (AMX) adds 16 x 16 x 32 of them in sixteen
cycles, into float32 accumulators: 6 x 16 cycles for what takes vectors 256.

A *left tile* holds 16 rows of A for 32 neighbouring k, a *right tile* 16 columns of B for the same;
a pair of k shares a word, here k and k + 16, so that no element has to change its lane.  Each is
stored as its three parts, h, m and l, of one KiB.

The unit takes subnormal numbers as zero, and a part of infinity or NaN would be NaN: ``split_tile``
returns the largest magnitude it met, by which the caller sees that a product needs vectors.

Source: Henry, Tang and Heinecke, "Leveraging the bfloat16 Artificial Intelligence Datatype For
Higher-Precision Computations", 2019.
"""

from __future__ import annotations

from itertools import product
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from .callee import callee
from .emit import BYTE, POINTER, WORD, counted_loop, function_of_its_own, word
from .tile_emit import (
    LEFT,
    RIGHT,
    SINGLES,
    every,
    instruction,
    larger,
    largest,
    magnitude,
    paired,
    register,
    three_parts,
)

SIDE = 16  #: rows of a left tile, columns of a right tile
CHUNK = 32  #: k of a tile
PART = SIDE * CHUNK * 2  #: bytes of one part of a tile
TILE = 3 * PART  #: bytes of a tile: its three parts

#: Magnitudes (without their sign, shifted left by one) from which on a number has no parts, and
#: below which (2^-100) its parts are too small for the unit.
LARGEST = 0xFEFF0000
SMALLEST = 27 << 24

_VOID = ir.VoidType()
_HIGH, _MIDDLE, _LOW = 0, 1, 2
# The largest comes last.  Each step changes one operand only, so that few parts are loaded again
# while four products are made of each.
_PRODUCTS = [(_HIGH, _LOW), (_HIGH, _MIDDLE), (_MIDDLE, _MIDDLE), (_MIDDLE, _HIGH), (_LOW, _HIGH),
             (_HIGH, _HIGH)]


@callee
def special(most):  # type: ignore[no-untyped-def]
    """Whether numbers of this largest magnitude are such as the unit would get wrong."""
    return most >= LARGEST or 0 < most < SMALLEST


def _at(builder: Any, base: Any, ahead: Any) -> Any:
    return builder.inttoptr(builder.add(base, ahead), POINTER)


@intrinsic
def open_tiles(typingctx: Any) -> Any:
    """Give this thread its eight tile registers: 16 rows of 64 bytes each."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        name = "localgrad_tile_configuration"
        held = builder.module.globals.get(name)
        if held is None:
            columns = [number for _ in range(8) for number in (64, 0)] + [0] * 16
            layout = [1] + [0] * 15 + columns + [SIDE] * 8 + [0] * 8
            kind = ir.ArrayType(BYTE, 64)
            held = ir.GlobalVariable(builder.module, kind, name)
            held.linkage, held.global_constant, held.align = "internal", True, 64
            held.initializer = ir.Constant(kind, layout)
        instruction(builder, "ldtilecfg", [builder.bitcast(held, POINTER)])
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def close_tiles(typingctx: Any) -> Any:
    """Give the tile registers back, so that nobody saves them when threads change."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        instruction(builder, "tilerelease", [])
        return context.get_dummy_value()

    return types.void(), codegen


def _split_function(module: ir.Module) -> ir.Function:
    """``split_tile`` as a function of its own, made once a module."""
    name = "localgrad_split_tile"
    function, is_new = function_of_its_own(module, name, ir.FunctionType(WORD, [WORD] * 4))
    if not is_new:
        return function
    builder = ir.IRBuilder(function.append_basic_block("entry"))

    def row(state: list[Any]) -> list[Any]:
        target, source, most = state
        places = builder.inttoptr(source, POINTER), _at(builder, source, function.args[3])
        first, second = (builder.load(place, align=4, typ=SINGLES) for place in places)
        both = zip(three_parts(builder, first), three_parts(builder, second), strict=True)
        for part, (early, late) in enumerate(both):
            place = _at(builder, target, word(part * PART))
            builder.store(paired(builder, late, early), place, align=4)
        for value in (first, second):
            most = larger(builder, most, magnitude(builder, value))
        return [builder.add(target, word(64)), builder.add(source, function.args[2]), most]

    def two_rows(state: list[Any]) -> list[Any]:
        return row(row(state))

    *_, most = counted_loop(
        builder, word(SIDE // 2), [function.args[0], function.args[1], every(0)], two_rows)
    builder.ret(largest(builder, most))
    return function


@intrinsic
def split_tile(typingctx: Any, target: Any, source: Any, step: Any, apart: Any) -> Any:
    """Write a tile's three parts; return its largest magnitude.

    Word j of row i of a left tile pairs A[i, j] with A[i, j + 16], of a right tile B[i, j] with
    B[i + 16, j]; so ``step`` (bytes) leads from row to row, and ``apart`` to what is paired.
    """

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.call(_split_function(builder.module), values)

    return types.int64(*[types.int64] * 4), codegen


_BLOCK = ["c", "c_row", "a", "a_step", "b", "b_step", "chunks", "start", "start_row"]


def _block_function(module: ir.Module, rows: int, columns: int) -> ir.Function:
    """A block of ``rows x columns`` tiles of C as a function of its own, made once a module."""
    name = f"localgrad_tile_block_{rows}_{columns}"
    kind = ir.FunctionType(_VOID, [WORD] * len(_BLOCK))
    function, is_new = function_of_its_own(module, name, kind)
    if not is_new:
        return function
    given = dict(zip(_BLOCK, function.args, strict=True))
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    places = list(product(range(rows), range(columns)))

    def each(name: str, base: Any, stride: Any) -> None:
        for i, j in places:
            ahead = builder.add(builder.mul(stride, word(SIDE * i)), word(4 * SIDE * j))
            instruction(builder, name, [register(2 * i + j), _at(builder, base, ahead), stride])

    zero, held, begin = (builder.append_basic_block(name) for name in ("zero", "held", "begin"))
    builder.cbranch(builder.icmp_signed("==", given["start"], word(0)), zero, held)
    builder.position_at_end(zero)
    for i, j in places:
        instruction(builder, "tilezero", [register(2 * i + j)])
    builder.branch(begin)
    builder.position_at_end(held)
    each("tileloadd64", given["start"], given["start_row"])
    builder.branch(begin)
    builder.position_at_end(begin)

    def load(first: int, count: int, base: Any, step: Any, part: int) -> None:
        for number in range(count):
            ahead = builder.add(builder.mul(step, word(number)), word(part * PART))
            instruction(builder, "tileloadd64",
                         [register(first + number), _at(builder, base, ahead), word(64)])

    def chunk(state: list[Any]) -> list[Any]:
        a, b = state
        left = right = None
        for wanted_left, wanted_right in _PRODUCTS:
            if wanted_left != left:
                load(LEFT, rows, a, given["a_step"], wanted_left)
            if wanted_right != right:
                load(RIGHT, columns, b, given["b_step"], wanted_right)
            left, right = wanted_left, wanted_right
            for i, j in places:
                instruction(builder, "tdpbf16ps", [
                    register(2 * i + j), register(LEFT + i), register(RIGHT + j)])
        return [builder.add(a, word(TILE)), builder.add(b, word(TILE))]

    counted_loop(builder, given["chunks"], [given["a"], given["b"]], chunk)
    each("tilestored64", given["c"], given["c_row"])
    builder.ret_void()
    return function


@intrinsic
def tile_block(typingctx: Any, rows: Any, columns: Any, arguments: Any) -> Any:
    """``C = start + A @ B`` for one or two tiles of rows and of columns.

    ``arguments`` are addresses and bytes: ``c, c_row, a, a_step, b, b_step, chunks, start,
    start_row``.  ``a_step`` leads from tile to tile of the rows, ``b_step`` of the columns;
    ``start`` is C itself, a bias (with ``start_row`` zero) or 0 for zeros.
    """

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        plain = [builder.extract_value(values[2], index) for index in range(len(_BLOCK))]
        case = builder.add(builder.shl(values[0], word(1)), values[1])
        done = builder.append_basic_block("done")
        choice = builder.switch(case, done)
        for rows_, columns_ in product((1, 2), (1, 2)):
            block = builder.append_basic_block("case")
            choice.add_case(word(2 * rows_ + columns_), block)
            builder.position_at_end(block)
            builder.call(_block_function(builder.module, rows_, columns_), plain)
            builder.branch(done)
        builder.position_at_end(done)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, arguments), codegen
