"""Example arguments: what `example=` of a declaration is written with.

Each is a function that, given a random generator, returns (arrays, options): a call on which the
tests of every operation check its derivatives. Draws keep clear of kinks, which have their own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Example = Callable[[Any], tuple[tuple[Any, ...], dict[str, Any]]]

SHAPE = (3, 4)


def reals(
    *shapes: tuple[int, ...], low: float = -2.0, high: float = 2.0, **options: Any
) -> Example:
    """Uniform numbers between `low` and `high`: one array of (3, 4) unless shapes are given."""
    shapes = shapes or (SHAPE,)
    return lambda rng: (tuple(rng.uniform(low, high, s) for s in shapes), options)


def ranges(*bounds: tuple[float, float], **options: Any) -> Example:
    """An array of (3, 4) for each pair of bounds; the second and later ones broadcast, as (4,)."""

    def draw(rng: Any) -> Any:
        shapes = [SHAPE, *[SHAPE[1:]] * (len(bounds) - 1)]
        return tuple(rng.uniform(*b, s) for b, s in zip(bounds, shapes)), options

    return draw


def integers(count: int = 1, low: int = 0, high: int = 8, **options: Any) -> Example:
    """Whole numbers, for the operations that end a gradient."""
    return lambda rng: (tuple(rng.integers(low, high, SHAPE) for _ in range(count)), options)


def truths(count: int = 1, **options: Any) -> Example:
    """Truth values."""
    return lambda rng: (tuple(rng.random(SHAPE) > 0.5 for _ in range(count)), options)


anywhere = reals()
positive = reals(low=0.2, high=3.0)
inside = reals(low=-0.9, high=0.9)
pair = reals(SHAPE, SHAPE[1:])
