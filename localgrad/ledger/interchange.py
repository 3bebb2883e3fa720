"""The ledger as JSON, and back.

Nodes and edges are written as columns (one list a field), which keeps the file small and quick to
read; numbers JSON does not know are the strings ``"nan"``, ``"inf"`` and ``"-inf"``. Reading goes
by the type of each field, so that a new field needs no line here.
"""

from __future__ import annotations

import json
import math
import types
import typing
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from localgrad.ledger import model
from localgrad.ledger.model import FORMAT, Alignment, Comparison, LedgerRecord

LONGEST = 1024  # elements of a contribution that is written out

# Names that mean something else in Python than in the format.
_RENAMED: dict[type, dict[str, str]] = {model.ModuleRecord: {"class_name": "class"}}


class LedgerFormatError(ValueError):
    """The text is not a ledger this version can read."""


def encode(value: Any) -> Any:
    """Return ``value`` with dataclasses as dicts and non-finite floats as strings."""
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    if isinstance(value, dict):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [encode(item) for item in value]
    if isinstance(value, complex):
        return [encode(value.real), encode(value.imag)]
    if hasattr(value, "tolist"):
        return encode(value.tolist())
    if is_dataclass(value) and not isinstance(value, type):
        renamed = _RENAMED.get(type(value), {})
        return {
            renamed.get(item.name, item.name): encode(getattr(value, item.name))
            for item in fields(value)
        }
    return value


def to_columns(records: list[Any], record_type: type) -> dict[str, list[Any]]:
    """Return one list a field: ``{"id": [...], "op": [...], ...}``."""
    names = [item.name for item in fields(record_type)]
    return {name: [encode(getattr(record, name)) for record in records] for name in names}


def from_columns(columns: dict[str, list[Any]], record_type: type) -> list[Any]:
    """Return the records that ``to_columns`` took apart."""
    readers = _readers(record_type)
    known = {name: columns[name] for name in readers if name in columns}
    count = len(next(iter(known.values()), []))
    if any(len(column) != count for column in known.values()):
        lengths = {name: len(column) for name, column in known.items()}
        raise LedgerFormatError(f"the columns differ in length: {lengths}")
    return [
        record_type(**{name: readers[name](column[row]) for name, column in known.items()})
        for row in range(count)
    ]


def to_dict(record: LedgerRecord) -> dict[str, Any]:
    """Return the ledger as the object of ``docs/ledger-format.md``."""
    result: dict[str, Any] = {"format": record.format}
    for item in fields(record):
        value = getattr(record, item.name)
        if item.name == "nodes":
            result["nodes"] = to_columns(value, model.NodeRecord)
        elif item.name == "edges":
            result["edges"] = to_columns([_written(edge) for edge in value], model.EdgeRecord)
        elif item.name == "compare":
            result["compare"] = None if value is None else _comparison_to_dict(value)
        else:
            result[item.name] = encode(value)
    return result


def _written(edge: model.EdgeRecord) -> model.EdgeRecord:
    """The edge as it is written: a long contribution stays in memory."""
    is_long = edge.contribution is not None and edge.size > LONGEST
    return replace(edge, contribution=None) if is_long else edge


def from_dict(data: dict[str, Any]) -> LedgerRecord:
    """Return the ledger that ``to_dict`` wrote; a wrong or newer format is refused."""
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        found = data.get("format") if isinstance(data, dict) else type(data).__name__
        raise LedgerFormatError(f"expected a ledger of format {FORMAT!r}, found {found!r}")
    readers = _readers(LedgerRecord)
    values: dict[str, Any] = {
        "nodes": from_columns(data["nodes"], model.NodeRecord),
        "edges": from_columns(data["edges"], model.EdgeRecord),
        "compare": _comparison_from_dict(data["compare"]) if data.get("compare") else None,
    }
    for name, reader in readers.items():
        if name not in values and name in data:
            values[name] = reader(data[name])
    return LedgerRecord(**values)


def decode_step(data: dict[str, Any]) -> model.StepRecord:
    """Return one recorded step from its JSON object."""
    found = _build(model.StepRecord, data)
    assert isinstance(found, model.StepRecord)
    return found


def dumps(record: LedgerRecord) -> str:
    """Return the ledger as JSON text."""
    return json.dumps(to_dict(record), allow_nan=False, separators=(",", ":"))


def loads(text: str) -> LedgerRecord:
    """Return the ledger in JSON text."""
    return from_dict(json.loads(text))


def save(record: LedgerRecord, path: str | Path) -> Path:
    """Write the ledger to ``path``; an interrupted write leaves the old file whole."""
    target = Path(path)
    partial = target.with_name(target.name + ".partial")
    partial.write_text(dumps(record), encoding="utf-8")
    partial.replace(target)
    return target


def load(path: str | Path) -> LedgerRecord:
    """Read the ledger at ``path``."""
    return loads(Path(path).read_text(encoding="utf-8"))


def _comparison_to_dict(comparison: Comparison) -> dict[str, Any]:
    return to_dict(comparison.other) | {
        "alignment": encode(comparison.alignment),
        "first_divergence": comparison.first_divergence,
        "message": comparison.message,
        "difference": encode(comparison.difference),
    }


def _comparison_from_dict(data: dict[str, Any]) -> Comparison:
    return Comparison(
        other=from_dict(data),
        alignment=_reader(Alignment)(data["alignment"]),
        first_divergence=data["first_divergence"],
        message=data.get("message", ""),
        difference=_reader(list[float | None])(data.get("difference", [])),
    )


@cache
def _readers(record_type: type) -> dict[str, Callable[[Any], Any]]:
    hints = typing.get_type_hints(record_type, vars(model))
    return {item.name: _reader(hints[item.name]) for item in fields(record_type)}


def _reader(hint: Any) -> Callable[[Any], Any]:
    """Return the function that turns parsed JSON into a value of type ``hint``."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is float:
        return float
    if origin in (typing.Union, types.UnionType):
        return _union_reader([item for item in arguments if item is not type(None)])
    if origin in (list, tuple):
        inner = _reader(arguments[0])
        return lambda value: origin(inner(item) for item in value)
    if origin is dict:
        inner = _reader(arguments[1])
        return lambda value: {key: inner(item) for key, item in value.items()}
    if hint is Any:
        return _numbers
    if is_dataclass(hint) and isinstance(hint, type):
        return lambda value: _build(hint, value)
    return lambda value: value


def _union_reader(options: list[Any]) -> Callable[[Any], Any]:
    if len(options) == 1:
        inner = _reader(options[0])
        return lambda value: None if value is None else inner(value)
    # Evidence holds numbers and words alike.
    return _words_or_numbers if str in options else _numbers


def _words_or_numbers(value: Any) -> Any:
    return float(value) if value in ("nan", "inf", "-inf") else value


def _numbers(value: Any) -> Any:
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    return float(value) if isinstance(value, str) else value


def _build(record_type: type, value: dict[str, Any]) -> Any:
    renamed = {new: old for old, new in _RENAMED.get(record_type, {}).items()}
    readers = _readers(record_type)
    named = {renamed.get(name, name): item for name, item in value.items()}
    return record_type(**{name: readers[name](named[name]) for name in readers if name in named})
