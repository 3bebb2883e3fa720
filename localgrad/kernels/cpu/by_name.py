"""Functions that are compiled once for an element type and reached by name.

A kernel that calls an ordinary ``@njit`` function carries a copy of it, which LLVM optimises anew;
the microkernel and the product around it are large and called by everybody.  For the same reason a
constant is handed to a large function as ``np.int64(1)``: of a literal Numba makes a type of its
own, and compiles the function once more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import cfunc
from numba.core import types
from numba.extending import intrinsic

from .emit import WORD, external
from .host import CACHE


class ByName:
    """A function of ``count`` integers, with a body for each size of an element in bytes.

    ``call(like, arguments)`` is an intrinsic that calls the body for ``like``'s element type;
    ``prepare(dtype)`` must have run before.
    """

    def __init__(self, name: str, bodies: dict[int, Callable[..., None]], count: int) -> None:
        self.name, self.bodies, self.count = name, bodies, count
        self.compiled: dict[int, Any] = {}
        self.call = self._caller()

    def prepare(self, dtype: np.dtype) -> None:
        """Compile, or load, the body of an element type and make its name known."""
        size = dtype.itemsize
        if size not in self.compiled:
            signature = types.void(*[types.int64] * self.count)
            function = cfunc(signature, cache=CACHE)(self.bodies[size])
            llvm.add_symbol(f"{self.name}_{size}", function.address)
            self.compiled[size] = function

    def _caller(self) -> Any:
        name, count = self.name, self.count

        @intrinsic
        def call(typingctx: Any, like: Any, arguments: Any) -> Any:
            label = f"{name}_{4 if like == types.float32 else 8}"
            kind = ir.FunctionType(ir.VoidType(), [WORD] * count)

            def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
                plain = [builder.extract_value(values[1], index) for index in range(count)]
                builder.call(external(builder.module, label, kind), plain)
                return context.get_dummy_value()

            return types.void(like, types.UniTuple(types.int64, count)), codegen

        return call
