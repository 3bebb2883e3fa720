"""Why a product or a decomposition refused its arguments, and what to write instead."""

from __future__ import annotations

import math
from collections.abc import Sequence

from localgrad.errors_of_shapes import Options, Shape, broadcast, ordinal, wrong_axis


def linear(shapes: Sequence[Shape], options: Options) -> str | None:
    x, weight, *bias = shapes
    if len(weight) != 2:
        return f"the weight is (out_features, in_features), not {weight}."
    outs, ins = weight
    if bias and bias[0] != (outs,):
        return f"the bias is ({outs},), one number for each output, not {bias[0]}."
    if x and x[-1] == ins:
        return None
    text = f"Linear({ins}, {outs}) takes (…, {ins}); got {x}"
    if not x:
        return f"{text}.\n  One example is a vector: x.reshape(1, {ins})."
    if len(x) > 2 and math.prod(x[1:]) == ins:
        return f"{text}.\n  Flatten each example first: nn.Flatten(), or x.flatten(1)."
    if ins in x:
        place = x.index(ins)
        moved = "x.T" if len(x) == 2 else f"lg.moveaxis(x, {place}, -1)"
        return f"{text}: it is axis {place} that has {ins}.\n  Move it to the end: {moved}."
    if x[-1] == outs:
        return (
            f"{text}.\n  The other way about it fits: Linear(in_features={outs}, "
            f"out_features={ins}), whose weight is {weight[::-1]}."
        )
    return f"{text}.\n  For this input it would be Linear({x[-1]}, {outs})."


def matmul(shapes: Sequence[Shape], options: Options) -> str | None:
    a, b = shapes
    if not a or not b:
        return "one of them is a single number.\n  Multiply by a number with *."
    rows = b[0] if len(b) == 1 else b[-2]
    if a[-1] == rows:
        leading = broadcast((a[:-2], b[:-2]))
        return None if leading is None else f"their leading axes do not fit: {leading}"
    text = (
        f"the last axis of the first has {a[-1]}, the {'last' if len(b) == 1 else 'second last'} "
        f"of the second {rows}, and these are what is summed over."
    )
    if len(b) > 1 and a[-1] == b[-1]:
        return text + "\n  Transpose the second: x @ y.mT."
    if len(a) > 1 and a[-2] == rows:
        return text + "\n  Transpose the first: x.mT @ y."
    if len(a) == len(b) == 1:
        return text + "\n  For the product of each element with each, write lg.outer(x, y)."
    return text


def tensordot(shapes: Sequence[Shape], options: Options) -> str | None:
    if "axes" not in options:  # an axis that the one or the other has not
        return wrong_axis(shapes[0], options["axis"])
    (a, b), (first, second) = shapes, options["axes"]
    if len(first) != len(second):
        return f"axes={options['axes']} pairs {len(first)} axes with {len(second)}."
    for i, j in zip(first, second):
        if a[i] != b[j]:
            return f"axis {i} of the first has {a[i]}, axis {j} of the second {b[j]}."
    return None


def einsum(shapes: Sequence[Shape], options: Options) -> str | None:
    if "specification" in options:
        left, _, output = options["specification"].partition("->")
        terms = left.split(",")
    else:
        terms, output = options["terms"], options["output"]
    where: dict[str, tuple[int, int]] = {}
    for index, (letters, shape) in enumerate(zip(terms, shapes)):
        term = "".join(letters)
        odd = next((c for c in letters if not c.isalpha()), None)
        if odd is not None:
            return f"an index is a letter, and `{term}` has {odd!r}."
        if len(letters) != len(shape):
            return f"`{term}` names {len(letters)} axes, and the {ordinal(index)} is {shape}."
        for letter, size in zip(letters, shape):
            known, other = where.setdefault(letter, (size, index))
            if known != size and 1 not in (known, size):
                return (
                    f"`{letter}` is {known} long in the {ordinal(other)} and {size} in the "
                    f"{ordinal(index)}."
                )
    unknown = next((c for c in output if c not in where), None)
    if unknown is not None:
        return f"the output names `{unknown}`, which no operand has."
    twice = next((c for c in output if list(output).count(c) > 1), None)
    return None if twice is None else f"the output names `{twice}` twice."


def square(shapes: Sequence[Shape], options: Options) -> str | None:
    x = shapes[0]
    if len(x) < 2 or x[-1] != x[-2]:
        return f"it takes square matrices, (…, n, n), not {x}."
    return None


def solve(shapes: Sequence[Shape], options: Options) -> str | None:
    wrong = square(shapes, options)
    if wrong is None and shapes[0][-1] != shapes[1][-2]:
        wrong = f"{shapes[0][-1]} equations have {shapes[0][-1]} right sides, not {shapes[1][-2]}."
    return wrong
