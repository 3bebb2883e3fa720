"""exp, tanh, sigmoid and the normal distribution as polynomials without branches, for vectors.

Numba calls the C library for each element; these are written on single numbers, and a loop over
them becomes a loop over vectors.  float32 errors are about one unit in the last place; float64
takes the C library's.  The coefficients are our own least-squares fits at Chebyshev nodes,
reweighted to a minimal largest error.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic, overload

from .callee import callee
from .emit import external, vector_intrinsic

_SINGLE = ir.FloatType()
_INTEGER = ir.IntType(32)


class _Number:
    """A float32 value under construction, with the operators of arithmetic."""

    def __init__(self, builder: ir.IRBuilder, value: Any) -> None:
        self.builder, self.value = builder, value

    def _other(self, other: Any) -> Any:
        return other.value if isinstance(other, _Number) else ir.Constant(_SINGLE, float(other))

    def _made(self, value: Any) -> _Number:
        return _Number(self.builder, value)

    def __add__(self, other: Any) -> _Number:
        return self._made(self.builder.fadd(self.value, self._other(other)))

    def __sub__(self, other: Any) -> _Number:
        return self._made(self.builder.fsub(self.value, self._other(other)))

    def __mul__(self, other: Any) -> _Number:
        return self._made(self.builder.fmul(self.value, self._other(other)))

    def below(self, other: Any) -> Any:
        """The condition ``self < other``; false for NaN."""
        return self.builder.fcmp_ordered("<", self.value, self._other(other))

    def where(self, condition: Any, other: Any) -> _Number:
        """Self where the condition holds, ``other`` elsewhere."""
        return self._made(self.builder.select(condition, self.value, self._other(other)))

    def call(self, name: str, *others: Any) -> _Number:
        """LLVM's function ``name`` of self and others."""
        operands = [self.value, *(self._other(other) for other in others)]
        function = vector_intrinsic(self.builder.module, name, _SINGLE, len(operands))
        return self._made(self.builder.call(function, operands))

    def polynomial(self, coefficients: list[float]) -> _Number:
        """``c[0] + c[1] x + c[2] x² + ...`` by Horner's rule, one fused step a term."""
        total = self._made(ir.Constant(_SINGLE, coefficients[-1]))
        for coefficient in reversed(coefficients[:-1]):
            total = total.call("llvm.fmuladd", self, coefficient)
        return total


_EXP = [0.5, 0.16666577, 0.04166685, 0.00836314, 0.00139013]
_TANH = [-0.33333333, 0.13333304, -0.05395926, 0.0217689, -0.00834385, 0.00229261]


_TAIL = [0.11693621, 0.06496763, 0.27501357, -0.24429351, 0.39420252, -0.10682639]
_TAIL_SCALE = 0.28


def _emit_power(builder: ir.IRBuilder, n: Any) -> _Number:
    """2^n for an integer n with an exponent of its own."""
    bits = builder.shl(builder.add(n, ir.Constant(_INTEGER, 127)), ir.Constant(_INTEGER, 23))
    return _Number(builder, builder.bitcast(bits, _SINGLE))


def _emit_bounded_exp(x: _Number, overflow: bool = False) -> _Number:
    """2^n · e^r with n = round(x / ln 2), so that r is within ±0.35 (Cody and Waite).

    Right for |x| < 87; with ``overflow`` up to where the result leaves float32's range.
    """
    builder = x.builder
    n = (x * 1.44269504).call("llvm.rint")
    r = n.call("llvm.fmuladd", -0.693359375, x)
    r = n.call("llvm.fmuladd", 2.12194440e-4, r)
    value = r.polynomial(_EXP).call("llvm.fmuladd", r * r, r) + 1.0
    whole = builder.fptosi(n.value, _INTEGER)
    if not overflow:
        return value * _emit_power(builder, whole)
    half = builder.ashr(whole, ir.Constant(_INTEGER, 1))  # 2^128 has no exponent of its own
    return value * _emit_power(builder, half) * _emit_power(builder, builder.sub(whole, half))


def _clamped(x: _Number, low: float, high: float) -> _Number:
    """x within the bounds; NaN becomes ``high``."""
    bounded = x.where(x.below(high), high)
    return bounded.where(_Number(x.builder, ir.Constant(_SINGLE, low)).below(bounded), low)


def _emit_exp(x: _Number) -> _Number:
    """e^x, infinite and zero where float32 has nothing between."""
    builder = x.builder
    low, high = -87.33654, 88.72283
    value = _emit_bounded_exp(_clamped(x, low, high), overflow=True)
    too_large = builder.fcmp_ordered(">", x.value, ir.Constant(_SINGLE, high))
    infinity = _Number(builder, ir.Constant(_SINGLE, float("inf")))
    value = infinity.where(too_large, value)
    value = _Number(builder, ir.Constant(_SINGLE, 0.0)).where(x.below(low), value)
    return value.where(builder.fcmp_ordered("ord", x.value, x.value), x)


def _emit_tanh(x: _Number) -> _Number:
    """x + x³ P(x²) near zero; 1 − 2 / (exp(2|x|) + 1) elsewhere."""
    builder = x.builder
    size = x.call("llvm.fabs")
    square = x * x
    near = (x * square).call("llvm.fmuladd", square.polynomial(_TANH), x)
    bounded = size.where(size.below(10.0), 10.0)
    growth = _emit_bounded_exp(bounded + bounded) + 1.0
    quotient = _Number(builder, builder.fdiv(ir.Constant(_SINGLE, 2.0), growth.value))
    far = (_Number(builder, ir.Constant(_SINGLE, 1.0)) - quotient).call("llvm.copysign", x)
    return far.where(builder.fcmp_ordered(">=", size.value, ir.Constant(_SINGLE, 0.625)), near)


def _emit_sigmoid(x: _Number) -> _Number:
    """1 / (1 + exp(−x))."""
    builder = x.builder
    growth = _emit_bounded_exp(_clamped(x * -1.0, -87.0, 87.0)) + 1.0
    value = _Number(builder, builder.fdiv(ir.Constant(_SINGLE, 1.0), growth.value))
    return value.where(builder.fcmp_ordered("ord", x.value, x.value), x)


def _emit_decay(x: _Number) -> _Number:
    """e^x for x up to 0 (or NaN), in fewer steps than ``_emit_exp``; zero below float32's range."""
    low = -87.33654
    bounded = x.where(_Number(x.builder, ir.Constant(_SINGLE, low)).below(x), low)
    value = _emit_bounded_exp(bounded)
    value = _Number(x.builder, ir.Constant(_SINGLE, 0.0)).where(x.below(low), value)
    return value.where(x.builder.fcmp_ordered("ord", x.value, x.value), x)


def _emit_normal(x: _Number) -> _Number:
    """Φ(x) by its tail t P(t) exp(−x²/2), t = 1 / (1 + 0.28 |x|): to 1e-7 of the tail where that is
    above 0.01, to 1e-9 below (after Abramowitz and Stegun 7.1.26, six terms fitted for floats)."""
    builder = x.builder
    one = _Number(builder, ir.Constant(_SINGLE, 1.0))
    scaled = x.call("llvm.fabs").call("llvm.fmuladd", _TAIL_SCALE, one)
    t = _Number(builder, builder.fdiv(one.value, scaled.value))
    tail = t * t.polynomial(_TAIL) * _emit_decay((x * x) * -0.5)
    return tail.where(x.below(0.0), one - tail)


def _function(emit: Any, double: Any, name: str) -> Any:
    """A function for compiled code: the polynomial on float32, ``double`` on float64."""

    @intrinsic
    def single(typingctx: Any, x: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            # One function a module, inlined by LLVM wherever it is called.
            label = f"localgrad_{name}"
            kind = ir.FunctionType(_SINGLE, [_SINGLE])
            known = label in builder.module.globals
            function = external(builder.module, label, kind)
            if not known:
                function.linkage = "internal"
                function.attributes.add("alwaysinline")
                inner = ir.IRBuilder(function.append_basic_block("entry"))
                inner.ret(emit(_Number(inner, function.args[0])).value)
            return builder.call(function, values)

        return types.float32(types.float32), codegen

    def stub(x: float) -> float:
        return float(double(x))

    stub.__name__ = name

    @overload(stub)
    def choose(x):  # type: ignore[no-untyped-def]
        if x == types.float32:
            return lambda x: single(x)
        return lambda x: double(x)

    return stub


@callee
def _exp_double(x: float) -> float:
    return math.exp(x) if x < 709.782712893384 or x != x else np.inf


@callee
def _sigmoid_double(x: float) -> float:
    return 1.0 / (1.0 + _exp_double(-x))


@callee
def _tanh_double(x: float) -> float:
    return math.tanh(x)


@callee
def _normal_double(x: float) -> float:
    return 0.5 * math.erfc(-0.7071067811865476 * x)


exp = _function(_emit_exp, _exp_double, "exp")
decay = _function(_emit_decay, _exp_double, "decay")  #: exp, for what is at most 0
tanh = _function(_emit_tanh, _tanh_double, "tanh")
sigmoid = _function(_emit_sigmoid, _sigmoid_double, "sigmoid")
normal = _function(_emit_normal, _normal_double, "normal")


@intrinsic
def maximum(typingctx: Any, a: Any, b: Any) -> Any:
    """The larger of two numbers, NaN if one is; a loop over it becomes vectors."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        function = vector_intrinsic(builder.module, "llvm.maximum", values[0].type, 2)
        return builder.call(function, values)

    return a(a, a), codegen
