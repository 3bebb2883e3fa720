"""Comparisons, logic, bits and tests: answers, which end every gradient."""

from typing import Any

from localgrad.kernels import reference as xp
from localgrad.local.flat import Flat, flat
from localgrad.ops import draw
from localgrad.tensor import Tensor

ANSWER = "an answer, true or false, does not change with a small change of the question"
BITS = "bits are no numbers"


def compare(name: str, forward: Any, doc: str) -> Flat:
    return flat(name, forward, ANSWER, arguments=("a", "b"), doc=doc, example=draw.pair)


def ask(name: str, forward: Any, doc: str) -> Flat:
    return flat(name, forward, ANSWER, doc=doc, example=draw.anywhere)


def bitwise(name: str, forward: Any, doc: str) -> Flat:
    example = draw.integers(2)
    return flat(name, forward, BITS, arguments=("a", "b"), doc=doc, example=example)


equal = compare("equal", xp.equal, "a = b.")
not_equal = compare("not_equal", xp.not_equal, "a ≠ b.")
less = compare("less", xp.less, "a < b.")
less_equal = compare("less_equal", xp.less_equal, "a ≤ b.")
greater = compare("greater", xp.greater, "a > b.")
greater_equal = compare("greater_equal", xp.greater_equal, "a ≥ b.")
logical_and = compare("logical_and", xp.logical_and, "a and b.")
logical_or = compare("logical_or", xp.logical_or, "a or b.")
logical_xor = compare("logical_xor", xp.logical_xor, "Either a or b.")
isclose = flat(
    "isclose",
    lambda a, b, rtol=1e-5, atol=1e-8, equal_nan=False: xp.isclose(a, b, rtol, atol, equal_nan),
    ANSWER,
    arguments=("a", "b"),
    doc="|a - b| ≤ atol + rtol |b|.",
    example=draw.pair,
)

logical_not = ask("logical_not", xp.logical_not, "Not x.")
isnan = ask("isnan", xp.isnan, "Whether x is not a number.")
isinf = ask("isinf", xp.isinf, "Whether x is infinite.")
isfinite = ask("isfinite", xp.isfinite, "Whether x is neither infinite nor NaN.")

bitwise_and = bitwise("bitwise_and", xp.bitwise_and, "The bits set in a and in b.")
bitwise_or = bitwise("bitwise_or", xp.bitwise_or, "The bits set in a or in b.")
bitwise_xor = bitwise("bitwise_xor", xp.bitwise_xor, "The bits set in one of a and b.")
bitwise_left_shift = bitwise("bitwise_left_shift", xp.left_shift, "a · 2ᵇ.")
bitwise_right_shift = bitwise("bitwise_right_shift", xp.right_shift, "⌊a / 2ᵇ⌋.")
bitwise_invert = flat(
    "bitwise_invert", xp.invert, BITS, doc="Every bit of x turned.", example=draw.integers()
)


def allclose(
    a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    """Whether |a - b| ≤ atol + rtol |b| everywhere.

    >>> import localgrad as lg
    >>> lg.allclose(lg.asarray([1.0, 2.0]), [1.0, 2.0 + 1e-7])
    True
    """
    return bool(isclose(a, b, rtol=rtol, atol=atol, equal_nan=equal_nan).value.all())


def array_equal(a: Any, b: Any) -> bool:
    """Whether a and b have the same shape and the same elements.

    >>> import localgrad as lg
    >>> lg.array_equal(lg.asarray([1, 2]), [1, 2])
    True
    """
    first, second = (t.value if isinstance(t, Tensor) else t for t in (a, b))
    return bool(xp.array_equal(first, second))
