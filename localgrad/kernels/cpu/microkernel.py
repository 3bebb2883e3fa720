"""The microkernel: a batch-reduce matrix product, generated as LLVM IR.

    C[m, :] = epilogue(init + sum over r, s, k of A[r, s, m, k] * B[r, s, k, :])

A register block of ``rows x vectors`` accumulators stays in registers through all three sums; a
row of A is broadcast, a row of B is loaded.  A is contiguous along k or along m (one of
``a_k`` and ``a_row`` is 1), B and C along the columns.  ``init`` is C itself, a bias, or
zero; the epilogue is the identity or relu.  Matrix
products, all three members of the convolution triple, attention and recurrent cells are loops
around this one function.

Source: Georganas et al., "High-Performance Deep Learning via a Single Building Block", 2019.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from . import pack
from .by_name import ByName
from .callee import callee
from .emit import (
    POINTER,
    WORD,
    counted_loop,
    function_of_its_own,
    offset,
    vector_intrinsic,
    word,
)
from .host import host

#: Flags of the microkernel.
ACCUMULATE = 1  #: start from what C holds
RELU = 2  #: clamp at zero on the way out
NARROW = 4  #: C has one vector of columns; a register block then has more rows

WIDE = 8  #: C has a few rows, of several panels of columns; A is contiguous along k

_PLAIN = ["blocks", "c", "c_row", "a", "a_row", "a_k", "b", "b_k", "depth",
          "r_count", "a_r", "b_r", "s_count", "a_s", "b_s", "init", "flags"]

_ROWS = host().rows
NARROW_ROWS = _ROWS * 4 // 3  # from here on every row loads one number for every multiply-add
_LARGE = 12  # accumulators

# Up to so many rows of one panel would be too few sums to fill the time that a multiply-add takes.
WIDE_ROWS = _ROWS // 2
WIDE_PANELS_OF_ONE, WIDE_PANELS = 4, 2  #: panels of columns where there is one row, or more


def _block_function(
    module: ir.Module, element: ir.Type, rows: int, vectors: int, along: bool
) -> ir.Function:
    """Register blocks of ``rows x vectors``, one below the other: a function made once a module."""
    direction = "along" if along else "across"
    name = f"localgrad_block_{rows}_{vectors}_{direction}"
    kind = ir.FunctionType(ir.VoidType(), [WORD] * len(_PLAIN))
    function, is_new = function_of_its_own(module, name, kind)
    if not is_new:
        return function
    for argument, label in zip(function.args, _PLAIN, strict=True):
        argument.name = label
    _emit_block(function, element, rows, vectors, along)
    return function


def _emit_block(
    function: ir.Function, element: ir.Type, rows: int, vectors: int, along: bool
) -> None:
    given = {argument.name: argument for argument in function.args}
    builder = ir.IRBuilder(function.append_basic_block("entry"))

    def block(state: list[Any]) -> list[Any]:
        c, a = state
        _emit_sums(builder, given, element, rows, vectors, along, c, a)
        return [offset(builder, base, builder.mul(given[step], word(rows)), element)
                for base, step in ((c, "c_row"), (a, "a_row"))]

    first = [builder.inttoptr(given[label], POINTER) for label in ("c", "a")]
    counted_loop(builder, given["blocks"], first, block)
    builder.ret_void()


def _emit_sums(
    builder: ir.IRBuilder, given: dict[str, Any], element: ir.Type, rows: int, vectors: int,
    along: bool, c: Any, a_start: Any,
) -> None:
    """One register block: from C, the bias or zero through all three sums to C."""
    size = 4 if isinstance(element, ir.FloatType) else 8
    lanes = host().lanes(size)
    vector = ir.VectorType(element, lanes)
    multiply_add = vector_intrinsic(builder.module, "llvm.fmuladd", vector, 3)
    zero = ir.Constant(vector, [0.0] * lanes)
    undefined = ir.Constant(vector, ir.Undefined)
    spread = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
    places = [(row, column) for row in range(rows) for column in range(vectors)]

    def pointer(label: str) -> Any:
        return builder.inttoptr(given[label], POINTER)

    def load(base: Any, column: int) -> Any:
        return builder.load(offset(builder, base, word(column * lanes), element),
                            align=size, typ=vector)

    def flag(bit: int) -> Any:
        return builder.icmp_unsigned("!=", builder.and_(given["flags"], word(bit)), word(0))

    c_rows = [offset(builder, c, builder.mul(given["c_row"], word(row)), element)
              for row in range(rows)]

    # The initial accumulators: C, the bias, or zero.
    from_c = builder.append_basic_block("from_c")
    not_c = builder.append_basic_block("not_c")
    from_init = builder.append_basic_block("from_init")
    start = builder.append_basic_block("start")
    builder.cbranch(flag(ACCUMULATE), from_c, not_c)
    builder.position_at_end(from_c)
    held = [load(c_rows[row], column) for row, column in places]
    builder.branch(start)
    builder.position_at_end(not_c)
    builder.cbranch(builder.icmp_signed("!=", given["init"], word(0)), from_init, start)
    builder.position_at_end(from_init)
    bias = [load(pointer("init"), column) for column in range(vectors)]
    builder.branch(start)
    builder.position_at_end(start)
    accumulators: list[Any] = []
    for number, (_, column) in enumerate(places):
        node = builder.phi(vector)
        node.add_incoming(held[number], from_c)
        node.add_incoming(zero, not_c)
        node.add_incoming(bias[column], from_init)
        accumulators.append(node)

    def step(a: Any, b: Any, sums: list[Any], number: int) -> list[Any]:
        """One k, ``number`` steps ahead of the pointers."""
        ahead = offset(builder, b, builder.mul(given["b_k"], word(number)), element)
        right = [load(ahead, column) for column in range(vectors)]
        results = []
        for row in range(rows):
            if along:
                place = offset(builder, a, builder.mul(given["a_row"], word(row)), element)
                place = offset(builder, place, word(number), element)
            else:
                place = offset(builder, a, builder.mul(given["a_k"], word(number)), element)
                place = offset(builder, place, word(row), element)
            scalar = builder.load(place, align=size, typ=element)
            left = builder.shuffle_vector(
                builder.insert_element(undefined, scalar, word(0)), undefined, spread)
            for column in range(vectors):
                results.append(builder.call(
                    multiply_add, [left, right[column], sums[row * vectors + column]]))
        return results

    def steps(count: int) -> Any:
        def body(state: list[Any]) -> list[Any]:
            a, b, *sums = state
            for number in range(count):
                sums = step(a, b, sums, number)
            a_move = word(count) if along else builder.mul(given["a_k"], word(count))
            b_move = builder.mul(given["b_k"], word(count))
            return [offset(builder, a, a_move, element), offset(builder, b, b_move, element),
                    *sums]
        return body

    # A large block fills the time of its loop's own instructions, and need not be unrolled so far.
    unrolled = 1 if rows * vectors >= _LARGE else 2

    def inner(state: list[Any]) -> list[Any]:
        whole = builder.lshr(given["depth"], word(unrolled))
        state = counted_loop(builder, whole, state, steps(1 << unrolled))
        rest = builder.and_(given["depth"], word((1 << unrolled) - 1))
        return counted_loop(builder, rest, state, steps(1))

    def middle(state: list[Any]) -> list[Any]:
        a, b, *sums = state
        _, _, *sums = inner([a, b, *sums])
        return [offset(builder, a, given["a_s"], element),
                offset(builder, b, given["b_s"], element), *sums]

    def outer(state: list[Any]) -> list[Any]:
        a, b, *sums = state
        _, _, *sums = counted_loop(builder, given["s_count"], [a, b, *sums], middle)
        return [offset(builder, a, given["a_r"], element),
                offset(builder, b, given["b_r"], element), *sums]

    _, _, *sums = counted_loop(
        builder, given["r_count"], [a_start, pointer("b"), *accumulators], outer)

    def store(values: list[Any]) -> None:
        for (row, column), value in zip(places, values, strict=True):
            place = offset(builder, c_rows[row], word(column * lanes), element)
            builder.store(value, place, align=size)
        builder.branch(done)

    clamp, plain, done = (builder.append_basic_block(name) for name in ("clamp", "plain", "done"))
    builder.cbranch(flag(RELU), clamp, plain)
    builder.position_at_end(clamp)
    # "below zero becomes zero": a NaN is not below zero and stays what it is.
    store([builder.select(builder.fcmp_ordered("<", value, zero), zero, value) for value in sums])
    builder.position_at_end(plain)
    store(sums)
    builder.position_at_end(done)


@intrinsic
def _call_block(typingctx: Any, like: Any, rows: Any, arguments: Any) -> Any:
    """Call the register blocks of ``rows`` rows, a number known only at run time.

    Case ``rows · 8 + wide · 4 + narrow · 2 + along`` of one switch is the block of that kind.
    """

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        element = context.get_value_type(signature.args[0])
        plain = [builder.extract_value(values[2], index) for index in range(len(_PLAIN))]
        along = builder.zext(
            builder.icmp_signed("==", plain[_PLAIN.index("a_k")], word(1)), WORD)
        kind = builder.and_(
            builder.lshr(plain[_PLAIN.index("flags")], word(1)), word((NARROW | WIDE) // 2))
        case = builder.add(builder.shl(values[1], word(3)), builder.add(kind, along))
        done = builder.append_basic_block("done")
        choice = builder.switch(case, done)
        panel = host().vectors
        kinds = [(0, rows, panel, across) for rows in range(1, _ROWS + 1) for across in (0, 1)] \
            + [(NARROW, rows, 1, across) for rows in range(1, NARROW_ROWS + 1)
               for across in (0, 1)] \
            + [(WIDE, 1, panel * WIDE_PANELS_OF_ONE, 1)] \
            + [(WIDE, rows, panel * WIDE_PANELS, 1) for rows in range(2, WIDE_ROWS + 1)]
        for flag, rows_, vectors, along_ in kinds:
            block = builder.append_basic_block("case")
            choice.add_case(word(rows_ * 8 + flag // 2 + along_), block)
            builder.position_at_end(block)
            function = _block_function(builder.module, element, rows_, vectors, bool(along_))
            builder.call(function, plain)
            builder.branch(done)
        builder.position_at_end(done)
        return context.get_dummy_value()

    return types.void(like, types.int64, arguments), codegen


@callee
def _reduce(  # type: ignore[no-untyped-def]
    zero, size, rows, c, c_row, a, a_row, a_k, b, b_k, depth,
    r_count, a_r, b_r, s_count, a_s, b_s, init, flags,
):
    """Rows of C in blocks of nearly equal height, so that no block is much less efficient."""
    limit = NARROW_ROWS if flags & NARROW else _ROWS
    blocks = (rows + limit - 1) // limit
    height = rows // blocks
    taller = rows - height * blocks
    for part in range(2):
        count, number = (height + 1, taller) if part == 0 else (height, blocks - taller)
        _call_block(zero, count, (
            number, c, c_row, a, a_row, a_k, b, b_k, depth,
            r_count, a_r, b_r, s_count, a_s, b_s, init, flags))
        c += number * count * c_row * size
        a += number * count * a_row * size


def _reduce_single(  # type: ignore[no-untyped-def]
    rows, c, c_row, a, a_row, a_k, b, b_k, depth,
    r_count, a_r, b_r, s_count, a_s, b_s, init, flags,
):
    _reduce(np.float32(0), 4, rows, c, c_row, a, a_row, a_k, b, b_k, depth,
            r_count, a_r, b_r, s_count, a_s, b_s, init, flags)


def _reduce_double(  # type: ignore[no-untyped-def]
    rows, c, c_row, a, a_row, a_k, b, b_k, depth,
    r_count, a_r, b_r, s_count, a_s, b_s, init, flags,
):
    _reduce(np.float64(0), 8, rows, c, c_row, a, a_row, a_k, b, b_k, depth,
            r_count, a_r, b_r, s_count, a_s, b_s, init, flags)


_named = ByName("localgrad_reduce", {4: _reduce_single, 8: _reduce_double}, len(_PLAIN))


def prepare(dtype: np.dtype) -> None:
    """Compile, or load, the microkernel of an element type, and what its operands are packed by."""
    pack.prepare(dtype)
    _named.prepare(dtype)


#: ``reduce_product(like, arguments)``: call the microkernel for ``like``'s element type.
#:
#: ``arguments`` are 17 integers: ``rows`` (of C), then ``c, c_row, a, a_row, a_k,
#: b, b_k, depth, r_count, a_r, b_r, s_count, a_s, b_s, init, flags``.  ``a``, ``b``, ``c`` and
#: ``init`` are addresses, every stride counts elements.
reduce_product = _named.call
