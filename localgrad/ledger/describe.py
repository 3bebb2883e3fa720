"""One engine node in the words of the data model."""

from __future__ import annotations

from functools import cache
from typing import Any

from localgrad.graph.node import Node
from localgrad.ledger.measure import enrich
from localgrad.ledger.model import Formula, NodeRecord
from localgrad.ledger.naming import Names
from localgrad.ledger.recorder import Recorder
from localgrad.local.formula import formulas

_FLAGS = {"composite": "fused", "flat": "flat"}


def describe(
    identity: int, node: Node, sweep: int, recorder: Recorder, names: Names, is_root: bool
) -> NodeRecord:
    """Return the record of ``node``, before any edge is drawn."""
    made = recorder.values.made.get(node)
    arrival = recorder.sweeps[sweep].get(node) if sweep < len(recorder.sweeps) else None
    record = NodeRecord(
        id=identity,
        op=node.op.name,
        sweep=sweep,
        where=node.where or None,
        file=None if node.code is None else node.code.co_filename,
        line=node.line,
        function=None if node.code is None else node.code.co_qualname,
        module=node.module,
        module_class="" if node.scope is None else type(node.scope[0]).__name__,
    )
    if node.op.kind == "leaf":
        _describe_leaf(record, node, recorder, names)
    else:
        record.kind = "loss" if is_root else "op"
        record.label = recorder.labels.get(node, node.op.name)
        record.formula = formula_of(node.op)
        flag = _FLAGS.get(node.op.kind)
        record.flags = [flag] if flag else []
    if made is not None and made.dtype is not None:
        record.shape, record.dtype = list(made.shape), made.dtype.name
        if made.row >= 0:
            record.value = recorder.moments.stats(made.row)
            if made.value is not None:
                enrich(record.value, made.value)
    elif arrival is not None and not record.shape:
        record.shape, record.dtype = list(arrival.shape), arrival.dtype.name
    if made is not None:
        record.inputs = _input_shapes(made.likes, record.shape, len(made.inputs))
    record.units = recorder.values.units.get(node)
    if node in recorder.values.bad_inputs:
        record.flags.append("nonfinite input")
    return record


def _describe_leaf(record: NodeRecord, node: Node, recorder: Recorder, names: Names) -> None:
    """A leaf: a parameter where the model or its class says so, or where there is no model."""
    tensor = names.tensors.get(node)
    if tensor is None and node.watch is not None:
        tensor = node.watch()
    record.names = names.of_leaf.get(node, [])
    is_parameter = bool(record.names) or not names.models or type(tensor).__name__ == "Parameter"
    record.kind = "parameter" if is_parameter else "input"
    record.op = record.kind
    if record.names:
        record.module = record.names[0].rpartition(".")[0]
        record.module_class = ""
    else:
        record.names = [f"{record.kind} {record.id}"]
    record.label = record.names[0]
    if tensor is not None:
        if not recorder.changed_since(tensor.value):
            record.value = recorder.moments.stats(recorder.moments.add(tensor.value))
            if recorder.keeps_all:
                enrich(record.value, tensor.value)
        record.shape, record.dtype = list(tensor.shape), tensor.dtype.name


def _input_shapes(likes: Any, shape: list[int], count: int) -> list[list[int]]:
    """The shape of every array argument; an operation that keeps none has all shapes alike."""
    if likes is None:
        return [list(shape) for _ in range(count)]
    return [list(like.shape) for like in likes if like is not None]


@cache
def formula_of(op: Any) -> Formula:
    """What the operation sends to each argument, as text and LaTeX; a fused one by its words."""
    if op.kind == "composite" and op.rule:
        return Formula(op.rule.text, op.rule.latex)
    if op.kind == "composite" and op.__doc__:
        return Formula(op.__doc__)
    rules = {name: rule for name, rule in formulas(op).items() if name != "y"}
    if len(rules) == 1:
        rule = next(iter(rules.values()))
        return Formula(rule.text, rule.latex)
    return Formula(
        ",  ".join(f"{name} ← {rule.text}" for name, rule in rules.items()),
        r",\quad ".join(rf"{name} \leftarrow {rule.latex}" for name, rule in rules.items()),
    )


def reduced_axes(op: Any, consumer: list[int], source: list[int]) -> list[int]:
    """The axes of the consumer's output that were summed to fit the source's shape."""
    if op.kind not in ("pointwise", "select") or consumer == source:
        return []
    extra = len(consumer) - len(source)
    stretched = [
        extra + axis
        for axis, length in enumerate(source)
        if length == 1 and consumer[extra + axis] != 1
    ]
    return [*range(extra), *stretched]
