"""The whole state of a run in one safetensors file: arrays as tensors, the rest as its metadata.

safetensors holds no code, so reading a foreign file runs nothing; other tools can open it, too.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy

from localgrad import errors_of_runs as errors
from localgrad.tensor import Tensor
from localgrad.train.files import write_atomically

FORMAT = "localgrad-checkpoint/1"
ARRAY, TENSOR, PAIRS, TUPLE = "$array", "$tensor", "$pairs", "$tuple"


def save(path: Path, state: dict[str, Any]) -> None:
    """Write nested dicts, lists and tuples of Tensors, arrays, numbers and texts, atomically."""
    from safetensors.numpy import save as to_bytes

    arrays: dict[str, numpy.ndarray] = {}
    outline = json.dumps(take_apart(state, "", arrays))
    write_atomically(path, to_bytes(arrays, metadata={"format": FORMAT, "outline": outline}))


def load(path: Path) -> dict[str, Any]:
    """What `save` wrote; a CheckpointError for a truncated or a foreign file."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise errors.no_file(path)
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as cause:
        raise errors.broken_checkpoint(path, str(cause)) from None
    if metadata.get("format") != FORMAT:
        raise errors.foreign_checkpoint(path, sorted(arrays))
    return put_together(json.loads(metadata["outline"]), arrays)


def take_apart(part: Any, path: str, arrays: dict[str, numpy.ndarray]) -> Any:
    """`part` as JSON can hold it; its arrays go to `arrays`, named by where they stood."""
    if isinstance(part, Tensor | numpy.ndarray):
        value = part.value if isinstance(part, Tensor) else part
        arrays[path] = numpy.ascontiguousarray(value).reshape(value.shape)
        return {TENSOR if isinstance(part, Tensor) else ARRAY: path}
    if isinstance(part, numpy.generic):
        return part.item()
    within = f"{path}." if path else ""
    if isinstance(part, dict):
        if all(isinstance(key, str) for key in part):
            return {key: take_apart(p, within + key, arrays) for key, p in part.items()}
        pairs = [[key, take_apart(p, f"{within}{key}", arrays)] for key, p in part.items()]
        return {PAIRS: pairs}
    if isinstance(part, list | tuple):
        parts = [take_apart(p, f"{within}{i}", arrays) for i, p in enumerate(part)]
        return parts if isinstance(part, list) else {TUPLE: parts}
    return part


def put_together(outline: Any, arrays: dict[str, numpy.ndarray]) -> Any:
    """The inverse of `take_apart`."""
    if isinstance(outline, list):
        return [put_together(p, arrays) for p in outline]
    if not isinstance(outline, dict):
        return outline
    if len(outline) == 1:
        ((mark, content),) = outline.items()
        if mark == TENSOR:
            return Tensor(arrays[content])
        if mark == ARRAY:
            return arrays[content]
        if mark == PAIRS:
            return {key: put_together(p, arrays) for key, p in content}
        if mark == TUPLE:
            return tuple(put_together(p, arrays) for p in content)
    return {key: put_together(p, arrays) for key, p in outline.items()}
