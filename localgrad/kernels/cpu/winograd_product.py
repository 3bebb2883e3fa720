"""Winograd's products: rows of transformed tiles times a panel of transformed kernels.

    M[t, :] = sum over c of V[c / lanes, t, c % lanes] * U[c, :]

The microkernel made for it: every stride of V and U is known when the code is generated, since
channels are laid out in blocks of a vector.  A register block then needs no other address than two
pointers that move, and starts at once: a product of 16 channels is over after some hundred cycles,
of which the general microkernel spends as many on its addresses.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

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
from .pack import lanes_of, size_of

# Rows of a register block of two vectors, and of one: as many accumulators in either.
_ROWS = host().rows * 2 // 3
_NARROW_ROWS = 2 * _ROWS
_UNROLLED = 2  # channels in a turn of the innermost loop
_ARGUMENTS = 6


def _block_function(module: ir.Module, element: ir.Type, rows: int, vectors: int) -> ir.Function:
    """``(m, m_row, v, v_block, u, blocks)``: addresses, strides in elements, blocks of channels."""
    name = f"localgrad_winograd_product_{rows}_{vectors}"
    function, is_new = function_of_its_own(
        module, name, ir.FunctionType(ir.VoidType(), [WORD] * _ARGUMENTS))
    if not is_new:
        return function
    m, m_row, v, v_block, u, blocks = function.args
    size = 4 if isinstance(element, ir.FloatType) else 8
    lanes, width = host().lanes(size), host().lanes(size) * host().vectors
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    vector = ir.VectorType(element, lanes)
    multiply_add = vector_intrinsic(module, "llvm.fmuladd", vector, 3)
    undefined = ir.Constant(vector, ir.Undefined)
    spread = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)

    def load(base: Any, ahead: int, kind: ir.Type) -> Any:
        return builder.load(offset(builder, base, word(ahead), element), align=size, typ=kind)

    def channels(state: list[Any]) -> list[Any]:
        a, b, *sums = state
        for number in range(_UNROLLED):
            right = [load(b, number * width + column * lanes, vector) for column in range(vectors)]
            for row in range(rows):
                scalar = load(a, row * lanes + number, element)
                left = builder.shuffle_vector(
                    builder.insert_element(undefined, scalar, word(0)), undefined, spread)
                for column in range(vectors):
                    place = row * vectors + column
                    sums[place] = builder.call(multiply_add, [left, right[column], sums[place]])
        return [offset(builder, a, word(_UNROLLED), element),
                offset(builder, b, word(_UNROLLED * width), element), *sums]

    def block(state: list[Any]) -> list[Any]:
        a, *rest = state
        _, *rest = counted_loop(builder, word(lanes // _UNROLLED), [a, *rest], channels)
        return [offset(builder, a, v_block, element), *rest]

    zeros = [ir.Constant(vector, [0.0] * lanes)] * (rows * vectors)
    start = [builder.inttoptr(place, POINTER) for place in (v, u)]
    _, _, *sums = counted_loop(builder, blocks, [*start, *zeros], block)
    target = builder.inttoptr(m, POINTER)
    for row in range(rows):
        for column in range(vectors):
            builder.store(sums[row * vectors + column],
                          offset(builder, target, word(column * lanes), element), align=size)
        target = offset(builder, target, m_row, element)
    builder.ret_void()
    return function


@intrinsic
def _call_block(typingctx: Any, like: Any, rows: Any, vectors: Any, arguments: Any) -> Any:
    """Call the register block of ``rows x vectors``, numbers known only at run time."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        element = context.get_value_type(signature.args[0])
        plain = [builder.extract_value(values[3], index) for index in range(_ARGUMENTS)]
        case = builder.add(builder.shl(values[1], word(1)), builder.and_(values[2], word(1)))
        done = builder.append_basic_block("done")
        choice = builder.switch(case, done)
        kinds = [(height, 2) for height in range(1, _ROWS + 1)] \
            + [(height, 1) for height in range(1, _NARROW_ROWS + 1)]
        for height, columns in kinds:
            chosen = builder.append_basic_block("case")
            choice.add_case(word(2 * height + columns % 2), chosen)
            builder.position_at_end(chosen)
            builder.call(_block_function(builder.module, element, height, columns), plain)
            builder.branch(done)
        builder.position_at_end(done)
        return context.get_dummy_value()

    return types.void(like, types.int64, types.int64, arguments), codegen


@callee
def _multiply(zero, m, m_row, v, v_block, u, blocks, tiles, outputs):  # type: ignore[no-untyped-def]
    size, lanes = size_of(zero), lanes_of(zero)
    vectors = 2 if outputs > lanes else 1
    limit = _ROWS if vectors == 2 else _NARROW_ROWS
    turns = (tiles + limit - 1) // limit
    height = tiles // turns
    taller = tiles - height * turns
    for turn in range(turns):
        rows = height + 1 if turn < taller else height
        _call_block(zero, rows, vectors, (m, m_row, v, v_block, u, blocks))
        m += rows * m_row * size
        v += rows * lanes * size


def _multiply_single(m, m_row, v, v_block, u, blocks, tiles, outputs):  # type: ignore
    _multiply(np.float32(0), m, m_row, v, v_block, u, blocks, tiles, outputs)


def _multiply_double(m, m_row, v, v_block, u, blocks, tiles, outputs):  # type: ignore
    _multiply(np.float64(0), m, m_row, v, v_block, u, blocks, tiles, outputs)


_named = ByName("localgrad_winograd_points", {4: _multiply_single, 8: _multiply_double}, 8)

#: ``multiply_points(like, (m, m_row, v, v_block, u, blocks, tiles, outputs))``: one point of
#: ``tiles`` tiles, towards up to a panel of outputs.  Addresses, and strides in elements: ``m_row``
#: from tile to tile, ``v_block`` from one of the ``blocks`` of channels to the next.
multiply_points = _named.call
#: Compile, or load, the products of an element type.
prepare = _named.prepare
