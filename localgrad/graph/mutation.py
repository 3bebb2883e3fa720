"""In-place changes, remembered so that a sweep never multiplies by a value that is gone.

A change is stamped from the same clock that numbers nodes. A node whose serial is larger than
the latest change cannot have retained anything that changed since, which one comparison tells;
so the check costs nothing where nobody mutates, and views are covered because the stamp belongs
to the memory's owner, not to the array that was written through.
"""

import weakref
from functools import partial
from types import CodeType
from typing import Any

from localgrad.graph.record import call_site, clock, format_site


class Mutation:
    """Which operation changed a buffer in place, when, and at which line."""

    __slots__ = ("code", "instruction", "operation", "serial")

    def __init__(self, operation: str, site: tuple[CodeType | None, int], serial: int) -> None:
        self.operation = operation
        self.code, self.instruction = site
        self.serial = serial

    @property
    def where(self) -> str:
        return format_site(self.code, self.instruction)


latest: int = 0
listeners: weakref.WeakSet[Any] = weakref.WeakSet()
"""Ledgers, which hold values that they have yet to measure."""
_by_owner: dict[int, list[Any]] = {}
"""By the owner's address: a weak reference to it, and the latest change of its memory."""


def owner_of(array: Any) -> Any:
    """The array that owns the memory behind `array`."""
    while (base := getattr(array, "base", None)) is not None and hasattr(base, "dtype"):
        array = base
    return array


def _forget(key: int, _: Any) -> None:
    """The owner died: its address may soon be another array's."""
    _by_owner.pop(key, None)


def announce(arrays: Any) -> None:
    """Tell those who still have to read them that `arrays` are about to be written into."""
    for listener in tuple(listeners):
        listener.about_to_change(arrays)


def note_mutation(arrays: Any, operation: str) -> None:
    """Remember that `operation` will write into each of `arrays` now."""
    global latest
    if listeners:
        announce(arrays)
    latest = next(clock)
    mutation = Mutation(operation, call_site(), latest)
    for array in arrays:
        owner = array if array.base is None else owner_of(array)
        known = _by_owner.get(id(owner))
        if known is not None:
            known[1] = mutation
        else:
            key = id(owner)
            _by_owner[key] = [weakref.ref(owner, partial(_forget, key)), mutation]


def mutation_since(array: Any, serial: int) -> Mutation | None:
    """The in-place change of `array`'s memory after moment `serial`, if there was one."""
    found = _by_owner.get(id(owner_of(array)))
    if found is not None and found[1].serial > serial:
        return found[1]
    return None
