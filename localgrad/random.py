"""The one source of random numbers: what `manual_seed` seeds, and what a resumed run restores.

A random operation draws once and its node keeps what was drawn, so backward, forward mode and
second order see the same draw. Whoever runs a function a second time (`checkpoint`, the gradient
checker) puts the source back to where the first run began, with `replayed`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy

_generator: numpy.random.Generator | None = None


def generator() -> numpy.random.Generator:
    """The generator that dropout, initialisation and shuffling draw from."""
    global _generator
    if _generator is None:  # made at the first draw: NumPy loads its generators late, too
        _generator = numpy.random.default_rng()
    return _generator


def manual_seed(seed: int) -> numpy.random.Generator:
    """Start the random numbers of dropout, initialisation and shuffling afresh from `seed`.

    >>> import localgrad as lg
    >>> first = lg.manual_seed(0).random()
    >>> first == lg.manual_seed(0).random()
    True
    """
    set_rng_state(dict(numpy.random.PCG64(seed).state))
    return generator()


def get_rng_state() -> dict[str, Any]:
    """Where the random numbers stand: plain numbers, which JSON can hold."""
    state: dict[str, Any] = generator().bit_generator.state  # type: ignore[assignment]
    return state


def set_rng_state(state: dict[str, Any]) -> None:
    """Put the random numbers back to where `get_rng_state` found them."""
    generator().bit_generator.state = state


@contextlib.contextmanager
def replayed(state: dict[str, Any]) -> Iterator[None]:
    """Within the block, the numbers that were drawn from `state` on are drawn again."""
    before = get_rng_state()
    set_rng_state(state)
    try:
        yield
    finally:
        set_rng_state(before)


def bernoulli(shape: tuple[int, ...], p: float) -> Any:
    """Truth values, each true with probability `p` to within 2⁻³²."""
    words = generator().integers(0, 1 << 32, shape, dtype=numpy.uint32)
    return words < numpy.uint32(min(round(p * 2**32), 2**32 - 1))
