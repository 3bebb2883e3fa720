"""The one thread pool that every kernel runs on.

The workers are daemon threads of Python that entered one compiled loop and never take the
interpreter's lock again.  A worker spins for a millisecond or two after a task, because the next
kernel of a training step follows soon, and then sleeps on a condition variable, so that an idle
pool costs nothing and starves nobody.  A launch on a spinning pool costs less than a microsecond.

After a fork the child has no workers; ``restart_after_fork`` makes it start its own at its first
launch.  Where POSIX threads are absent the pool has one thread.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading

import llvmlite.binding as llvm
import numpy as np
from numba import cfunc, njit
from numba.core import types
from numba.extending import intrinsic

from .emit import (
    BYTE,
    WORD,
    atomic_add,
    atomic_load,
    atomic_store,
    call_task,
    ir,
    pause,
)
from .host import CACHE

# Word offsets (bytes) into the shared state; what different threads write lies on lines of its own.
_GENERATION, _TASK, _DATA, _THREADS = 0, 8, 16, 24
_DONE, _ARRIVED, _PHASE, _SLEEPERS, _STOP = 128, 256, 384, 512, 640
_MUTEX, _CONDITION, _SIZE = 768, 1024, 1280

# Waiting rounds before a worker sleeps: about 1.5 milliseconds, ten times what Python takes between
# two kernels of a training step, since to wake a worker costs more than many a kernel.
_SPINS = 40000
_PATIENCE = 2000  # rounds before a thread that waits for others lets them have its core

_int = types.int32
_word = types.int64
_mutex_init = types.ExternalFunction("pthread_mutex_init", _int(_word, _word))
_mutex_lock = types.ExternalFunction("pthread_mutex_lock", _int(_word))
_mutex_unlock = types.ExternalFunction("pthread_mutex_unlock", _int(_word))
_condition_init = types.ExternalFunction("pthread_cond_init", _int(_word, _word))
_condition_wait = types.ExternalFunction("pthread_cond_wait", _int(_word, _word))
_condition_broadcast = types.ExternalFunction("pthread_cond_broadcast", _int(_word))
_give_way = types.ExternalFunction("sched_yield", _int())

STATE = "localgrad_pool_state"
LAUNCH = "localgrad_pool_launch"
BARRIER = "localgrad_pool_barrier"


@intrinsic
def _state(typingctx):  # type: ignore[no-untyped-def]
    """The address of the shared state, resolved by name when the code is loaded."""

    def codegen(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        place = builder.module.globals.get(STATE)
        if place is None:
            place = ir.GlobalVariable(builder.module, BYTE, STATE)
        return builder.ptrtoint(place, WORD)

    return types.int64(), codegen


def _launch(task: int, data: int, threads: int) -> None:
    """Run ``task(data, thread, threads)`` on every thread; thread 0 is the caller."""
    state = _state()
    if threads == 1:
        call_task(task, data, 0, 1)
        return
    atomic_store(state + _TASK, task)
    atomic_store(state + _DATA, data)
    atomic_store(state + _THREADS, threads)
    atomic_store(state + _DONE, 0)
    atomic_add(state + _GENERATION, 1)
    if atomic_load(state + _SLEEPERS) > 0:
        _mutex_lock(state + _MUTEX)
        _condition_broadcast(state + _CONDITION)
        _mutex_unlock(state + _MUTEX)
    call_task(task, data, 0, threads)
    rounds = 0
    while atomic_load(state + _DONE) < threads - 1:
        pause()
        rounds += 1
        if rounds > _PATIENCE:
            _give_way()


def _barrier(threads: int) -> None:
    """Inside a task: wait until all ``threads`` have come here."""
    if threads == 1:
        return
    state = _state()
    phase = atomic_load(state + _PHASE)
    if atomic_add(state + _ARRIVED, 1) == threads - 1:
        atomic_store(state + _ARRIVED, 0)
        atomic_add(state + _PHASE, 1)
        return
    rounds = 0
    while atomic_load(state + _PHASE) == phase:
        pause()
        rounds += 1
        if rounds > _PATIENCE:
            _give_way()


def _work(thread: int, seen: int) -> None:
    """A worker's life: wait for a generation, run its task, count itself done."""
    state = _state()
    while True:
        rounds = 0
        while atomic_load(state + _GENERATION) == seen and rounds < _SPINS:
            pause()
            rounds += 1
        if atomic_load(state + _GENERATION) == seen:
            _mutex_lock(state + _MUTEX)
            atomic_add(state + _SLEEPERS, 1)
            while atomic_load(state + _GENERATION) == seen:
                _condition_wait(state + _CONDITION, state + _MUTEX)
            atomic_add(state + _SLEEPERS, -1)
            _mutex_unlock(state + _MUTEX)
        seen = atomic_load(state + _GENERATION)
        if atomic_load(state + _STOP) != 0:
            return
        threads = atomic_load(state + _THREADS)
        call_task(atomic_load(state + _TASK), atomic_load(state + _DATA), thread, threads)
        atomic_add(state + _DONE, 1)


def _prepare() -> int:
    """Initialise the mutex and the condition variable; the current generation."""
    state = _state()
    _mutex_init(state + _MUTEX, 0)
    _condition_init(state + _CONDITION, 0)
    return atomic_load(state + _GENERATION)


def _release() -> None:
    """Send every worker home."""
    state = _state()
    atomic_store(state + _STOP, 1)
    atomic_add(state + _GENERATION, 1)
    _mutex_lock(state + _MUTEX)
    _condition_broadcast(state + _CONDITION)
    _mutex_unlock(state + _MUTEX)


class Pool:
    """The shared state, its compiled functions and the worker threads."""

    def __init__(self) -> None:
        self._memory = np.zeros(_SIZE, dtype=np.uint8)
        llvm.add_symbol(STATE, self._memory.ctypes.data)
        self._launch = cfunc("void(int64, int64, int64)", cache=CACHE)(_launch)
        self._barrier = cfunc("void(int64)", cache=CACHE)(_barrier)
        llvm.add_symbol(LAUNCH, self._launch.address)
        llvm.add_symbol(BARRIER, self._barrier.address)
        self._work = njit("void(int64, int64)", cache=CACHE, nogil=True)(_work)
        self._prepare = njit("int64()", cache=CACHE)(_prepare)
        self._release = njit("void()", cache=CACHE)(_release)
        self._workers: list[threading.Thread] = []
        self._wanted = self._default()
        self.threads = 1
        atexit.register(self.stop)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.restart_after_fork)
        self.start()

    @staticmethod
    def _default() -> int:
        asked = os.environ.get("LOCALGRAD_NUM_THREADS", "")
        if asked:
            return max(1, int(asked))
        if hasattr(os, "sched_getaffinity"):
            return max(1, len(os.sched_getaffinity(0)))
        return os.cpu_count() or 1

    def start(self) -> None:
        """Start the workers that are wanted."""
        self._memory[:] = 0
        generation = self._prepare()
        count = self._wanted if sys.platform != "win32" else 1
        self._workers = [
            threading.Thread(target=self._work, args=(thread, generation), daemon=True,
                             name=f"localgrad-{thread}")
            for thread in range(1, count)
        ]
        for worker in self._workers:
            worker.start()
        self.threads = count

    def stop(self) -> None:
        """End the workers and wait for them."""
        if self._workers:
            self._release()
            for worker in self._workers:
                worker.join()
        self._workers = []
        self.threads = 1

    def resize(self, threads: int) -> None:
        """Make the pool ``threads`` wide, the caller included."""
        if threads < 1:
            raise ValueError(f"the number of threads is at least 1, not {threads}")
        if threads != self.threads:
            self.stop()
            self._wanted = threads
            self.start()

    def restart_after_fork(self) -> None:
        """In a forked child: forget the parent's workers and start one's own."""
        self._workers = []
        self.start()


pool = Pool()
