"""Reductions: many elements become one, and the partial is shaped like the input.

Axis and keepdims are normalised once, here: a partial sees `y` with the reduced axes kept as
size one, so it broadcasts against `x`, and need not know which axes they were.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from localgrad import errors
from localgrad.graph.node import Node
from localgrad.graph.record import here
from localgrad.kernels import reference as xp
from localgrad.local.operation import Operation, parameters_of


def normalise(axis: Any, ndim: int) -> tuple[int, ...]:
    """Axes as non-negative numbers in order; None means all of them."""
    if axis is None:
        return tuple(range(ndim))
    axes = axis if isinstance(axis, tuple | list) else (axis,)
    for a in axes:
        if not -ndim <= a < max(ndim, 1):
            raise ValueError(f"axis {a} is out of bounds for {ndim} dimensions")
    return tuple(sorted(a % ndim for a in axes)) if ndim else ()


class Reduction(Operation):
    """y = forward(x, axis, keepdims, options); partial(x, y, …) is ∂y/∂x, shaped like x.

    With `routes`, the rule is a routing `(g, x, y, …)` instead of a factor. A partial may also
    name `n`, how many elements were reduced to one, and `axis`.
    """

    kind = "reduction"

    def __init__(
        self, name: str, forward: Callable[..., Any], partial: Any, routes: bool, **words: Any
    ) -> None:
        self.routes = routes
        super().__init__(name, forward, {"x": partial}, **words)
        # A partial without parameters is a constant: a sum's 1 needs no multiplication.
        self.is_sum = not parameters_of(partial) and partial() == 1

    def given_names(self) -> tuple[str, ...]:
        return ("g", "n", "axis")

    def __call__(self, x: Any, axis: Any = None, keepdims: bool = False, **options: Any) -> Any:
        axes = self.compute_axes(x, axis)
        return super().__call__(x, axis=axes, keepdims=keepdims, **options)

    def compute_axes(self, x: Any, axis: Any) -> tuple[int, ...]:
        try:
            return normalise(axis, x.ndim if hasattr(x, "ndim") else xp.ndim(x))
        except (ValueError, TypeError) as cause:
            raise errors.operation_failed(
                self.name, (x,), cause, here(), {"axis": axis}
            ) from None

    def rule(self, node: Node, values: Any, travelling: Any, conjugate: bool = False) -> Any:
        """What the element x passes on of `travelling`, which broadcasts against x."""
        axis, keepdims = node.options["axis"], node.options["keepdims"]
        shape = node.likes[0].shape
        if 0 in shape:  # no element passes anything on, and 1/n is no number
            return xp.zeros(shape, node.likes[0].dtype)
        if self.is_sum:
            return travelling
        named = dict(zip(node.plan.names, values))
        if "y" in named and not keepdims:
            named["y"] = named["y"].reshape(kept_shape(shape, axis))
        count = 1
        for a in axis:
            count *= shape[a]
        named |= {"n": count, "axis": axis, "g": travelling}
        partial = self.partials[0]
        local = partial(*[named[p] for p in parameters_of(partial)])  # type: ignore[misc]
        if self.routes:
            return local
        return travelling * (xp.conjugated(local) if conjugate else local)

    def pull(self, node: Node, upstream: Any, values: Any, needs: Any) -> Sequence[Any]:
        like = node.likes[0]
        if not node.options["keepdims"]:
            upstream = upstream.reshape(kept_shape(like.shape, node.options["axis"]))
        downstream = self.rule(node, values, upstream, conjugate=upstream.dtype.kind == "c")
        downstream = xp.stretch(downstream, like.shape)
        if downstream.dtype != like.dtype:
            downstream = downstream.astype(like.dtype)
        return [downstream]

    def push(self, node: Node, tangents: Sequence[Any], values: Any) -> Any:
        like = node.likes[0]
        # The partial of a real y of a complex x, such as a norm, is its gradient: no conjugate.
        is_size = like.dtype.kind == "c" and self.is_real(node)
        passed = xp.stretch(self.rule(node, values, tangents[0], conjugate=is_size), like.shape)
        moved = xp.sum(passed, axis=node.options["axis"], keepdims=node.options["keepdims"])
        return xp.real(moved) if is_size else moved

    def is_real(self, node: Node) -> bool:
        """Whether y is real where x is complex: asked of the forward itself, on one element."""
        one = xp.ones((1,) * node.likes[0].ndim, node.likes[0].dtype)
        with xp.errstate(all="ignore"):
            return bool(self.forward(one, **node.options).dtype.kind != "c")


def kept_shape(shape: tuple[int, ...], axis: tuple[int, ...]) -> tuple[int, ...]:
    """`shape` with the reduced axes kept as size one."""
    return tuple(1 if i in axis else n for i, n in enumerate(shape))


def reduction(name: str, forward: Callable[..., Any], x: Any, **words: Any) -> Reduction:
    """Declare y = forward(x, axis=…, keepdims=…) by its partial `x=lambda x, y, n, …: ∂y/∂x`.

    `n` is how many elements one result is made from; y is given with its reduced axes kept.

    >>> import localgrad as lg
    >>> import numpy as np
    >>> def mean_square(x, axis=None, keepdims=False):
    ...     return np.mean(x * x, axis=axis, keepdims=keepdims)
    >>> power = lg.reduction("power", mean_square, x=lambda x, n: 2 * x / n)
    >>> x = lg.asarray([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    >>> power(x, axis=1).sum().backward(); x.grad
    Tensor([[1., 2.],
            [3., 4.]], dtype=float32)
    """
    return Reduction(name, forward, x, False, **words)


def select_reduction(name: str, forward: Callable[..., Any], x: Any, **words: Any) -> Reduction:
    """Declare a reduction that chooses, such as max, by its routing rule `x=lambda g, x, y: …`.

    >>> import localgrad as lg
    >>> import numpy as np
    >>> def highest(x, axis=None, keepdims=False):
    ...     return np.max(x, axis=axis, keepdims=keepdims)
    >>> largest = lg.select_reduction("largest", highest,
    ...                               x=lambda g, x, y: lg.where(x == y, g, 0))
    >>> x = lg.asarray([[1.0, 5.0], [4.0, 2.0]], requires_grad=True)
    >>> largest(x, axis=1).sum().backward(); x.grad
    Tensor([[0., 1.],
            [1., 0.]], dtype=float32)
    """
    return Reduction(name, forward, x, True, **words)
