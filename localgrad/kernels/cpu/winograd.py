"""Winograd's minimal filtering: a convolution by products of polynomials' values.

    y = Aᵀ [(G w Gᵀ) ⊙ (Bᵀ x B)] A

computes a tile of outputs from a 6 x 6 tile of inputs with 36 multiplications, where the sums of
a 3 x 3 kernel over its 4 x 4 outputs need 144, and those of a 5 x 5 kernel over 2 x 2 outputs 100.
Summed over channels, the elementwise product becomes 36 matrix products, which the microkernel
makes.  The three maps are linear, so the adjoints of the convolution are made from the same three
matrices: the input's is a convolution with the kernel turned round, the weight's is
``Gᵀ [sum of (Bᵀ x B) ⊗ (A dy Aᵀ)] G``.

A product of polynomials is known from its values at six points, one of them infinity.  Pairs ±p
share their even and their odd part, and ``p`` beside ``1/p`` keeps the rounding at some four times
that of the plain sum.

Sources: Winograd, "Arithmetic Complexity of Computations", 1980; Lavin and Gray, "Fast
Algorithms for Convolutional Neural Networks", 2016; Barabasz et al., "Error Analysis and Improving
the Accuracy of Winograd Convolution for Deep Neural Networks", 2020 (the choice of points).
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from .emit import POINTER, offset, vector_intrinsic, word
from .host import host

TILE = 6  #: rows and columns of an input tile
KERNELS = (3, 5)  #: the sizes of a kernel that pay: a tile then has 4 or 2 outputs a side

POINTS = (Fraction(0), Fraction(2, 3), Fraction(-2, 3), Fraction(3, 2), Fraction(-3, 2))

Matrix = list[list[float]]


def _values(count: int, scaled: bool) -> Matrix:
    """The polynomials 1, x, x², … at the points; scaled as an interpolation needs them."""
    rows = []
    for point in POINTS:
        scale = Fraction(1)
        for other in POINTS:
            if scaled and other != point:
                scale *= point - other
        rows.append([float(point ** power / scale) for power in range(count)])
    return [*rows, [0.0] * (count - 1) + [1.0]]


def _through(roots: list[Fraction]) -> list[float]:
    """Coefficients, lowest first, of the product of all ``x - root``, as many as a tile has."""
    result = [Fraction(1)]
    for root in roots:
        result = [(result[power - 1] if power else 0)
                  - root * (result[power] if power < len(result) else 0)
                  for power in range(len(result) + 1)]
    return [float(value) for value in result] + [0.0] * (TILE - len(result))


def outputs_of(kernel: int) -> int:
    """Outputs a side of a tile."""
    return TILE - kernel + 1


def from_outputs(kernel: int) -> Matrix:
    """A: from a tile of outputs (or their gradients) to the points."""
    return _values(outputs_of(kernel), scaled=False)


def from_kernel(kernel: int) -> Matrix:
    """G: from a kernel to the points."""
    return _values(kernel, scaled=True)


def from_inputs() -> Matrix:
    """Bᵀ: from a tile of inputs to the points."""
    rows = [_through([other for other in POINTS if other != point]) for point in POINTS]
    return [*rows, _through(list(POINTS))]


def turned(matrix: Matrix) -> Matrix:
    """The transpose."""
    return [list(column) for column in zip(*matrix, strict=True)]


_GROUPS = ((0,), (1, 2), (3, 4), (5,))  #: points that are made together: ±p


class _Emitter:
    """Vector arithmetic of one function: sums of products with constants."""

    def __init__(self, builder: Any, vector: ir.VectorType) -> None:
        self.builder, self.vector = builder, vector
        self.multiply_add = vector_intrinsic(builder.module, "llvm.fmuladd", vector, 3)

    def constant(self, value: float) -> ir.Constant:
        return ir.Constant(self.vector, [value] * self.vector.count)

    def combination(self, factors: list[float], values: list[Any]) -> Any:
        """The sum of ``factor * value``, or None where all factors are zero."""
        total = None
        pairs = [(f, v) for f, v in zip(factors, values, strict=True) if f and v is not None]
        for factor, value in sorted(pairs, key=lambda pair: pair[0] != 1.0):
            if total is None:
                total = value if factor == 1.0 else self.builder.fmul(
                    self.constant(factor), value)
            elif factor == 1.0:
                total = self.builder.fadd(total, value)
            else:
                total = self.builder.call(
                    self.multiply_add, [self.constant(factor), value, total])
        return total

    def some_points(self, matrix: Matrix, values: list[Any], rows: tuple[int, ...]) -> list[Any]:
        """The ``rows`` of ``matrix @ values``: one of ``_GROUPS``."""
        if len(rows) == 1:
            return [self.combination(matrix[rows[0]], values)]
        # The rows of p and -p agree, or agree but for a sign.
        pairs = list(zip(*(matrix[row] for row in rows), strict=True))
        same = self.combination([a if a == b else 0.0 for a, b in pairs], values)
        opposite = self.combination([a if a != b else 0.0 for a, b in pairs], values)
        return [self.builder.fadd(same, opposite), self.builder.fsub(same, opposite)]

    def to_points(self, matrix: Matrix, values: list[Any]) -> list[Any]:
        """``matrix @ values``, whose rows are the points."""
        return [row for rows in _GROUPS for row in self.some_points(matrix, values, rows)]

    def from_points(self, matrix: Matrix, values: list[Any]) -> list[Any]:
        """``matrix @ values``, whose columns are the points."""
        sums, differences = list(values), list(values)
        for plus, minus in ((1, 2), (3, 4)):
            sums[plus] = self.builder.fadd(values[plus], values[minus])
            differences[plus] = self.builder.fsub(values[plus], values[minus])
            sums[minus] = differences[minus] = None
        return [self.combination(row, sums if row[1] == row[2] else differences)
                for row in matrix]

    def from_both_sides(self, matrix: Matrix, values: list[list[Any]]) -> list[list[Any]]:
        """``matrix @ values @ matrix.T``, whose columns are the points."""
        columns = [self.from_points(matrix, column) for column in turned(values)]  # type: ignore
        return [self.from_points(matrix, list(row)) for row in zip(*columns, strict=True)]


def _transform(matrix: Matrix, name: str, last: bool = False) -> Callable[..., Any]:
    """An intrinsic that writes ``matrix @ X @ matrix.T`` for a square X of vectors.

    ``(like, (target, target_row, target_column, source, source_row, source_column))``: addresses,
    and strides in elements.  The ``last`` transform of a forward pass takes three integers more:
    the address of a bias vector or zero, whether to clamp at zero, and the address of a vector
    to which ``0 * y`` is added: it is zero for as long as all results are finite.
    """
    count = 9 if last else 6

    def emit(module: ir.Module, element: ir.Type, size: int) -> ir.Function:
        kind = ir.FunctionType(ir.VoidType(), [ir.IntType(64)] * count)
        function = ir.Function(module, kind, f"localgrad_winograd_{name}_{size}")
        function.linkage = "internal"
        function.attributes.add("noinline")
        builder = ir.IRBuilder(function.append_basic_block("entry"))
        vector = ir.VectorType(element, host().lanes(size))
        emitter = _Emitter(builder, vector)
        target, target_row, target_column, source, source_row, source_column = function.args[:6]
        start, end = builder.inttoptr(source, POINTER), builder.inttoptr(target, POINTER)

        def place(base: Any, row: int, column: int, row_step: Any, column_step: Any) -> Any:
            steps = builder.add(builder.mul(row_step, word(row)),
                                builder.mul(column_step, word(column)))
            return offset(builder, base, steps, element)

        side = len(matrix[0])

        def loaded(i: int, j: int) -> Any:
            return builder.load(place(start, i, j, source_row, source_column), align=size,
                                typ=vector)

        def store(i: int, row: list[Any]) -> None:
            for j, value in enumerate(row):
                builder.store(value, place(end, i, j, target_row, target_column), align=size)

        if len(matrix) == TILE:
            # Some rows at a time, for which the columns are read again: all of them together would
            # take more registers than there are.
            for rows in _GROUPS:
                columns = [emitter.some_points(matrix, [loaded(i, j) for i in range(side)], rows)
                           for j in range(side)]
                for i, row in zip(rows, zip(*columns, strict=True), strict=True):
                    store(i, emitter.to_points(matrix, list(row)))
        else:
            results = emitter.from_both_sides(
                matrix, [[loaded(i, j) for j in range(side)] for i in range(side)])
            if last:
                results = _finish(builder, emitter, function.args[6:], results, size)
            for i, row in enumerate(results):
                store(i, row)
        builder.ret_void()
        return function

    @intrinsic
    def transform(typingctx: Any, like: Any, arguments: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            element = context.get_value_type(signature.args[0])
            size = 4 if isinstance(element, ir.FloatType) else 8
            function = builder.module.globals.get(f"localgrad_winograd_{name}_{size}")
            if function is None:
                function = emit(builder.module, element, size)
            builder.call(function, [builder.extract_value(values[1], index)
                                    for index in range(count)])
            return context.get_dummy_value()

        return types.void(like, types.UniTuple(types.int64, count)), codegen

    return transform


def _finish(
    builder: Any, emitter: _Emitter, arguments: Any, results: list[list[Any]], size: int
) -> list[list[Any]]:
    """Add the bias, watch for what is not finite, clamp."""
    bias, clamp, watch = arguments
    zero = emitter.constant(0.0)
    before = builder.block
    with builder.if_then(builder.icmp_signed("!=", bias, word(0))):
        inside = builder.block
        loaded = builder.load(builder.inttoptr(bias, POINTER), align=size, typ=emitter.vector)
    start = builder.phi(emitter.vector)
    start.add_incoming(zero, before)
    start.add_incoming(loaded, inside)
    lowest = builder.select(builder.icmp_signed("!=", clamp, word(0)), zero,
                            emitter.constant(float("-inf")))
    watcher = builder.inttoptr(watch, POINTER)
    seen = [zero] * len(results)  # in as many chains: one would be as long as all the rest
    finished: list[list[Any]] = [[] for _ in results]
    for column in range(len(results)):
        for row, values in enumerate(results):
            value = builder.fadd(values[column], start)
            seen[row] = builder.call(emitter.multiply_add, [value, zero, seen[row]])
            # NaN is not below anything and stays.
            finished[row].append(
                builder.select(builder.fcmp_ordered("<", value, lowest), lowest, value))
    total = builder.load(watcher, align=size, typ=emitter.vector)
    for one in seen:
        total = builder.fadd(total, one)
    builder.store(total, watcher, align=size)
    return finished


transform_inputs = _transform(from_inputs(), "inputs")
transform_kernel_3 = _transform(from_kernel(3), "kernel_3")
transform_kernel_5 = _transform(from_kernel(5), "kernel_5")
transform_outputs_3 = _transform(turned(from_outputs(3)), "outputs_3", last=True)
transform_outputs_5 = _transform(turned(from_outputs(5)), "outputs_5", last=True)
transform_upstream_3 = _transform(from_outputs(3), "upstream_3")
transform_upstream_5 = _transform(from_outputs(5), "upstream_5")
transform_sums_3 = _transform(turned(from_kernel(3)), "sums_3")
transform_sums_5 = _transform(turned(from_kernel(5)), "sums_5")
