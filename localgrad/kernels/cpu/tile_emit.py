"""What both generators of code for the tile unit are made from; see ``tiles`` for the numbers."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from .emit import BYTE, WORD, external

LEFT, RIGHT = 4, 6  #: the first of two tile registers of A and of B; 0 to 3 hold C
SINGLES, WORDS = ir.VectorType(ir.FloatType(), 16), ir.VectorType(ir.IntType(32), 16)
_UPPER = 0xFFFF0000  # half of a word


def instruction(builder: Any, name: str, arguments: list[Any]) -> None:
    """Emit one instruction of the unit."""
    kind = ir.FunctionType(ir.VoidType(), [argument.type for argument in arguments])
    builder.call(external(builder.module, f"llvm.x86.{name}", kind), arguments)


def register(number: int) -> Any:
    """The name of a tile register."""
    return ir.Constant(BYTE, number)


def every(value: int) -> Any:
    """A vector of one word."""
    return ir.Constant(WORDS, [value] * WORDS.count)


def three_parts(builder: Any, value: Any) -> list[Any]:
    """The high, the middle and the low bfloat16 of a vector: the upper halves of words."""

    def rounded(value: Any) -> Any:
        bits = builder.add(builder.bitcast(value, WORDS), every(0x8000))
        return builder.and_(bits, every(_UPPER))

    high = rounded(value)
    rest = builder.fsub(value, builder.bitcast(high, SINGLES))
    middle = rounded(rest)
    low = builder.fsub(rest, builder.bitcast(middle, SINGLES))
    return [high, middle, builder.bitcast(low, WORDS)]


def paired(builder: Any, upper: Any, lower: Any) -> Any:
    """Words of two bfloat16 numbers, each the upper half of a word.

    Of the same as plain shifts and masks LLVM makes permutations, which take three times as long.
    """
    number = ir.IntType(32)
    choose = external(builder.module, "llvm.x86.avx512.pternlog.d.512",
                      ir.FunctionType(WORDS, [WORDS, WORDS, WORDS, number]))
    second_and_third_or_first = ir.Constant(number, 0b11111000)
    return builder.call(choose, [builder.lshr(lower, every(16)), upper, every(_UPPER),
                                 second_and_third_or_first])


def magnitude(builder: Any, value: Any) -> Any:
    """What ``tiles.special`` looks at: the words of a vector without their signs."""
    return builder.shl(builder.bitcast(value, WORDS), every(1))


def larger(builder: Any, first: Any, second: Any) -> Any:
    """The larger of each two magnitudes."""
    kind = ir.FunctionType(WORDS, [WORDS, WORDS])
    return builder.call(external(builder.module, "llvm.umax.v16i32", kind), [first, second])


def largest(builder: Any, magnitudes: Any) -> Any:
    """The largest magnitude of a vector, as a 64-bit word."""
    kind = ir.FunctionType(ir.IntType(32), [WORDS])
    most = external(builder.module, "llvm.vector.reduce.umax.v16i32", kind)
    return builder.zext(builder.call(most, [magnitudes]), WORD)
