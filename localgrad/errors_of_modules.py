"""The messages of modules, their states and files: what is wrong, where, and how to mend it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from inspect import Signature
from pathlib import Path
from typing import Any

from localgrad.errors import DeclarationError, LocalgradError, ShapeError, _at


class StateError(LocalgradError, ValueError):
    """A saved state that does not fit the module, the optimiser or the file format."""


def no_forward(module: str) -> DeclarationError:
    """A module without a forward was called."""
    return DeclarationError(
        f"{module} has no `forward`.\n"
        "  Write what it computes: `def forward(self, x): return ...` in the class."
    )


def no_super_init(module: str, name: str) -> DeclarationError:
    """A parameter or child was assigned before the module existed."""
    return DeclarationError(
        f"{module}.{name} is assigned before Module.__init__ ran.\n"
        f"  Begin {module}.__init__ with `super().__init__()`."
    )


def wrong_attribute(module: str, name: str, kind: str, value: Any) -> DeclarationError:
    """Something else was assigned where a parameter, buffer or child stands."""
    right = {"parameter": "lg.nn.Parameter(value)", "buffer": "lg.asarray(value)"}.get(
        kind, "a Module"
    )
    return DeclarationError(
        f"{module}.{name} is a {kind}, and {type(value).__name__} was assigned to it.\n"
        f"  Assign {right}, or None, or remove it first: `del module.{name}`."
    )


def no_such_member(module: str, kind: str, path: str) -> StateError:
    """A path that leads to nothing."""
    return StateError(f"{module} has no {kind} at the path {path!r}.")


def no_state(given: Any, where: str) -> StateError:
    """Something else than a mapping was given as a state."""
    return StateError(
        f"a state is a mapping from names to values, not {type(given).__name__}{_at(where)}.\n"
        "  From a file: module.load_state_dict(lg.load(path))."
    )


def state_mismatch(
    module: str,
    missing: list[str],
    unexpected: list[str],
    misshapen: list[tuple[str, Any, Any]],
    where: str,
) -> StateError:
    """A state that does not fit its module, with the names that are probably meant."""
    import difflib

    lines = [f"this state does not fit {module}{_at(where)}; nothing was loaded."]
    for name in missing:
        near = difflib.get_close_matches(name, unexpected, n=1)
        hint = f" (the state has {near[0]!r}: renamed?)" if near else ""
        lines.append(f"  missing: {name}{hint}")
    lines += [f"  unexpected: {name}" for name in unexpected]
    for name, own, got in misshapen:
        lines.append(f"  {name}: the module has shape {own}, the state {got}")
        if own == got[::-1]:
            lines.append(f"    Its transpose fits: state[{name!r}] = state[{name!r}].T")
        elif math.prod(own) == math.prod(got):
            lines.append(f"    It has as many elements: state[{name!r}].reshape{tuple(own)}")
    if misshapen:
        lines.append(
            "  Build the module with the sizes that the state has; or leave such entries out, "
            f"state.pop({misshapen[0][0]!r}), and load the others with strict=False."
        )
    elif missing or unexpected:
        lines.append("  To load what fits, and only that: load_state_dict(state, strict=False).")
    return StateError("\n".join(lines))


def no_device(got: Any, where: str) -> ShapeError:
    """A device or dtype that there is not."""
    return ShapeError(
        f"Module.to({got!r}){_at(where)}: the one device is 'cpu', and this is no dtype.\n"
        "  Write module.to('float64'), module.double() or module.to('cpu')."
    )


def no_fan(shape: tuple[int, ...], where: str) -> ShapeError:
    """A vector has no inputs and outputs to scale an initial value by."""
    return ShapeError(
        f"a tensor of shape {shape} has no number of inputs and outputs{_at(where)}: that takes "
        "two axes or more.\n  For a bias: nn.init.zeros_(tensor) or nn.init.uniform_(tensor, …)."
    )


def no_such_child(module: str, index: int, count: int, where: str) -> LocalgradError:
    """An index beyond a container's end."""

    class Missing(ShapeError, IndexError):
        """Found by `except IndexError`, too."""

    return Missing(f"{module} has {count} modules; there is no number {index}{_at(where)}.")


def taken_name(module: str, name: str, where: str) -> LocalgradError:
    """A child under a name that the container itself uses."""
    return DeclarationError(
        f"{module} has a method called {name!r} already{_at(where)}; choose another name."
    )


class NoFile(StateError, FileNotFoundError):
    """A file that is not there; found by `except FileNotFoundError`, too."""


def no_file(path: Path, where: str) -> NoFile:
    """A file that is not there, with the names beside it that are probably meant."""
    import difflib

    folder = path.parent
    if not folder.is_dir():
        return NoFile(f"there is no folder {folder}, where {path.name} should lie{_at(where)}.")
    beside = sorted(p.name for p in folder.iterdir() if p.is_file())
    near = difflib.get_close_matches(path.name, beside, n=1) or [
        name for name in beside if name.endswith(".safetensors")
    ]
    hint = f"Did you mean {str(folder / near[0])!r}?" if near else "Paths start at the working "
    hint += "" if near else f"folder, {Path.cwd()}."
    return NoFile(f"there is no file {path}{_at(where)}.\n  {hint}")


def unreadable_file(path: Any, cause: Any, where: str) -> StateError:
    """A file that is truncated, or no safetensors file at all."""
    return StateError(
        f"{path} is no complete safetensors file ({cause}){_at(where)}.\n"
        "  It may be truncated, or of another format: lg.load reads what lg.save wrote, and any "
        "*.safetensors. A PyTorch *.pt file is a pickle; save it from PyTorch with "
        "safetensors.torch.save_file."
    )


def unsavable(path: str, value: Any, where: str) -> StateError:
    """A value that is neither an array nor plain."""
    return StateError(
        f"lg.save cannot keep {path or 'this'}, of type {type(value).__name__}{_at(where)}: "
        "a state is made of tensors, numbers, strings, None, lists, tuples and dicts."
    )


class NoAttribute(DeclarationError, AttributeError):
    """A module was asked for an attribute that it has not."""


def no_attribute(module: str, name: str, known: list[str]) -> NoAttribute:
    """A module was asked for an attribute that it has not."""
    import difflib

    near = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    if name in ("_registered", "_passing"):
        hint = f" Begin {module}.__init__ with `super().__init__()`."
    return NoAttribute(f"{module} has no attribute {name!r}.{hint}")


ELSEWHERE = {
    "learning_rate": "lr",
    "decay": "weight_decay",
    "rate": "p",
    "units": "out_features",
    "filters": "out_channels",
    "strides": "stride",
    "batchsize": "batch_size",
    "data": "dataset",
}
"""What other libraries call an argument."""


def wrong_arguments(
    name: str, cause: TypeError, signature: Signature, options: Iterable[str], where: str
) -> DeclarationError:
    """A class was called with arguments that its `__init__` does not take."""
    import difflib

    known = list(signature.parameters)
    hint = ""
    for option in options:
        if option not in known:
            near = [ELSEWHERE.get(option, ""), *difflib.get_close_matches(option, known, n=1)]
            meant = next((n for n in near if n in known), None)
            hint = f" Write {meant}=… for {option}=…" if meant else ""
            break
    shown = ", ".join(
        p.name if p.default is p.empty else f"{p.name}={p.default!r}"
        for p in signature.parameters.values()
    )
    return DeclarationError(f"{name}: {cause}{_at(where)}.{hint}\n  It is {name}({shown}).")


NAMES_ELSEWHERE = {
    "absolute": "abs",
    "arctan2": "atan2",
    "array": "asarray",
    "as_tensor": "asarray",
    "bmm": "matmul",
    "cat": "concat",
    "clamp": "clip",
    "concatenate": "concat",
    "from_numpy": "asarray",
    "inverse": "linalg.inv",
    "mm": "matmul",
    "mul": "multiply",
    "norm": "linalg.norm",
    "permute": "permute_dims",
    "power": "pow",
    "rand": "asarray(numpy.random.default_rng(seed).random(shape))",
    "randint": "asarray(numpy.random.default_rng(seed).integers(low, high, shape))",
    "randn": "asarray(numpy.random.default_rng(seed).standard_normal(shape))",
    "sub": "subtract",
    "transpose": "permute_dims, lg.matrix_transpose or lg.swapaxes",
    "unsqueeze": "expand_dims",
    "vstack": "concat",
    **{f"arc{name}": f"a{name}" for name in ("cos", "cosh", "sin", "sinh", "tan", "tanh")},
}
"""What NumPy and PyTorch call the functions of `lg`."""


def no_name(name: str, known: Sequence[str], where: str) -> NoAttribute:
    """A name that the package does not have."""
    import difflib

    hint = ""
    if name in NAMES_ELSEWHERE:
        hint = f"\n  Here it is lg.{NAMES_ELSEWHERE[name]}."
    elif not name.startswith("_"):  # those are asked for by Python's own tools, to see
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"\n  Did you mean lg.{near[0]}?" if near else ""
    return NoAttribute(f"module 'localgrad' has no attribute {name!r}{_at(where)}.{hint}")
