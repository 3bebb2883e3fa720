"""Products: matmul of all ranks, einsum in every form that NumPy takes, tensordot, outer."""

from __future__ import annotations

from typing import Any

from localgrad import errors, kernels
from localgrad.graph.record import here
from localgrad.local.axes import axes_of
from localgrad.local.bilinear import Bilinear, bilinear
from localgrad.local.contract import contract
from localgrad.tensor import Tensor

_matmul: Bilinear = bilinear(
    "matmul",
    lambda a, b: kernels.matmul(a, b),
    a=lambda g, b: _matmul.run(g, b.mT),
    b=lambda g, a: _matmul.run(a.mT, g),
    example=lambda rng: ((rng.standard_normal((2, 3, 4)), rng.standard_normal((4, 5))), {}),
)
_contract = contract(
    "einsum",
    example=lambda rng: (
        (rng.standard_normal((2, 3)), rng.standard_normal((3, 4))),
        {"specification": "ij,jk->ki"},
    ),
)


def _tensor(x: Any) -> Tensor:
    from localgrad.local.operation import as_raw

    return x if isinstance(x, Tensor) else Tensor(as_raw(x))


def matmul(a: Any, b: Any, /) -> Tensor:
    """y[…, i, k] = Σⱼ a[…, i, j] · b[…, j, k].

    Vectors are rows at the left and columns at the right; leading axes are broadcast.
    Downstream: ∂a = g bᵀ, ∂b = aᵀ g.
    """
    a, b = _tensor(a), _tensor(b)
    if a.ndim >= 2 and b.ndim >= 2:
        return _matmul(a, b)
    if a.ndim == 0 or b.ndim == 0:
        raise errors.operation_failed("matmul", (a, b), ValueError(), here())
    left = a if a.ndim > 1 else a[None, :]
    right = b if b.ndim > 1 else b[:, None]
    if left.shape[-1] != right.shape[-2]:
        raise errors.operation_failed("matmul", (a, b), ValueError(), here())
    product = _matmul(left, right)
    if a.ndim == 1:
        product = product[..., 0, :]
    return product[..., 0] if b.ndim == 1 else product


def tensordot(a: Any, b: Any, /, *, axes: Any = 2) -> Tensor:
    """Σ over `axes` of a and b: the last and first n where it is a number."""
    a, b = _tensor(a), _tensor(b)
    if isinstance(axes, int):
        pairs = tuple(range(a.ndim - axes, a.ndim)), tuple(range(axes))
    else:
        pairs = axes
    first, second = (axes_of("tensordot", t, ax) for ax, t in zip(pairs, (a, b)))
    letters = iter("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    of_a = [next(letters) for _ in range(a.ndim)]
    of_b = [next(letters) for _ in range(b.ndim)]
    if [a.shape[i] for i in first] != [b.shape[j] for j in second]:
        given = {"axes": (first, second)}
        raise errors.operation_failed("tensordot", (a, b), ValueError(), here(), given)
    for i, j in zip(first, second):
        of_b[j] = of_a[i]
    shared = set(of_a) & set(of_b)
    output = [c for c in of_a + of_b if c not in shared]
    return _contract(a, b, specification=f"{''.join(of_a)},{''.join(of_b)}->{''.join(output)}")


def vecdot(a: Any, b: Any, /, *, axis: int = -1) -> Tensor:
    """Σ conj(a)·b along an axis."""
    a, b = _tensor(a), _tensor(b)
    return ((a.conj() if a.dtype.kind == "c" else a) * b).sum(axis=axis)


def outer(a: Any, b: Any, /) -> Tensor:
    """y[i, j] = a[i]·b[j], of flattened arguments."""
    a, b = _tensor(a), _tensor(b)
    return _contract(a.reshape(-1), b.reshape(-1), specification="a,b->ab")


def dot(a: Any, b: Any, /) -> Tensor:
    """NumPy's dot: the sum over a's last and b's last but one axis."""
    a, b = _tensor(a), _tensor(b)
    if a.ndim == 0 or b.ndim == 0:
        return a * b
    return tensordot(a, b, axes=([a.ndim - 1], [max(b.ndim - 2, 0)]))


def einsum(*arguments: Any, **options: Any) -> Tensor:
    """Einstein's summation, as `numpy.einsum` takes it.

    Subscripts with or without an arrow, with an ellipsis, repeated letters (diagonals), or the
    interleaved form `einsum(a, [0, 1], b, [1, 2], [0, 2])`.

    >>> import localgrad as lg
    >>> a = lg.asarray([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    >>> lg.einsum("ii->", a).backward(); a.grad.tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    terms, output, operands = _parse(arguments)
    try:
        return _summed(list(terms), output, list(operands))
    except ValueError as cause:  # told of the operands as they were given, not as they are here
        given = {"terms": terms, "output": output}
        raise errors.operation_failed("einsum", operands, cause, here(), given) from None


def _summed(terms: list[list[str]], output: list[str], operands: list[Tensor]) -> Tensor:
    """The contraction, when each operand's diagonals are taken and its lone axes summed."""
    for index, (letters, operand) in enumerate(zip(terms, operands)):
        if len(letters) != operand.ndim or (not "".join(letters).isalpha() and letters):
            raise ValueError(f"{''.join(letters)} does not name the axes of {operand.shape}")
        for letter in dict.fromkeys(letters):
            while letters.count(letter) > 1:
                operand, letters = _take_diagonal(operand, letters, letter)
        elsewhere = set(output).union(*(t for i, t in enumerate(terms) if i != index))
        alone = [i for i, c in enumerate(letters) if c not in elsewhere]
        if alone:
            operand = operand.sum(axis=tuple(alone))
            letters = [c for c in letters if c in elsewhere]
        terms[index], operands[index] = letters, operand
    specification = ",".join("".join(t) for t in terms) + "->" + "".join(output)
    return _contract(*operands, specification=specification)


def _take_diagonal(operand: Tensor, letters: list[str], letter: str) -> tuple[Tensor, list[str]]:
    from localgrad.ops.shape import diagonal, moveaxis

    i = letters.index(letter)
    j = letters.index(letter, i + 1)
    rest = [c for k, c in enumerate(letters) if k not in (i, j)]
    return diagonal(moveaxis(operand, (i, j), (-2, -1))), [*rest, letter]


def _parse(arguments: Any) -> tuple[list[list[str]], list[str], list[Tensor]]:
    """Letters of every operand and of the output, ellipses written out."""
    if isinstance(arguments[0], str):
        text = arguments[0].replace(" ", "")
        operands = [_tensor(a) for a in arguments[1:]]
    else:
        text, operands = _from_lists(arguments)
    left, arrow, right = text.partition("->")
    parts = left.split(",")
    if len(parts) != len(operands):
        cause = ValueError(f"{len(parts)} terms in {text!r} for {len(operands)} operands")
        raise errors.operation_failed("einsum", operands, cause, here())
    free = [c for c in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" if c not in text]
    widths = [o.ndim - len(p.replace("...", "")) for p, o in zip(parts, operands) if "..." in p]
    dots = free[: max(widths, default=0)]
    terms = []
    for part, operand in zip(parts, operands):
        width = operand.ndim - len(part.replace("...", ""))
        mine = "".join(dots[len(dots) - width :]) if width else ""
        terms.append(list(part.replace("...", mine)))
    if arrow:
        return terms, list(right.replace("...", "".join(dots))), operands
    counts = left.replace("...", "").replace(",", "")
    once = sorted(c for c in set(counts) if counts.count(c) == 1)
    return terms, [*dots, *once], operands


def _from_lists(arguments: Any) -> tuple[str, list[Tensor]]:
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

    def name(axes: Any) -> str:
        return "".join("..." if a is Ellipsis else letters[a] for a in axes)

    pairs = len(arguments) // 2
    operands = [_tensor(arguments[2 * i]) for i in range(pairs)]
    text = ",".join(name(arguments[2 * i + 1]) for i in range(pairs))
    if len(arguments) % 2:
        text += "->" + name(arguments[-1])
    return text, operands
