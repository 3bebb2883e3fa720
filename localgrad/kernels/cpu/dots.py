"""Products of a few rows with a matrix that is stored by columns, each element a dot product.

    C[i, j] = activation(init[j] + sum over k of A[i, k] B[j, k])

A linear layer's step for one example or a few, and a matrix times a vector.  Elsewhere such a B is
transposed into panels first, which so few rows do not repay.
"""

from __future__ import annotations

from numba import njit

from .callee import callee
from .emit import SUMS, widest
from .host import CACHE
from .launch import parallel, share
from .microkernel import RELU

_FEW = 4  # rows up to which this is quicker

_LONG = 64  # elements of a row, from which on it pays
_COLUMNS = 4  # dot products of one row that are made together


@callee(fastmath=SUMS)
def _four(x, b, j):  # type: ignore[no-untyped-def]
    """The dot products of x and four rows of b."""
    widest()
    one, two, three, four = b[j], b[j + 1], b[j + 2], b[j + 3]
    p = q = r = s = x.dtype.type(0)
    for k in range(x.size):
        p += x[k] * one[k]
        q += x[k] * two[k]
        r += x[k] * three[k]
        s += x[k] * four[k]
    return p, q, r, s


@callee(fastmath=SUMS)
def _one(x, y):  # type: ignore[no-untyped-def]
    widest()
    result = x.dtype.type(0)
    for k in range(x.size):
        result += x[k] * y[k]
    return result


@callee
def _task(a, b, init, has_init, flags, c, thread, threads):  # type: ignore[no-untyped-def]
    low, high = share(b.shape[0], thread, threads)
    zero = c.dtype.type(0)
    together = low + (high - low) // _COLUMNS * _COLUMNS
    for j in range(low, together, _COLUMNS):  # four rows of b stay in the cache for all of a
        for i in range(a.shape[0]):
            c[i, j], c[i, j + 1], c[i, j + 2], c[i, j + 3] = _four(a[i], b, j)
    for j in range(together, high):
        for i in range(a.shape[0]):
            c[i, j] = _one(a[i], b[j])
    for i in range(a.shape[0] if has_init or flags & RELU else 0):
        for j in range(low, high):
            value = c[i, j] + (init[j] if has_init else zero)
            c[i, j] = zero if flags & RELU and value < zero else value


@njit(cache=CACHE)
def dots(a, b, init, has_init, flags, c, threads):  # type: ignore[no-untyped-def]
    """Fill C for a contiguous A (rows, k) and B (columns, k); ``flags``: RELU or 0."""
    parallel(_task, (a, b, init, has_init, flags, c), threads)


def pays(m: int, k: int) -> bool:
    """Whether m rows are few enough, and long enough for vectors."""
    return m <= _FEW and k >= _LONG
