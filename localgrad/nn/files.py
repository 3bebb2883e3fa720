"""`save` and `load`: any nest of tensors and plain values, in one safetensors file.

A flat state, name to tensor, is an ordinary safetensors file that other programs read. A nested
one (an optimiser's, a whole checkpoint) keeps its tensors under dotted paths, and the nest itself
as JSON in the file's metadata. Files are written beside their place and then moved into it.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy

from localgrad import errors_of_modules as errors
from localgrad.graph.record import here
from localgrad.tensor import Tensor

NEST = "localgrad.nest"


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[str]:
    """A temporary file beside `path`, moved to it when the block ends well: all or nothing."""
    target = Path(path)
    handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    os.close(handle)
    try:
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)  # mkstemp's files are for the owner alone
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def save(obj: Any, path: str | os.PathLike[str]) -> None:
    """Write a module's state, or any nest of dicts, lists, tensors and plain values.

    The file appears whole or not at all. What is no tensor, number, string, None or nest of such
    raises StateError.

    >>> import localgrad as lg, tempfile, os
    >>> path = os.path.join(tempfile.mkdtemp(), "state.safetensors")
    >>> lg.save({"w": lg.asarray([1.0, 2.0]), "epoch": 3}, path)
    >>> lg.load(path)
    {'w': Tensor([1., 2.], dtype=float32), 'epoch': 3}
    """
    from safetensors.numpy import save_file

    if not Path(path).parent.is_dir():
        raise errors.no_file(Path(path), here())
    state = obj.state_dict() if hasattr(obj, "state_dict") else obj
    arrays: dict[str, Any] = {}
    nest = _taken_apart(state, "", arrays)
    flat = isinstance(state, dict) and all(
        isinstance(key, str) and nest["dict"][i][1] == {"array": key}
        for i, key in enumerate(state)
    )
    metadata = {} if flat else {NEST: json.dumps(nest)}
    # A view is saved as what it shows, in C order: the format knows no strides.
    contiguous = {name: numpy.array(a, order="C") for name, a in arrays.items()}
    with replacing(path) as temporary:
        save_file(contiguous, temporary, metadata)


def load(path: str | os.PathLike[str]) -> Any:
    """What `save` wrote, or the tensors of any safetensors file, by name.

    A file that is truncated or of another format raises StateError.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(os.fspath(path), framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if NEST not in metadata:
            return {name: Tensor(array) for name, array in arrays.items()}
        return _put_together(json.loads(metadata[NEST]), arrays)
    except FileNotFoundError:
        raise errors.no_file(Path(path), here()) from None
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError) as cause:
        raise errors.unreadable_file(path, cause, here()) from None


def _taken_apart(value: Any, path: str, arrays: dict[str, Any]) -> Any:
    """The nest as JSON can hold it; its arrays go to `arrays`, by path."""
    if isinstance(value, Tensor | numpy.ndarray):
        arrays[path] = value.value if isinstance(value, Tensor) else value
        return {"array": path}
    if value is None or isinstance(value, bool | int | float | str):
        return {"plain": value}
    if isinstance(value, numpy.generic):
        return {"plain": value.item()}
    before = f"{path}." if path else ""
    if isinstance(value, dict):
        pairs = []
        for key, inner in value.items():
            if not isinstance(key, str | int):
                raise errors.unsavable(f"the key {key!r}", key, here())
            pairs.append([key, _taken_apart(inner, f"{before}{key}", arrays)])
        return {"dict": pairs}
    if isinstance(value, list | tuple):
        items = [_taken_apart(inner, f"{before}{i}", arrays) for i, inner in enumerate(value)]
        return {"tuple" if isinstance(value, tuple) else "list": items}
    raise errors.unsavable(path, value, here())


def _put_together(nest: Any, arrays: dict[str, Any]) -> Any:
    ((kind, content),) = nest.items()
    if kind == "array":
        return Tensor(arrays[content])
    if kind == "plain":
        return content
    if kind == "dict":
        return {key: _put_together(inner, arrays) for key, inner in content}
    items = [_put_together(inner, arrays) for inner in content]
    return {"tuple": tuple, "list": list}[kind](items)
