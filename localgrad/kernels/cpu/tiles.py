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

from .emit import BYTE, POINTER, WORD, counted_loop, external, word

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
_LEFT, _RIGHT = 4, 6  # the first tile register of A and of B; 0 to 3 hold C
# The largest comes last.  Each step changes one operand only, so that few parts are loaded again
# while four products are made of each.
_PRODUCTS = [(_HIGH, _LOW), (_HIGH, _MIDDLE), (_MIDDLE, _MIDDLE), (_MIDDLE, _HIGH), (_LOW, _HIGH),
             (_HIGH, _HIGH)]


def _instruction(builder: Any, name: str, arguments: list[Any]) -> None:
    kind = ir.FunctionType(_VOID, [argument.type for argument in arguments])
    builder.call(external(builder.module, f"llvm.x86.{name}", kind), arguments)


def _register(number: int) -> Any:
    return ir.Constant(BYTE, number)


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
        _instruction(builder, "ldtilecfg", [builder.bitcast(held, POINTER)])
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def close_tiles(typingctx: Any) -> Any:
    """Give the tile registers back, so that nobody saves them when threads change."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        _instruction(builder, "tilerelease", [])
        return context.get_dummy_value()

    return types.void(), codegen


def _split_function(module: ir.Module) -> ir.Function:
    """``split_tile`` as a function of its own, made once a module."""
    name = "localgrad_split_tile"
    if name in module.globals:
        return module.globals[name]
    function = ir.Function(module, ir.FunctionType(WORD, [WORD] * 4), name)
    function.linkage = "internal"
    function.attributes.add("noinline")
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    single, whole = ir.VectorType(ir.FloatType(), SIDE), ir.VectorType(ir.IntType(32), SIDE)

    def every(value: int) -> Any:
        return ir.Constant(whole, [value] * SIDE)

    def rounded(value: Any) -> Any:
        """To the nearest bfloat16, as the word of a float32."""
        bits = builder.add(builder.bitcast(value, whole), every(0x8000))
        return builder.and_(bits, every(0xFFFF0000))

    def parts(place: Any) -> tuple[list[Any], Any]:
        value = builder.load(place, align=4, typ=single)
        high = rounded(value)
        rest = builder.fsub(value, builder.bitcast(high, single))
        middle = rounded(rest)
        low = builder.fsub(rest, builder.bitcast(middle, single))
        magnitude = builder.shl(builder.bitcast(value, whole), every(1))
        return [high, middle, builder.bitcast(low, whole)], magnitude

    kind = ir.FunctionType(whole, [whole, whole])
    larger = external(module, "llvm.umax.v16i32", kind)

    def row(state: list[Any]) -> list[Any]:
        target, source, most = state
        first, magnitude = parts(builder.inttoptr(source, POINTER))
        second, other = parts(_at(builder, source, function.args[3]))
        for part, (early, late) in enumerate(zip(first, second, strict=True)):
            pair = builder.or_(builder.lshr(early, every(16)),
                               builder.and_(late, every(0xFFFF0000)))
            builder.store(pair, _at(builder, target, word(part * PART)), align=4)
        most = builder.call(larger, [most, builder.call(larger, [magnitude, other])])
        return [builder.add(target, word(64)), builder.add(source, function.args[2]), most]

    def two_rows(state: list[Any]) -> list[Any]:
        return row(row(state))

    *_, most = counted_loop(
        builder, word(SIDE // 2), [function.args[0], function.args[1], every(0)], two_rows)
    largest = external(module, "llvm.vector.reduce.umax.v16i32",
                       ir.FunctionType(ir.IntType(32), [whole]))
    builder.ret(builder.zext(builder.call(largest, [most]), WORD))
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
    if name in module.globals:
        return module.globals[name]
    function = ir.Function(module, ir.FunctionType(_VOID, [WORD] * len(_BLOCK)), name)
    function.linkage = "internal"
    function.attributes.add("noinline")
    given = dict(zip(_BLOCK, function.args, strict=True))
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    places = list(product(range(rows), range(columns)))

    def each(name: str, base: Any, stride: Any) -> None:
        for i, j in places:
            ahead = builder.add(builder.mul(stride, word(SIDE * i)), word(4 * SIDE * j))
            _instruction(builder, name, [_register(2 * i + j), _at(builder, base, ahead), stride])

    zero, held, begin = (builder.append_basic_block(name) for name in ("zero", "held", "begin"))
    builder.cbranch(builder.icmp_signed("==", given["start"], word(0)), zero, held)
    builder.position_at_end(zero)
    for i, j in places:
        _instruction(builder, "tilezero", [_register(2 * i + j)])
    builder.branch(begin)
    builder.position_at_end(held)
    each("tileloadd64", given["start"], given["start_row"])
    builder.branch(begin)
    builder.position_at_end(begin)

    def load(first: int, count: int, base: Any, step: Any, part: int) -> None:
        for number in range(count):
            ahead = builder.add(builder.mul(step, word(number)), word(part * PART))
            _instruction(builder, "tileloadd64",
                         [_register(first + number), _at(builder, base, ahead), word(64)])

    def chunk(state: list[Any]) -> list[Any]:
        a, b = state
        left = right = None
        for wanted_left, wanted_right in _PRODUCTS:
            if wanted_left != left:
                load(_LEFT, rows, a, given["a_step"], wanted_left)
            if wanted_right != right:
                load(_RIGHT, columns, b, given["b_step"], wanted_right)
            left, right = wanted_left, wanted_right
            for i, j in places:
                _instruction(builder, "tdpbf16ps", [
                    _register(2 * i + j), _register(_LEFT + i), _register(_RIGHT + j)])
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
