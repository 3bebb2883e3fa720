"""``@callee``: a function that kernels call, and Python never does.

Of every ``@njit`` function Numba makes machine code, and whoever calls it takes a copy and
optimises that anew.  Where only kernels call, nobody runs that machine code, and to make it was a
third of a first start.  A callee is lowered to LLVM's language once; it is optimised, compiled and
kept on disk with the kernels that it belongs to.
"""

from __future__ import annotations

from typing import Any

from numba import njit
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import PassManager, register_pass
from numba.core.typed_passes import NativeLowering


class _Unfinished(JITCodeLibrary):
    """Code that others link, of which no machine code is made."""

    def finalize(self) -> None:
        for library in dict.fromkeys(self._linking_libraries):
            self._final_module.link_in(library._get_module_for_linking(), preserve=True)
        self._finalized = True


@register_pass(mutates_CFG=True, analysis_only=False)
class _LoweringOfCallee(NativeLowering):
    """Numba's own, without what a function needs that is called from Python."""

    _name = "lowering_of_callee"

    def run_pass(self, state: Any) -> bool:
        context = state.targetctx
        state.library = _Unfinished(context.codegen(), state.func_id.func_qualname)
        state.flags.no_cpython_wrapper = state.flags.no_cfunc_wrapper = True
        state.flags.no_compile = True
        super().run_pass(state)
        # The key by which callers find the code must be a builtin method of an object of its own;
        # a dictionary's update refuses numbers, so that a call from Python raises.
        key = {}.update
        context.insert_user_function(key, state.cr.fndesc, [state.library])
        state.cr = state.cr._replace(cfunc=key)
        return True


class _CalleeCompiler(CompilerBase):  # type: ignore[misc]
    """Numba's passes, with our lowering."""

    def define_pipelines(self) -> list[PassManager]:
        passes = DefaultPassBuilder.define_nopython_pipeline(self.state)
        passes.passes = [
            (_LoweringOfCallee if one is NativeLowering else one, about)
            for one, about in passes.passes
        ]
        passes.finalize()
        return [passes]


def callee(*function: Any, **options: Any) -> Any:
    """``@callee`` or ``@callee(...)``, with the options of ``njit``."""
    decorator: Any = njit
    return decorator(*function, pipeline_class=_CalleeCompiler, **options)
