"""How many threads the kernels run on."""

from __future__ import annotations

from .pool import pool


def get_num_threads() -> int:
    """The number of threads, the caller's included."""
    return pool.threads


def set_num_threads(threads: int) -> None:
    """Run every kernel on ``threads`` threads from now on; results are reproducible bit for bit
    at a fixed number.  ``LOCALGRAD_NUM_THREADS`` sets it from outside."""
    pool.resize(threads)
