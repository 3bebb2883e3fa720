"""A module's state: collected by path, checked as a whole, and only then put in place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy

from localgrad import errors_of_modules as errors
from localgrad.graph.mutation import note_mutation
from localgrad.graph.record import here
from localgrad.local.operation import as_raw
from localgrad.tensor import Tensor

if TYPE_CHECKING:
    from localgrad.nn.module import Module


class IncompatibleKeys(NamedTuple):
    """What `load_state_dict(strict=False)` did not match."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"IncompatibleKeys(missing={self.missing_keys}, unexpected={self.unexpected_keys})"


def members(module: Module) -> dict[str, Tensor]:
    """Parameters and saved buffers by path, in PyTorch's order: parameters first in each module."""
    found: dict[str, Tensor] = {}
    for path, inner in module.named_modules(remove_duplicate=False):
        before = f"{path}." if path else ""
        found |= {before + name: value for name, value in inner._own("parameter")}
        found |= {
            before + name: value
            for name, value in inner._own("buffer")
            if name not in inner._passing
        }
    return found


def collect(module: Module, prefix: str, keep_vars: bool) -> dict[str, Tensor]:
    return {
        prefix + name: value if keep_vars else Tensor(value.value)
        for name, value in members(module).items()
    }


def restore(module: Module, given: Any, strict: bool, assign: bool) -> IncompatibleKeys:
    """Put `given` in place, once all of it is known to fit."""
    if not hasattr(given, "items"):
        raise errors.no_state(given, here())
    own = members(module)
    arrays = {name: as_raw(value) for name, value in given.items()}
    missing = [name for name in own if name not in arrays]
    unexpected = [name for name in arrays if name not in own]
    misshapen = [
        (name, own[name].shape, array.shape)
        for name, array in arrays.items()
        if name in own and own[name].shape != array.shape
    ]
    if misshapen or (strict and (missing or unexpected)):
        lost = (missing, unexpected) if strict else ([], [])
        raise errors.state_mismatch(type(module).__name__, *lost, misshapen, here())
    for name, array in arrays.items():
        if name not in own:
            continue
        if assign:
            own[name].value = array
        else:
            note_mutation((own[name].value,), "load_state_dict()")
            own[name].value[...] = array
    return IncompatibleKeys(missing, unexpected)


def dtype_among(arguments: Any, options: dict[str, Any]) -> Any:
    """The dtype in a call of `Module.to`, which also takes a device or a tensor to be like."""
    dtype = options.get("dtype")
    for argument in (*arguments, options.get("device")):
        if argument is None or argument == "cpu":
            continue
        dtype = getattr(argument, "dtype", argument) if isinstance(argument, Tensor) else argument
    if dtype is None:
        return None
    try:
        return numpy.dtype(dtype)
    except TypeError:
        raise errors.no_device(dtype, here()) from None


def convert(module: Module, dtype: Any) -> None:
    """Every float parameter and buffer in `dtype`, gradients too."""
    if dtype is None:
        return
    for value in (*module.parameters(), *module.buffers()):
        if value.value.dtype.kind in "fc" and value.value.dtype != dtype:
            value.value = value.value.astype(dtype)
            if value.grad is not None:
                value.grad = Tensor(value.grad.value.astype(dtype))
