"""Matrix products of arrays: ``A @ B`` for any strides, batched or not."""

from __future__ import annotations

import numpy as np
from numba import njit

from .emit import address
from .host import CACHE
from .launch import parallel
from .pool import pool
from .product import product, scratch_bytes
from .workspace import workspace

SMALL = 1 << 17  # multiply-adds below which a second thread costs more than it brings


@njit(cache=CACHE)
def _task(a, a_row, a_k, b, b_k, b_column, c, m, k, n, work, thread, threads):  # type: ignore
    product(address(a), a_row, a_k, address(b), b_k, b_column, address(c), n, m, k, n,
            0, 0, work, c.dtype.type(0), thread, threads)


@njit(cache=CACHE)
def _matmul(a, a_across, b, b_across, c, work, threads):  # type: ignore[no-untyped-def]
    """C = A @ B; an operand that is ``across`` is passed as its transpose."""
    m, n = c.shape
    k = a.shape[0] if a_across else a.shape[1]
    a_row, a_k = (1, a.shape[1]) if a_across else (a.shape[1], 1)
    b_k, b_column = (1, b.shape[1]) if b_across else (b.shape[1], 1)
    parallel(_task, (a, a_row, a_k, b, b_k, b_column, c, m, k, n, work), threads)
