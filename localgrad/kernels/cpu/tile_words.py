"""Matrix tiles with an element a word: what a convolution needs, whose windows overlap.

    left:   (h, m)  (h, l)            right:   (h', h')  (m', m')  (l', h')
    h h' + m h'  +  h m' + m m'  +  h l' + l h'

The unit multiplies words that hold two bfloat16 numbers.  ``tiles`` pairs two elements in a word
and makes six products of three parts; here a word holds two parts of one element, and three
products of whole tiles make the same sum in the same time.  A row of 16 words is then 16 channels
of one pixel, and the tile of any window offset begins at another row of the same packed image.

A tile has up to 16 rows and 16 columns.  A part's rows lie 64 bytes apart; ``configure`` sets how
many rows and columns count, so that a line of 14 pixels costs 14 rows and needs no padding.
"""

from __future__ import annotations

from itertools import product
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from .emit import POINTER, WORD, counted_loop, external, function_of_its_own, word
from .tile_emit import (
    LEFT,
    RIGHT,
    SINGLES,
    WORDS,
    every,
    instruction,
    larger,
    largest,
    magnitude,
    paired,
    register,
    three_parts,
)
from .tiles import SIDE

ROW = 64  #: bytes of a row of a tile
PART = SIDE * ROW  #: bytes of one part of a whole tile
LEFT_PARTS, RIGHT_PARTS = 2, 3

_VOID = ir.VoidType()


def _at(builder: Any, place: Any) -> Any:
    return builder.inttoptr(place, POINTER)


@intrinsic
def configure(typingctx: Any, place: Any, rows: Any, columns: Any) -> Any:
    """Give this thread tile registers for ``rows x columns`` of C; ``place`` has 64 spare bytes."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        place, rows, columns = values
        eight = [builder.trunc(value, ir.IntType(8)) for value in (
            rows, builder.shl(columns, word(2)))]
        side, row = (ir.Constant(ir.IntType(8), value) for value in (SIDE, ROW))

        def store(index: int, value: Any) -> None:
            builder.store(value, _at(builder, builder.add(place, word(index))), align=1)

        for index in range(8):
            store(8 * index, ir.Constant(WORD, 1 if index == 0 else 0))
        for number in range(8):
            high, wide = (eight[0], eight[1])
            if number >= RIGHT:
                high = side
            elif number >= LEFT:
                wide = row
            store(16 + 2 * number, wide)
            store(48 + number, high)
        instruction(builder, "ldtilecfg", [_at(builder, place)])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), codegen


def _split_function(module: ir.Module, right: bool, gathered: bool) -> ir.Function:
    """``split_left`` or ``split_right`` as a function of its own, made once a module."""
    name = f"localgrad_split_words_{'right' if right else 'left'}_{'far' if gathered else 'near'}"
    function, is_new = function_of_its_own(module, name, ir.FunctionType(WORD, [WORD] * 7))
    if not is_new:
        return function
    target, part, source, row_step, column_step, rows, valid = function.args
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    lanes = ir.Constant(WORDS, list(range(SIDE)))
    undefined = ir.Constant(WORDS, ir.Undefined)
    bit = ir.IntType(1)

    def spread(value: Any, kind: ir.VectorType) -> Any:
        first = builder.insert_element(ir.Constant(kind, ir.Undefined), value, word(0))
        return builder.shuffle_vector(first, ir.Constant(kind, ir.Undefined),
                                      ir.Constant(WORDS, [0] * SIDE))

    mask = builder.icmp_signed("<", lanes, spread(
        builder.trunc(valid, ir.IntType(32)), undefined.type))
    nothing = ir.Constant(SINGLES, [0.0] * SIDE)
    masks = ir.VectorType(bit, SIDE)
    if gathered:
        far = ir.VectorType(WORD, SIDE)
        steps = builder.mul(spread(column_step, far), ir.Constant(far, list(range(SIDE))))
        pointers = ir.VectorType(POINTER, SIDE)
        load = external(module, "llvm.masked.gather.v16f32.v16p0", ir.FunctionType(
            SINGLES, [pointers, ir.IntType(32), masks, SINGLES]))
    else:
        load = external(module, "llvm.masked.load.v16f32.p0", ir.FunctionType(
            SINGLES, [POINTER, ir.IntType(32), masks, SINGLES]))

    def row(state: list[Any]) -> list[Any]:
        to, start, most = state
        if gathered:
            places = builder.inttoptr(builder.add(steps, spread(start, far)), pointers)
        else:
            places = _at(builder, start)
        value = builder.call(load, [places, ir.Constant(ir.IntType(32), 4), mask, nothing])
        high, middle, low = three_parts(builder, value)
        pairs = [(high, high), (middle, middle), (low, high)] if right else [
            (high, middle), (high, low)]
        place = to
        for upper, lower in pairs:
            builder.store(paired(builder, upper, lower), _at(builder, place), align=ROW)
            place = builder.add(place, part)
        return [builder.add(to, word(ROW)), builder.add(start, row_step),
                larger(builder, most, magnitude(builder, value))]

    *_, most = counted_loop(builder, rows, [target, source, every(0)], row)
    builder.ret(largest(builder, most))
    return function


def _split(right: bool, gathered: bool) -> Any:
    @intrinsic
    def split(typingctx: Any, arguments: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            plain = [builder.extract_value(values[0], index) for index in range(7)]
            return builder.call(_split_function(builder.module, right, gathered), plain)

        return types.int64(arguments), codegen

    return split


#: ``split((target, part, source, row_step, column_step, rows, valid))`` writes rows of words:
#: ``part`` bytes lead from one part to the next, ``row_step`` and ``column_step`` (bytes) through
#: the source, of which ``valid`` columns exist; the others are zero.  Returns the largest
#: magnitude, for ``special``.  The ``far`` one is for columns that do not lie side by side.
split_left = _split(False, False)
split_right = _split(True, False)
split_right_far = _split(True, True)


RESUME = 1  #: a start: go on from what C holds
PLACES = 12 * 8  #: bytes of a block's addresses
_BLOCK = ["places", "c_row", "c_column", "a_row", "a_part", "b_row", "b_part",
          "n1", "a1", "b1", "n2", "a2", "b2", "n3", "a3", "b3", "start"]
_SHAPES = [(1, 1), (1, 2), (1, 3), (1, 4), (2, 1), (2, 2), (3, 1), (4, 1)]


def _block_function(module: ir.Module, rows: int, columns: int) -> ir.Function:
    """A block of ``rows x columns`` tiles of C as a function of its own, made once a module."""
    name = f"localgrad_word_block_{rows}_{columns}"
    kind = ir.FunctionType(_VOID, [WORD] * len(_BLOCK))
    function, is_new = function_of_its_own(module, name, kind)
    if not is_new:
        return function
    given = dict(zip(_BLOCK, function.args, strict=True))
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    places = list(product(range(rows), range(columns)))

    def given_place(index: int) -> Any:
        where = builder.add(given["places"], word(8 * index))
        return builder.load(_at(builder, where), align=8, typ=WORD)

    c = [given_place(i) for i in range(rows)]
    operands = {"a": [given_place(4 + i) for i in range(rows)],
                "b": [given_place(8 + j) for j in range(columns)]}

    def ahead(base: Any, step: Any, number: int) -> Any:
        return builder.add(base, builder.mul(step, word(number)))

    def each(name: str, base: Any, stride: Any) -> None:
        for i, j in places:
            place = ahead(base(i), given["c_column"], j)
            instruction(builder, name, [
                register(i * columns + j), _at(builder, place), stride])

    zero, held, begin = (builder.append_basic_block(name) for name in ("zero", "held", "begin"))
    builder.cbranch(builder.icmp_signed("==", given["start"], word(0)), zero, held)
    builder.position_at_end(zero)
    for i, j in places:
        instruction(builder, "tilezero", [register(i * columns + j)])
    builder.branch(begin)
    builder.position_at_end(held)
    # From C itself, or from a row of biases.
    own = builder.icmp_signed("==", given["start"], word(RESUME))
    each("tileloadd64", lambda i: builder.select(own, c[i], given["start"]),
         builder.select(own, given["c_row"], word(0)))
    builder.branch(begin)
    builder.position_at_end(begin)

    def load(side: str, number: int, moved: Any, part: int) -> None:
        first = LEFT if side == "a" else RIGHT
        place = ahead(builder.add(operands[side][number], moved), given[f"{side}_part"], part)
        instruction(builder, "tileloadd64", [
            register(first + number % 2), _at(builder, place), given[f"{side}_row"]])

    def multiply(i: int, j: int) -> None:
        instruction(builder, "tdpbf16ps", [
            register(i * columns + j), register(LEFT + i % 2), register(RIGHT + j % 2)])

    # The largest product comes last.
    def step(state: list[Any]) -> list[Any]:
        a, b = state
        if rows <= 2 and columns <= 2:
            held = None
            for left, right in ((1, 2), (0, 1), (0, 0)):
                if left != held:
                    for i in range(rows):
                        load("a", i, a, left)
                held = left
                for j in range(columns):
                    load("b", j, b, right)
                for i, j in places:
                    multiply(i, j)
        elif columns == 1:
            for left, rights in ((1, (2,)), (0, (1, 0))):
                for right in rights:
                    load("b", 0, b, right)
                    for i in range(rows):
                        load("a", i, a, left)
                        multiply(i, 0)
        else:
            held = None
            for left, right in ((1, 2), (0, 1), (0, 0)):
                if left != held:
                    load("a", 0, a, left)
                held = left
                for j in range(columns):
                    load("b", j, b, right)
                    multiply(0, j)
        return [builder.add(a, given["a3"]), builder.add(b, given["b3"])]

    def loop(level: int) -> Any:
        def body(state: list[Any]) -> list[Any]:
            counted_loop(builder, given[f"n{level + 1}"], list(state),
                         step if level == 2 else loop(level + 1))
            return [builder.add(state[0], given[f"a{level}"]),
                    builder.add(state[1], given[f"b{level}"])]

        return body

    counted_loop(builder, given["n1"], [word(0), word(0)], loop(1))
    each("tilestored64", lambda i: c[i], given["c_row"])
    builder.ret_void()
    return function


@intrinsic
def word_block(typingctx: Any, rows: Any, columns: Any, arguments: Any) -> Any:
    """``C = start + sum of A @ B`` for up to four tiles: 1 x 1 to 1 x 4, 2 x 2, 2 x 1 to 4 x 1.

    ``arguments`` are addresses and bytes.  ``places`` is the address of 12 addresses: of C for
    up to four tiles of rows, of A for the same, and of B for up to four tiles of columns.  Then
    ``c_row, c_column`` through C; ``a_row, a_part, b_row, b_part``: from row to row, from part to
    part; three loops of the sum, each a count and the steps of A and of B; and ``start``, a bias,
    ``RESUME`` to go on from C, or 0.
    """

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        plain = [builder.extract_value(values[2], index) for index in range(len(_BLOCK))]
        case = builder.add(builder.shl(values[0], word(3)), values[1])
        done = builder.append_basic_block("done")
        choice = builder.switch(case, done)
        for rows_, columns_ in _SHAPES:
            block = builder.append_basic_block("case")
            choice.add_case(word(8 * rows_ + columns_), block)
            builder.position_at_end(block)
            builder.call(_block_function(builder.module, rows_, columns_), plain)
            builder.branch(done)
        builder.position_at_end(done)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, arguments), codegen
