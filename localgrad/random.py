"""The one source of random numbers: what `manual_seed` seeds, and what a resumed run restores."""

from __future__ import annotations

from typing import Any

import numpy

_generator = numpy.random.default_rng()


def generator() -> numpy.random.Generator:
    """The generator that dropout, initialisation and shuffling draw from."""
    return _generator


def manual_seed(seed: int) -> numpy.random.Generator:
    """Start the random numbers of dropout, initialisation and shuffling afresh from `seed`.

    >>> import localgrad as lg
    >>> first = lg.manual_seed(0).random()
    >>> first == lg.manual_seed(0).random()
    True
    """
    set_rng_state(numpy.random.PCG64(seed).state)
    return _generator


def get_rng_state() -> dict[str, Any]:
    """Where the random numbers stand: plain numbers, which JSON can hold."""
    state: dict[str, Any] = _generator.bit_generator.state  # type: ignore[assignment]
    return state


def set_rng_state(state: dict[str, Any]) -> None:
    """Put the random numbers back to where `get_rng_state` found them."""
    _generator.bit_generator.state = state
