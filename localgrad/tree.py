"""Tuples, lists and dicts of tensors, taken apart into a flat list and put together again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from localgrad import errors

LEAF = object()


def flatten(value: Any) -> tuple[list[Any], Any]:
    """The leaves of nested tuples, lists and dicts, in order, and what is left without them."""
    leaves: list[Any] = []

    def walk(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: walk(part[key]) for key in part}
        if isinstance(part, tuple) and hasattr(part, "_fields"):
            return type(part)(*(walk(p) for p in part))
        if isinstance(part, tuple) or (isinstance(part, list) and not _is_numbers(part)):
            return type(part)(walk(p) for p in part)
        leaves.append(part)
        return LEAF

    return leaves, walk(value)


def _is_numbers(part: list[Any]) -> bool:
    """A list of plain numbers, however nested, is an array that someone wrote down."""
    return all(isinstance(p, int | float) or (isinstance(p, list) and _is_numbers(p)) for p in part)


def unflatten(structure: Any, leaves: Sequence[Any]) -> Any:
    """The inverse of `flatten`."""
    items = iter(leaves)

    def build(part: Any) -> Any:
        if part is LEAF:
            return next(items)
        if isinstance(part, dict):
            return {key: build(p) for key, p in part.items()}
        if hasattr(part, "_fields"):
            return type(part)(*(build(p) for p in part))
        return type(part)(build(p) for p in part)

    return build(structure)


def count(structure: Any) -> int:
    """How many leaves a structure has."""
    if structure is LEAF:
        return 1
    parts = structure.values() if isinstance(structure, dict) else structure
    return sum(count(p) for p in parts)


def leaves_like(value: Any, structure: Any, where: str) -> list[Any]:
    """The leaves of `value`, which must have the given structure."""
    leaves, found = flatten(value)
    if found != structure:
        raise errors.structure_mismatch(structure, found, where)
    return leaves
