"""Tensor contraction on raw arrays, on the best matrix product there is."""

from __future__ import annotations

from typing import Any

import numpy

from localgrad.kernels.dispatch import matmul


def contract_arrays(*operands: Any, specification: str) -> Any:
    """Σ over shared letters; two operands become one batched matrix product."""
    if len(operands) == 2 and all(numpy.ndim(o) for o in operands):
        found = as_matrix_product(*operands, specification)
        if found is not None:
            return found
    return numpy.einsum(specification, *operands, optimize=len(operands) > 2)


def as_matrix_product(a: Any, b: Any, specification: str) -> Any:
    """Batch letters, rows, columns and summed letters told apart, then `matmul`."""
    left, output = specification.split("->")
    first, second = left.split(",")
    sizes: dict[str, int] = {}
    for letters, operand in ((first, a), (second, b)):
        for letter, size in zip(letters, operand.shape):
            if sizes.setdefault(letter, size) != size:
                return None  # broadcasting of size one, or a mistake: einsum knows which
    batch = [c for c in output if c in first and c in second]
    rows = [c for c in output if c in first and c not in second]
    columns = [c for c in output if c in second and c not in first]
    summed = [c for c in first if c in second and c not in output]
    if len(batch) + len(rows) + len(summed) != len(first):
        return None
    if len(batch) + len(columns) + len(summed) != len(second):
        return None

    def count(letters: list[str]) -> int:
        return int(numpy.prod([sizes[c] for c in letters], dtype=numpy.int64))

    shape = [sizes[c] for c in batch]
    left_matrix = numpy.transpose(a, [first.index(c) for c in batch + rows + summed])
    right_matrix = numpy.transpose(b, [second.index(c) for c in batch + summed + columns])
    product = matmul(
        left_matrix.reshape(*shape, count(rows), count(summed)),
        right_matrix.reshape(*shape, count(summed), count(columns)),
    )
    order = batch + rows + columns
    product = product.reshape([sizes[c] for c in order])
    return numpy.transpose(product, [order.index(c) for c in output])
