"""Tasks on the threads of another library: those that its OpenMP keeps.

PyTorch's threads spin for a while after each of its operations, because the next one follows soon;
a pool of ours beside them would fight them for the cores. OpenMP has one team for all who call it
in one library, so what is launched through PyTorch's own runs on the very threads that spin.

The function with which compilers begin a parallel region is the same in GNU's and in LLVM's
OpenMP. Where a library has none, the caller does all the work.
"""

from __future__ import annotations

import ctypes
from typing import Any

import llvmlite.binding as llvm
from numba import cfunc
from numba.core import types
from numba.extending import intrinsic

from .emit import POINTER, WORD, atomic_load, call_task, external, ir, word
from .host import CACHE
from .launch import launcher

TEAM = "localgrad_team_launch"
_REGION = "localgrad_team_region"
_BEGIN, _THREAD, _THREADS = "GOMP_parallel", "omp_get_thread_num", "omp_get_num_threads"

_thread = types.ExternalFunction(_THREAD, types.int32())
_threads = types.ExternalFunction(_THREADS, types.int32())

#: ``on_team(task, arguments, threads)``: `launch.parallel`, on the threads of a `Team`.
on_team = launcher(TEAM)


@intrinsic
def _begin(typingctx: Any, task: Any, data: Any, threads: Any) -> Any:
    """Run the region on every thread; it finds ``task`` and ``data`` on the caller's stack."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        nothing, number = ir.VoidType(), ir.IntType(32)
        with builder.goto_entry_block():
            pair = builder.alloca(WORD, size=word(2))
        builder.store(values[0], pair)
        builder.store(values[1], builder.gep(pair, [word(1)], source_etype=WORD))
        region = external(builder.module, _REGION, ir.FunctionType(nothing, [POINTER]))
        kind = ir.FunctionType(nothing, [POINTER, POINTER, number, number])
        count = builder.trunc(values[2], number)
        builder.call(
            external(builder.module, _BEGIN, kind),
            [
                builder.bitcast(region, POINTER),
                builder.bitcast(pair, POINTER),
                count,
                ir.Constant(number, 0),
            ],
        )
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), codegen


def _region(pair: int) -> None:
    """What one thread does."""
    call_task(atomic_load(pair), atomic_load(pair + 8), _thread(), _threads())


def _launch(task: int, data: int, threads: int) -> None:
    if threads == 1:
        call_task(task, data, 0, 1)
    else:
        _begin(task, data, threads)


def _by_caller(task: int, data: int, threads: int) -> None:
    call_task(task, data, 0, 1)


class Team:
    """The threads of the OpenMP that ``library`` was linked with.

    found: whether it has one; without, tasks that are launched on the team run on the caller.
    """

    def __init__(self, library: str) -> None:
        try:
            symbols = ctypes.CDLL(library)
            addresses = [
                ctypes.cast(getattr(symbols, name), ctypes.c_void_p).value
                for name in (_BEGIN, _THREAD, _THREADS)
            ]
        except (OSError, AttributeError):
            addresses = []
        self.found = bool(addresses)
        for name, address in zip((_BEGIN, _THREAD, _THREADS), addresses):
            llvm.add_symbol(name, address)
        if self.found:
            self._region = cfunc("void(int64)", cache=CACHE)(_region)
            llvm.add_symbol(_REGION, self._region.address)
        launch = _launch if self.found else _by_caller
        self._launch = cfunc("void(int64, int64, int64)", cache=CACHE)(launch)
        llvm.add_symbol(TEAM, self._launch.address)
