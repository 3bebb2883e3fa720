"""Running sums and products along an axis.

The derivative of a product by one factor is the product of the others, which division by that
factor finds only where it is not zero. Here it is a recurrence without a division, so zeros cost
no accuracy and need no case of their own, at any order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from localgrad.kernels import reference as xp
from localgrad.local.axes import axis_of
from localgrad.local.composite import composite
from localgrad.local.linear import Linear, linear
from localgrad.local.symbol import Formula
from localgrad.ops import draw


def part(x: Any, axis: int, start: int | None, stop: int | None) -> Any:
    """x[start:stop] along `axis`."""
    return x[(slice(None),) * axis + (slice(start, stop),)]


def delayed(x: Any, axis: int, steps: int, first: float) -> Any:
    """x moved `steps` places along `axis`, behind as many elements `first`."""
    head = xp.full_like(part(getattr(x, "value", x), axis, 0, steps), first)
    return xp.concat((head, part(x, axis, None, -steps)), axis=axis)


def running_product(x: Any, axis: int) -> Any:
    """x₀, x₀x₁, x₀x₁x₂, … by doubling: as many steps as the length has binary digits."""
    steps = 1
    while steps < x.shape[axis]:
        x = x * delayed(x, axis, steps, 1)
        steps *= 2
    return x


def recurrence(factors: Any, terms: Any, axis: int) -> Any:
    """s with sₖ = factorsₖ · sₖ₋₁ + termsₖ, by doubling."""
    steps = 1
    while steps < terms.shape[axis]:
        terms = terms + factors * delayed(terms, axis, steps, 0)
        factors = factors * delayed(factors, axis, steps, 1)
        steps *= 2
    return terms


def running_product_backward(
    upstream: Any, saved: Any, needs: Any, x: Any, axis: int
) -> Sequence[Any]:
    """gⱼ = (Π before j) · Σ over k ≥ j of upstreamₖ · (Π between j and k)."""
    if not x.shape[axis]:
        return [xp.zeros(x.shape, x.dtype)]
    x, saved = xp.conjugated(x), xp.conjugated(saved)
    before = delayed(saved, axis, 1, 1)
    following = delayed(xp.flip(x, axis=axis), axis, 1, 1)
    after = xp.flip(recurrence(following, xp.flip(upstream, axis=axis), axis), axis=axis)
    return [before * after]


def forward(x: Any, axis: int) -> Any:
    y = xp.cumprod(x, axis)
    return y, y


product_along = composite(
    "cumulative_prod",
    running_product,
    forward,
    running_product_backward,
    arguments=("x",),
    doc="Running products along an axis.",
    rule=Formula(
        "x[j] ← Σ g[k]·Π x[i] over k ≥ j and i ≤ k, i ≠ j",
        r"x_j \leftarrow \sum_{k \ge j} g_k \prod_{i \le k,\; i \ne j} x_i",
    ),
    example=draw.reals(axis=1),
    kink="none: at zeros too the product of the other factors",
)
sum_along: Linear = linear(
    "cumulative_sum",
    lambda x, axis, dtype=None: xp.cumsum(x, axis, dtype=dtype),
    lambda g, axis: xp.flip(sum_along.run(xp.flip(g, axis=axis), axis=axis), axis=axis),
    doc="Running sums along an axis.",
    example=draw.reals(axis=1),
)


def product_of_others(x: Any, axis: tuple[int, ...]) -> Any:
    """For each element the product of all others over the axes."""
    if len(axis) != 1:
        rest = tuple(i for i in range(x.ndim) if i not in axis)
        order = (*rest, *axis)
        moved = xp.permute_dims(x, order)
        flat = xp.reshape(moved, (*(x.shape[i] for i in rest), -1))
        others = xp.reshape(product_of_others(flat, (len(rest),)), moved.shape)
        return xp.permute_dims(others, tuple(order.index(i) for i in range(x.ndim)))
    (along,) = axis
    if x.shape[along] < 2:
        return xp.ones(x.shape, x.dtype)
    before = delayed(product_along.run(x, axis=along), along, 1, 1)
    mirrored = product_along.run(xp.flip(x, axis=along), axis=along)
    return before * xp.flip(delayed(mirrored, along, 1, 1), axis=along)


def _along(name: str, x: Any, axis: int | None) -> tuple[Any, int]:
    """x and a non-negative axis; flattened where no axis is named."""
    if axis is None:
        return (x, 0) if x.ndim == 1 else (xp.reshape(x, (-1,)), 0)
    return x, axis_of(name, x, axis)


def cumulative_sum(
    x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Any:
    """yₖ = x₀ + … + xₖ along `axis` (over all elements in order where it is None).

    With `include_initial` a 0 comes first.

    >>> import localgrad as lg
    >>> lg.cumulative_sum(lg.asarray([1.0, 2.0, 3.0]))
    Tensor([1., 3., 6.], dtype=float32)
    """
    x, axis = _along("cumulative_sum", x, axis)
    y = sum_along(x, axis=axis, dtype=dtype)
    return _with_initial(y, axis, 0) if include_initial else y


def cumulative_prod(
    x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Any:
    """yₖ = x₀ · … · xₖ along `axis` (over all elements in order where it is None).

    With `include_initial` a 1 comes first.

    >>> import localgrad as lg
    >>> lg.cumulative_prod(lg.asarray([1.0, 2.0, 3.0]))
    Tensor([1., 2., 6.], dtype=float32)
    """
    x, axis = _along("cumulative_prod", x, axis)
    y = product_along(x if dtype is None else x.astype(dtype), axis=axis)
    return _with_initial(y, axis, 1) if include_initial else y


def _with_initial(y: Any, axis: int, first: int) -> Any:
    shape = list(y.shape)
    shape[axis] = 1
    return xp.concat((xp.full(shape, first, y.dtype), y), axis=axis)


def cumsum(x: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """`cumulative_sum` by NumPy's and PyTorch's name."""
    return cumulative_sum(x, axis=axis, dtype=dtype)


def cumprod(x: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """`cumulative_prod` by NumPy's and PyTorch's name."""
    return cumulative_prod(x, axis=axis, dtype=dtype)
