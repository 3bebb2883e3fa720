"""Laying operands out as the microkernel reads them: column panels of B, row blocks of A.

A *panel* holds ``width`` neighbouring columns of B (two vectors), one k after the other, padded
with zeros; the microkernel then walks it front to back.  Where B is stored by columns (``x @ W.T``)
packing is a transpose, done in registers a square block at a time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from .by_name import ByName
from .callee import callee
from .emit import POINTER, WORD, external, function_of_its_own, offset, word
from .host import host


def _vector(context: Any, like: Any) -> tuple[Any, Any, int]:
    element = context.get_value_type(like)
    size = 4 if isinstance(element, ir.FloatType) else 8
    return element, ir.VectorType(element, host().lanes(size)), size


def _constant(value: Any) -> Any:
    """An intrinsic of an element type: ``value(itemsize)`` as a compile-time integer."""

    @intrinsic
    def constant(typingctx: Any, like: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            _, _, size = _vector(context, signature.args[0])
            return word(value(size))

        return types.int64(like), codegen

    return constant


size_of = _constant(lambda size: size)  #: bytes of one element
lanes_of = _constant(lambda size: host().lanes(size))  #: elements in a vector
width_of = _constant(lambda size: host().lanes(size) * host().vectors)  #: columns in a panel


@intrinsic
def load_at(typingctx: Any, place: Any, like: Any) -> Any:
    """The scalar at address ``place``."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        element, _, size = _vector(context, signature.args[1])
        return builder.load(builder.inttoptr(values[0], POINTER), align=size, typ=element)

    return like(types.int64, like), codegen


@intrinsic
def store_at(typingctx: Any, place: Any, value: Any) -> Any:
    """Write the scalar ``value`` at address ``place``."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        _, _, size = _vector(context, signature.args[1])
        builder.store(values[1], builder.inttoptr(values[0], POINTER), align=size)
        return context.get_dummy_value()

    return types.void(types.int64, value), codegen


@intrinsic
def copy_row(typingctx: Any, target: Any, source: Any, like: Any) -> Any:
    """Copy one panel row, that is ``host().vectors`` vectors."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        element, vector, size = _vector(context, signature.args[2])
        to, start = (builder.inttoptr(value, POINTER) for value in values[:2])
        for column in range(host().vectors):
            step = word(column * vector.count)
            value = builder.load(offset(builder, start, step, element), align=size, typ=vector)
            builder.store(value, offset(builder, to, step, element), align=size)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, like), codegen


def _shuffle(builder: Any, first: Any, second: Any, picks: list[int]) -> Any:
    mask = ir.Constant(ir.VectorType(ir.IntType(32), len(picks)), picks)
    return builder.shuffle_vector(first, second, mask)


def _transpose(builder: Any, rows: list[Any], size: int) -> list[Any]:
    """Transpose a square of vectors: inside 128-bit blocks first, then the blocks themselves.

    Both stages are shuffles that x86 and Arm have single instructions for.
    """
    lanes, inner = len(rows), 16 // size
    blocks = lanes // inner
    distance = 1
    while distance < inner:  # pairs of rows exchange what lies `distance` apart in each block
        result = list(rows)
        for row in range(lanes):
            if row & distance:
                continue
            low, high = rows[row], rows[row + distance]
            for half, target in ((0, row), (1, row + distance)):
                picks = []
                for lane in range(lanes):
                    origin = (lane & ~distance) | (distance if half else 0)
                    picks.append(origin + (lanes if lane & distance else 0))
                result[target] = _shuffle(builder, low, high, picks)
        rows = result
        distance *= 2
    distance = 1
    while distance < blocks:
        result = list(rows)
        for row in range(lanes):
            if (row // inner) & distance:
                continue
            low, high = rows[row], rows[row + distance * inner]
            for half, target in ((0, row), (1, row + distance * inner)):
                picks = []
                for lane in range(lanes):
                    block, rest = divmod(lane, inner)
                    origin = (block & ~distance) | (distance if half else 0)
                    picks.append(origin * inner + rest + (lanes if block & distance else 0))
                result[target] = _shuffle(builder, low, high, picks)
        rows = result
        distance *= 2
    return rows


@intrinsic
def transpose_block(
    typingctx: Any, target: Any, target_row: Any, source: Any, source_row: Any, like: Any
) -> Any:
    """Write the transpose of a square block, one vector wide and high; strides in elements."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        element, vector, size = _vector(context, signature.args[4])
        to, start = builder.inttoptr(values[0], POINTER), builder.inttoptr(values[2], POINTER)
        rows = [
            builder.load(offset(builder, start, builder.mul(values[3], word(row)), element),
                         align=size, typ=vector)
            for row in range(vector.count)
        ]
        for row, value in enumerate(_transpose(builder, rows, size)):
            place = offset(builder, to, builder.mul(values[1], word(row)), element)
            builder.store(value, place, align=size)
        return context.get_dummy_value()

    integer = types.int64
    return types.void(integer, integer, integer, integer, like), codegen


def _edge_function(module: ir.Module, element: Any, vector: Any, size: int) -> ir.Function:
    """``transpose_edge`` as a function of its own, made once a module."""
    name = f"localgrad_transpose_edge_{size}"
    signature = ir.FunctionType(ir.VoidType(), [WORD] * 6)
    function, is_new = function_of_its_own(module, name, signature)
    if not is_new:
        return function
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    target, target_row, source, source_row, rows, columns = function.args
    lanes, whole = vector.count, ir.IntType(32)
    numbers = ir.VectorType(whole, lanes)
    masks = ir.VectorType(ir.IntType(1), lanes)
    kind = f"v{lanes}f{8 * size}.p0"
    load = external(module, f"llvm.masked.load.{kind}", ir.FunctionType(
        vector, [POINTER, whole, masks, vector]))
    store = external(module, f"llvm.masked.store.{kind}", ir.FunctionType(
        ir.VoidType(), [vector, POINTER, whole, masks]))

    def first(count: Any) -> Any:
        """A mask of so many lanes."""
        one = builder.insert_element(ir.Constant(numbers, ir.Undefined),
                                     builder.trunc(count, whole), word(0))
        every = builder.shuffle_vector(one, one, ir.Constant(numbers, [0] * lanes))
        return builder.icmp_signed("<", ir.Constant(numbers, list(range(lanes))), every)

    def where(number: int, limit: Any, count: Any) -> Any:
        """``count`` for a row that exists, else 0."""
        return builder.select(builder.icmp_signed("<", word(number), limit), count, word(0))

    def at(base: Any, row: int, step: Any) -> Any:
        return offset(builder, builder.inttoptr(base, POINTER), builder.mul(step, word(row)),
                      element)

    aligned, nothing = ir.Constant(whole, size), ir.Constant(vector, [0.0] * lanes)
    held = [builder.call(load, [at(source, row, source_row), aligned,
                                first(where(row, rows, columns)), nothing])
            for row in range(lanes)]
    for row, value in enumerate(_transpose(builder, held, size)):
        builder.call(store, [value, at(target, row, target_row), aligned,
                             first(where(row, columns, rows))])
    builder.ret_void()
    return function


@intrinsic
def transpose_edge(
    typingctx: Any, target: Any, target_row: Any, source: Any, source_row: Any, rows: Any,
    columns: Any, like: Any,
) -> Any:
    """``transpose_block`` of a block of which only so many rows and columns exist."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        element, vector, size = _vector(context, signature.args[6])
        builder.call(_edge_function(builder.module, element, vector, size), values[:6])
        return context.get_dummy_value()

    integer = types.int64
    return types.void(*[integer] * 6, like), codegen


@callee
def _turn(target, target_row, source, source_row, rows, columns, zero):  # type: ignore
    size, lanes = size_of(zero), lanes_of(zero)
    for i in range(0, rows, lanes):
        high = min(lanes, rows - i)
        for j in range(0, columns, lanes):
            wide = min(lanes, columns - j)
            to = target + (j * target_row + i) * size
            start = source + (i * source_row + j) * size
            if high == lanes and wide == lanes:
                transpose_block(to, target_row, start, source_row, zero)
            elif high * wide >= 2 * lanes:
                transpose_edge(to, target_row, start, source_row, high, wide, zero)
            else:
                for row in range(high):
                    for column in range(wide):
                        store_at(to + (column * target_row + row) * size,
                                 load_at(start + (row * source_row + column) * size, zero))


def _turn_single(target, target_row, source, source_row, rows, columns):  # type: ignore
    _turn(target, target_row, source, source_row, rows, columns, np.float32(0))


def _turn_double(target, target_row, source, source_row, rows, columns):  # type: ignore
    _turn(target, target_row, source, source_row, rows, columns, np.float64(0))


_named = ByName("localgrad_transpose", {4: _turn_single, 8: _turn_double}, 6)
_named_call = _named.call

prepare = _named.prepare  #: compile, or load, the transpose of an element type


@callee
def transpose(target, target_row, source, source_row, rows, columns, zero):  # type: ignore
    """``target[j, i] = source[i, j]`` for ``rows x columns`` of source; strides in elements."""
    _named_call(zero, (target, target_row, source, source_row, rows, columns))


@callee
def pack_panels(target, source, source_k, source_column, depth, columns, zero):  # type: ignore
    """Panels of ``depth`` rows for ``columns`` columns of B, the last one padded with zeros.

    One of ``source_k`` and ``source_column`` is 1.  Rows of B are read from end to end, because a
    walk down a column meets a new page at every step.
    """
    size, width = size_of(zero), width_of(zero)
    whole = columns // width
    if source_column == 1:
        for k in range(depth):
            for panel in range(whole):
                copy_row(target + (panel * depth + k) * width * size,
                         source + (k * source_k + panel * width) * size, zero)
    else:
        for panel in range(whole):
            transpose(target + panel * depth * width * size, width,
                      source + panel * width * source_column * size, source_column,
                      width, depth, zero)
    valid = columns - whole * width
    if valid > 0:
        target += whole * depth * width * size
        source += whole * width * source_column * size
        for k in range(depth):
            for column in range(valid, width):
                store_at(target + (k * width + column) * size, zero)
        if source_column == 1:
            for k in range(depth):
                for column in range(valid):
                    store_at(target + (k * width + column) * size,
                             load_at(source + (k * source_k + column) * size, zero))
        else:
            transpose(target, width, source, source_column, valid, depth, zero)
