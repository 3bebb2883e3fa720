"""``parallel(task, arguments, threads)``: run a compiled function on every thread of the pool.

``task`` is an ordinary ``@njit`` function that takes the unpacked ``arguments`` and then
``thread`` and ``threads``; it picks its own share.  The call is outlined into one C function whose
arguments lie on the caller's stack, so a launch allocates nothing and stays cacheable.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from .callee import callee
from .emit import POINTER, WORD, external
from .pool import BARRIER, LAUNCH


def launcher(symbol: str) -> Any:
    """``parallel`` by the launch function of that name."""

    @intrinsic(prefer_literal=False)
    def launch_task(typingctx: Any, task: Any, arguments: Any, threads: Any) -> Any:
        """Run ``task(*arguments, thread, threads)`` on ``threads`` threads and wait for all."""
        return _launching(symbol, typingctx, task, arguments)

    return launch_task


def _launching(symbol: str, typingctx: Any, task: Any, arguments: Any) -> Any:
    task_signature = task.get_call_type(
        typingctx, (*arguments.types, types.intp, types.intp), {}
    )

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        compiled = signature.args[0].dispatcher.get_compile_result(task_signature)
        context.active_code_library.add_linking_library(compiled.library)
        packed = values[1]
        for index, kind in enumerate(arguments.types):
            if isinstance(kind, types.Array):
                # The caller holds the arrays; a task that counted references to a row would pull
                # the counter's line from core to core at every one.
                array = context.make_array(kind)(
                    context, builder, value=builder.extract_value(packed, index))
                array.meminfo = ir.Constant(array.meminfo.type, None)
                packed = builder.insert_value(packed, array._getvalue(), index)

        name = f"localgrad_task_{compiled.fndesc.unique_name}_{len(builder.module.functions)}"
        outlined = ir.Function(
            builder.module, ir.FunctionType(ir.VoidType(), [POINTER, WORD, WORD]), name
        )
        outlined.linkage = "internal"
        inner = ir.IRBuilder(outlined.append_basic_block("entry"))
        loaded = inner.load(outlined.args[0], typ=packed.type)
        unpacked = [inner.extract_value(loaded, index) for index in range(len(arguments.types))]
        context.call_internal_no_propagate(
            inner, compiled.fndesc, task_signature, [*unpacked, *outlined.args[1:]]
        )
        inner.ret_void()

        with builder.goto_entry_block():
            place = builder.alloca(packed.type)
        builder.store(packed, place)
        launch = external(
            builder.module, symbol, ir.FunctionType(ir.VoidType(), [WORD, WORD, WORD])
        )
        builder.call(
            launch,
            [builder.ptrtoint(outlined, WORD), builder.ptrtoint(place, WORD), values[2]],
        )
        return context.get_dummy_value()

    return types.void(task, arguments, types.intp), codegen


parallel = launcher(LAUNCH)

#: Inside a task: ``barrier(threads)`` waits until every thread has come to it.
barrier = types.ExternalFunction(BARRIER, types.void(types.int64))


@callee
def share(count: int, thread: int, threads: int) -> tuple[int, int]:
    """This thread's contiguous part of ``range(count)``; fixed for a fixed number of threads."""
    return count * thread // threads, count * (thread + 1) // threads
