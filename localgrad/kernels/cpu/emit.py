"""Small pieces of LLVM IR that Numba has no words for: memory by address, atomics, bit casts.

Each is an ``@intrinsic`` in pure IR (no pointers baked in), so every kernel that uses one stays
cacheable on disk.  Addresses travel as plain ``int64``.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

from . import announce, fresh  # noqa: F401 (before anything is compiled or read from the disk)

BYTE = ir.IntType(8)
WORD = ir.IntType(64)
POINTER = ir.PointerType()


def word(value: int) -> ir.Constant:
    """The 64-bit constant ``value``."""
    return ir.Constant(WORD, value)


def external(module: ir.Module, name: str, function_type: ir.FunctionType) -> ir.Function:
    """The function ``name`` of ``module``, declared on first use."""
    known = module.globals.get(name)
    return known if known is not None else ir.Function(module, function_type, name)


def function_of_its_own(
    module: ir.Module, name: str, kind: ir.FunctionType
) -> tuple[ir.Function, bool]:
    """A function that is made once a module and called; and whether it has yet to be filled."""
    known = module.globals.get(name)
    if known is not None:
        return known, False
    function = ir.Function(module, kind, name)
    function.linkage = "internal"
    function.attributes.add("noinline")
    return function, True


def vector_intrinsic(module: ir.Module, name: str, kind: ir.Type, count: int) -> ir.Function:
    """LLVM's ``name`` on ``count`` operands of ``kind``, such as ``llvm.fmuladd.v8f32``."""
    element, prefix = (kind.element, f"v{kind.count}") if isinstance(kind, ir.VectorType) else (
        kind, "")
    suffix = prefix + ("f32" if isinstance(element, ir.FloatType) else "f64")
    return external(module, f"{name}.{suffix}", ir.FunctionType(kind, [kind] * count))


def offset(builder: ir.IRBuilder, pointer: ir.Value, elements: ir.Value, kind: ir.Type) -> Any:
    """``pointer`` moved on by ``elements`` of ``kind``."""
    return builder.gep(pointer, [elements], source_etype=kind)


def counted_loop(
    builder: ir.IRBuilder,
    count: ir.Value,
    carried: list[ir.Value],
    body: Callable[[list[ir.Value]], list[ir.Value]],
) -> list[ir.Value]:
    """Emit ``for _ in range(count): carried = body(carried)``; return the values after it.

    The carried values are phi nodes, so accumulators live in registers through the whole loop.
    """
    before = builder.block
    head = builder.append_basic_block("loop")
    done = builder.append_basic_block("done")
    builder.cbranch(builder.icmp_signed(">", count, word(0)), head, done)
    builder.position_at_end(head)
    left = builder.phi(WORD)
    left.add_incoming(count, before)
    nodes = [builder.phi(value.type) for value in carried]
    for node, value in zip(nodes, carried, strict=True):
        node.add_incoming(value, before)
    results = body(list(nodes))
    remaining = builder.sub(left, word(1))
    tail = builder.block
    left.add_incoming(remaining, tail)
    for node, value in zip(nodes, results, strict=True):
        node.add_incoming(value, tail)
    builder.cbranch(builder.icmp_signed("!=", remaining, word(0)), head, done)
    builder.position_at_end(done)
    after = [builder.phi(value.type) for value in carried]
    for node, value, result in zip(after, carried, results, strict=True):
        node.add_incoming(value, before)
        node.add_incoming(result, tail)
    return after


@intrinsic
def address(typingctx: Any, array: Any) -> Any:
    """The address of an array's first element."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        structure = context.make_array(signature.args[0])(context, builder, arguments[0])
        return builder.ptrtoint(structure.data, WORD)

    return types.int64(array), codegen


@intrinsic
def load(typingctx: Any, place: Any) -> Any:
    """The 64-bit word at ``place``."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(builder.inttoptr(arguments[0], POINTER), typ=WORD)

    return types.int64(types.int64), codegen


@intrinsic
def atomic_load(typingctx: Any, place: Any) -> Any:
    """The 64-bit word at ``place``, and everything written before it was."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = builder.inttoptr(arguments[0], POINTER)
        return builder.load_atomic(pointer, "seq_cst", 8, typ=WORD)

    return types.int64(types.int64), codegen


@intrinsic
def atomic_store(typingctx: Any, place: Any, value: Any) -> Any:
    """Write the 64-bit word at ``place`` after everything before it."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = builder.inttoptr(arguments[0], WORD.as_pointer())
        builder.store_atomic(arguments[1], pointer, "seq_cst", 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


@intrinsic
def atomic_add(typingctx: Any, place: Any, value: Any) -> Any:
    """Add to the 64-bit word at ``place``; returns what it was before."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = builder.inttoptr(arguments[0], WORD.as_pointer())
        return builder.atomic_rmw("add", pointer, arguments[1], "seq_cst")

    return types.int64(types.int64, types.int64), codegen


@intrinsic
def pause(typingctx: Any) -> Any:
    """Tell the processor that this is a waiting loop."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        machine = platform.machine().lower()
        nothing = ir.VoidType()
        if machine in ("x86_64", "amd64", "i686"):
            hint = external(builder.module, "llvm.x86.sse2.pause", ir.FunctionType(nothing, []))
            builder.call(hint, [])
        elif machine in ("aarch64", "arm64"):
            kind = ir.FunctionType(nothing, [ir.IntType(32)])
            hint = external(builder.module, "llvm.aarch64.hint", kind)
            builder.call(hint, [ir.Constant(ir.IntType(32), 1)])
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def prefetch(typingctx: Any, place: Any) -> Any:
    """Ask for the cache line at ``place``, which will be read soon; no harm where nothing lies."""
    number = ir.IntType(32)
    kind = ir.FunctionType(ir.VoidType(), [POINTER, number, number, number])

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        read, nearest, data = (ir.Constant(number, value) for value in (0, 3, 1))
        builder.call(external(builder.module, "llvm.prefetch.p0", kind),
                     [builder.inttoptr(arguments[0], POINTER), read, nearest, data])
        return context.get_dummy_value()

    return types.void(types.int64), codegen


@intrinsic
def call_task(typingctx: Any, task: Any, data: Any, thread: Any, threads: Any) -> Any:
    """Call the outlined task at address ``task`` with its arguments' address."""
    kind = ir.FunctionType(ir.VoidType(), [POINTER, WORD, WORD])

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        # llvmlite's builder.call reads the signature from a function value, so an indirect call
        # goes through a typed pointer cast.
        function = builder.inttoptr(arguments[0], kind.as_pointer())
        builder.call(function, [builder.inttoptr(arguments[1], POINTER), *arguments[2:]])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64, types.int64), codegen


@intrinsic
def array_at(typingctx: Any, place: Any, count: Any, like: Any) -> Any:
    """A one-dimensional array of ``count`` elements at an address; it owns nothing."""
    kind = types.Array(like, 1, "C")

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return _array(context, builder, kind, values[0], [values[1]])

    return kind(types.int64, types.int64, like), codegen


@intrinsic
def matrix_at(typingctx: Any, place: Any, rows: Any, columns: Any, like: Any) -> Any:
    """A (rows, columns) array at an address, its rows end to end; it owns nothing."""
    kind = types.Array(like, 2, "C")

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return _array(context, builder, kind, values[0], values[1:3])

    return kind(types.int64, types.int64, types.int64, like), codegen


@intrinsic
def stack_at(typingctx: Any, place: Any, count: Any, rows: Any, columns: Any, like: Any) -> Any:
    """A (count, rows, columns) array at an address, without holes; it owns nothing."""
    kind = types.Array(like, 3, "C")

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return _array(context, builder, kind, values[0], values[1:4])

    return kind(types.int64, types.int64, types.int64, types.int64, like), codegen


def _array(context: Any, builder: Any, kind: Any, place: Any, lengths: list[Any]) -> Any:
    itemsize = word(context.get_abi_sizeof(context.get_data_type(kind.dtype)))
    strides = [itemsize]
    for length in lengths[:0:-1]:
        strides.insert(0, builder.mul(strides[0], length))
    axes = types.UniTuple(types.intp, kind.ndim)
    array = context.make_array(kind)(context, builder)
    populate_array(
        array, data=builder.inttoptr(place, array.data.type),
        shape=context.make_tuple(builder, axes, lengths),
        strides=context.make_tuple(builder, axes, strides), itemsize=itemsize, meminfo=None)
    return array._getvalue()


#: The liberties of fast mathematics that make sums into vectors and keep NaN and infinity.
SUMS = {"reassoc", "contract", "nsz"}


@intrinsic
def widest(typingctx: Any) -> Any:
    """Let the loops of this function use the widest vectors there are.

    LLVM keeps to half of them on processors whose ancestors lowered their clock for the others.
    It pays where a loop computes much for each element that it loads.
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        # llvmlite's own check knows only attributes without a value.
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return types.void(), codegen
