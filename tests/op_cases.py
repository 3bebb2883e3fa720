"""The library's operations, drawn arguments for each, and finite differences to hold them to."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import numpy as np

import localgrad as lg
import localgrad.nn
import localgrad.ops
from localgrad.graph.forward import push_tangents
from localgrad.local.operation import Operation

for _package in (localgrad.ops, localgrad.nn):
    for _module in pkgutil.walk_packages(_package.__path__, f"{_package.__name__}."):
        importlib.import_module(_module.name)

OPERATIONS = [op for op in Operation.registry if op.module.startswith("localgrad.")]
"""Every operation that the library declares, in any of its rooms."""


def identifier(op: Operation) -> str:
    return f"{op.module.rpartition('.')[2]}.{op.name}"


def generator(op: Operation) -> np.random.Generator:
    """Random numbers of the operation's own: another operation's draws do not move them."""
    return np.random.default_rng(list(op.name.encode()))


def is_inexact(value: Any) -> bool:
    """Whether this is an array of real or complex numbers, which can be differentiated."""
    return hasattr(value, "dtype") and value.dtype.kind in "fc"


def floats(dtype: Any, value: Any) -> Any:
    """`value` in another precision, where it is an array of real or complex numbers."""
    if not is_inexact(value):
        return value
    if value.dtype.kind == "c":
        dtype = np.result_type(dtype, np.complex64)
    return value.astype(dtype)


class Case:
    """One call of an operation: its arguments, and which of them can be differentiated."""

    def __init__(
        self, op: Operation, dtype: Any = np.float64, change: Any = None, arguments: Any = None
    ) -> None:
        self.op = op
        self.rng = generator(op)
        values, self.options = op.example(self.rng) if arguments is None else arguments
        self.values = [floats(dtype, v) for v in values]
        if change is not None:
            self.values = [change(v) if hasattr(v, "shape") else v for v in self.values]
        declared = () if op.variadic else op.partials
        self.moving = [
            i
            for i, v in enumerate(self.values)
            if is_inexact(v) and not (op.kind in ("pointwise", "select") and declared[i] is None)
        ]

    def call(self, values: Any = None) -> list[Any]:
        """The outputs, as a list of Tensors."""
        y = self.op(*(self.values if values is None else values), **self.options)
        return list(y) if isinstance(y, tuple) else [y]

    def leaves(self) -> list[Any]:
        """The arguments, those that can be differentiated as leaves."""
        return [
            lg.asarray(v, requires_grad=True) if i in self.moving else v
            for i, v in enumerate(self.values)
        ]

    def evaluate(self, points: list[np.ndarray]) -> list[np.ndarray]:
        """Raw outputs with the moving arguments replaced by `points`."""
        values = list(self.values)
        for i, point in zip(self.moving, points):
            values[i] = point
        with lg.no_grad():
            return [y.value for y in self.call(values) if y.dtype.kind in "fc"]

    @property
    def points(self) -> list[np.ndarray]:
        return [self.values[i] for i in self.moving]

    def directions(self) -> list[np.ndarray]:
        """A random direction for every moving argument."""
        return [draw_like(self.rng, p) for p in self.points]

    def upstreams(self, outputs: list[Any]) -> list[Any]:
        return [lg.asarray(draw_like(self.rng, y.value)) for y in outputs]


def draw_like(rng: np.random.Generator, array: Any) -> np.ndarray:
    drawn = rng.normal(size=array.shape)
    if array.dtype.kind == "c":
        drawn = drawn + 1j * rng.normal(size=array.shape)
    return drawn.astype(array.dtype)


def inner(a: Any, b: Any) -> float:
    """Re⟨a, b⟩ of two lists of arrays."""
    return float(sum(np.real(np.vdot(x, y)) for x, y in zip(a, b)))


def downstreams(case: Case, upstreams: Any = None, create_graph: bool = False) -> Any:
    """(leaves, float outputs, upstreams, gradients of the moving arguments)."""
    leaves = case.leaves()
    outputs = [y for y in case.call(leaves) if y.dtype.kind in "fc"]
    upstreams = case.upstreams(outputs) if upstreams is None else upstreams
    wanted = [leaves[i] for i in case.moving]
    connected = [(y, g) for y, g in zip(outputs, upstreams) if y.source is not None]
    found = lg.gradients(
        [y for y, _ in connected],
        wanted,
        [g for _, g in connected],
        create_graph=create_graph,
        allow_unused=True,
    )
    return leaves, outputs, upstreams, list(found)


def raw(tensors: Any, likes: Any) -> list[np.ndarray]:
    """Values; zeros in the place of a gradient that does not exist."""
    return [np.zeros(k.shape, k.dtype) if t is None else t.value for t, k in zip(tensors, likes)]


def pushed(case: Case, directions: list[np.ndarray]) -> list[np.ndarray]:
    """J·t by the forward sweep."""
    leaves = case.leaves()
    outputs = [y for y in case.call(leaves) if y.dtype.kind in "fc"]
    given = {leaves[i].source: t for i, t in zip(case.moving, directions)}
    known = push_tangents([y.source for y in outputs if y.source is not None], given)
    return [
        np.asarray(known[y.source]) if y.source in known else np.zeros(y.shape, y.dtype)
        for y in outputs
    ]


def differences(f: Any, points: list[np.ndarray], directions: list[np.ndarray]) -> Any:
    """∂f/∂direction by central differences of fourth order."""

    def at(step: float) -> Any:
        return f([p + step * t for p, t in zip(points, directions)])

    h = 2e-4
    near, far = zip(at(h), at(-h)), zip(at(2 * h), at(-2 * h))
    return [(8 * (b - a) - (d - c)) / (12 * h) for (b, a), (d, c) in zip(near, far)]
