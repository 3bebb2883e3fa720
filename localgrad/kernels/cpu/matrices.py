"""Matrix products of arrays: ``A @ B`` for any strides, one pair or a stack of pairs."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numba import njit

from . import arena, dots
from .callee import callee
from .emit import address
from .host import CACHE
from .launch import parallel, share
from .layout import contiguous, rows_or_columns
from .pack import size_of
from .pool import pool
from .product import prepare, product, scratch_bytes
from .workspace import workspace

SMALL = 1 << 18  # multiply-adds below which a second thread costs more than it brings


@callee
def _task(  # type: ignore[no-untyped-def]
    a, a_row, a_k, b, b_k, b_column, c, m, k, n, work, scratch, thread, threads,
):
    product(address(a), a_row, a_k, address(b), b_k, b_column, address(c), n, m, k, n,
            0, 0, work + thread * scratch, c.dtype.type(0), thread, threads)


@njit(cache=CACHE)
def _single(a, a_across, b, b_across, c, work, scratch, threads):  # type: ignore[no-untyped-def]
    m, n = c.shape
    k = a.shape[0] if a_across else a.shape[1]
    a_row, a_k = (1, a.shape[1]) if a_across else (a.shape[1], 1)
    b_k, b_column = (1, b.shape[1]) if b_across else (b.shape[1], 1)
    parallel(_task, (a, a_row, a_k, b, b_k, b_column, c, m, k, n, work, scratch), threads)


@callee
def _stack_task(a, a_across, b, b_across, c, work, scratch, thread, threads):  # type: ignore
    count, m, n = c.shape
    k = a.shape[1] if a_across else a.shape[2]
    a_row, a_k = (1, m) if a_across else (k, 1)
    b_k, b_column = (1, k) if b_across else (n, 1)
    zero = c.dtype.type(0)
    size = size_of(zero)
    low, high = share(count, thread, threads)
    for index in range(low, high):
        product(address(a) + index * m * k * size, a_row, a_k,
                address(b) + index * k * n * size, b_k, b_column,
                address(c) + index * m * n * size, n, m, k, n,
                0, 0, work + thread * scratch, zero, 0, 1)


@njit(cache=CACHE)
def _stack(a, a_across, b, b_across, c, work, scratch, threads):  # type: ignore[no-untyped-def]
    parallel(_stack_task, (a, a_across, b, b_across, c, work, scratch), threads)


def _stacked(operand: np.ndarray, lead: tuple[int, ...]) -> tuple[np.ndarray, bool]:
    """An operand as contiguous (count, rows, columns), and whether it is transposed."""
    shape = (*lead, *operand.shape[-2:])
    if operand.shape != shape:
        operand = np.broadcast_to(operand, shape)
    across = not operand.flags.c_contiguous and operand.mT.flags.c_contiguous
    operand = contiguous(operand.mT if across else operand)
    return operand.reshape(-1, *operand.shape[-2:]), across


class Plan(NamedTuple):
    """How a product of one shape is made; a training step asks the same again."""

    threads: int
    scratch: int  #: bytes of each thread
    whole: int  #: bytes of all of them


@lru_cache(maxsize=1024)
def _plan(work: int, k: int, n: int, dtype: np.dtype, threads: int) -> Plan:
    """For so many multiply-adds; compiles what they need, or loads it."""
    prepare(dtype)
    threads = threads if work >= SMALL else 1
    scratch = scratch_bytes(k, n, dtype.itemsize)
    return Plan(threads, scratch, scratch * threads)


def matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """``C[..., i, j] = sum over k of A[..., i, k] B[..., k, j]``, leading axes broadcast.

    Both operands have two or more dimensions and the same dtype, float32 or float64.
    """
    *lead_a, m, k = a.shape
    *lead_b, inner, n = b.shape
    if inner != k:
        raise ValueError(f"matmul: {a.shape} @ {b.shape}: {k} columns meet {inner} rows")
    if not lead_b and (not lead_a or a.flags.c_contiguous):
        c = arena.empty((*lead_a, m, n), a.dtype)
        if c.size:
            plan = _plan(c.size * k, k, n, a.dtype, pool.threads)
            a, a_across = rows_or_columns(a.reshape(-1, k) if lead_a else a)
            b, b_across = rows_or_columns(b)
            flat = c.reshape(-1, n) if lead_a else c
            if b_across and not a_across and dots.pays(len(flat), k):
                dots.dots(a, b, b[0], False, 0, flat, plan.threads)
            elif n == 1 and not a_across and dots.pays(n, k):
                dots.dots(b.reshape(1, k), a, a[0], False, 0, flat.reshape(1, -1), plan.threads)
            else:
                _single(a, a_across, b, b_across, flat, workspace(plan.whole), plan.scratch,
                        plan.threads)
        return c
    lead = np.broadcast_shapes(tuple(lead_a), tuple(lead_b))
    c = arena.empty((*lead, m, n), a.dtype)
    if c.size:
        plan = _plan(c.size * k, k, n, a.dtype, pool.threads)
        a, a_across = _stacked(a, lead)
        b, b_across = _stacked(b, lead)
        flat, work = c.reshape(-1, m, n), workspace(plan.whole)
        if flat.shape[0] < plan.threads:
            for index in range(flat.shape[0]):
                _single(a[index], a_across, b[index], b_across, flat[index], work, plan.scratch,
                        plan.threads)
        else:
            _stack(a, a_across, b, b_across, flat, work, plan.scratch, plan.threads)
    return c
