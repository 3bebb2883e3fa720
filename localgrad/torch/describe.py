"""One of PyTorch's nodes in the words of the data model."""

from __future__ import annotations

from collections import Counter

import torch
from torch import Tensor

from localgrad.graph.record import source_name
from localgrad.ledger.model import ModuleRecord, NodeRecord
from localgrad.ledger.naming import structure
from localgrad.torch import names
from localgrad.torch.forward import Call
from localgrad.torch.modules import joined, plain_name
from localgrad.torch.recorder import Recorder
from localgrad.torch.sweep import Sweep
from localgrad.torch.walk import Entry


class Describe:
    """What the nodes of one ledger are called, where they were made and what they held."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.meter = recorder.meter
        self.modules_seen = recorder.modules
        self.names = recorder.modules.names()
        self.origins = recorder.modules.origins()
        self.ranks = {identity: rank for rank, identity in enumerate(self.names)}

    def title(self) -> str:
        """The classes of the models; the process's rank where several train together."""
        roots = [
            root for root in self.modules_seen.roots if next(root.parameters(), None) is not None
        ]
        title = ", ".join(type(root).__name__ for root in roots)
        together = torch.distributed.is_available() and torch.distributed.is_initialized()
        if together:
            rank, count = torch.distributed.get_rank(), torch.distributed.get_world_size()
            title += f" (rank {rank} of {count}, its own gradients before they are averaged)"
        if self.recorder.compiled:
            title += " (torch.compile off while recording)"
        return title

    def rank(self, entry: Entry) -> int:
        """The place of a leaf among the model's parameters; others come after."""
        return self.ranks.get(id(entry.variable), len(self.ranks))

    def scale(self, sweep: Sweep) -> float:
        """The loss scale of mixed precision, which is divided out of every gradient."""
        return 1.0 if sweep.scale is None else float(sweep.scale)

    def entry(self, sweep: Sweep, index: int) -> NodeRecord:
        """The record of a node, before any edge is drawn."""
        entry = sweep.graph.entries[index]
        if entry.variable is not None:
            row = sweep.parameter_rows.get(index)
            record = self.parameter(entry.variable)
            if row is not None:
                record.value = self.meter.stats(row)
            if index in sweep.grads:
                record.flags.append("accumulated")
            return record
        number = entry.node._sequence_nr()
        call = entry.log.call_of(number)
        is_root = any(root[0] == index for root in sweep.roots)
        record = NodeRecord(
            id=-1,
            op=entry.op,
            kind="loss" if is_root else "op",
            label=names.label(entry.op, entry.is_custom),
            flags=list(names.flags(entry.op)),
            formula=None if entry.is_custom else names.formula(entry.op),
        )
        if len(entry.order) > 2:
            record.flags.append("recomputed")
        if number in entry.log.bad_inputs:
            record.flags.append("nonfinite input")
        if any(key[0] == number for key in entry.log.hooked):
            record.flags.append("hook")
        self._place(record, call)
        if call is not None and number == call.last - 1:
            record.inputs = [list(shape) for shape in call.shapes]
        slots = sorted({slot for node, slot in sweep.graph.uses if node == index})
        self._value(record, sweep, index, slots[0] if len(slots) == 1 else 0)
        if is_root and sweep.scale is not None:
            record.flags.append("loss scale")
        return record

    def output(self, sweep: Sweep, index: int, slot: int) -> NodeRecord:
        """The record of one output of a node that has several."""
        entry = sweep.graph.entries[index]
        record = NodeRecord(
            id=-1, op="output", label=f"{names.label(entry.op, entry.is_custom)}[{slot}]", slot=slot
        )
        self._place(record, entry.log.call_of(entry.node._sequence_nr()))
        self._value(record, sweep, index, slot)
        return record

    def parameter(self, variable: Tensor) -> NodeRecord:
        """The record of a leaf: a parameter where the model or its class says so, else an input."""
        known = self.names.get(id(variable), [])
        alone = not self.modules_seen.roots
        is_parameter = bool(known) or alone or isinstance(variable, torch.nn.Parameter)
        kind = "parameter" if is_parameter else "input"
        found = self.recorder.variables.get(id(variable))
        file, line = self.origins.get(id(variable), (None, None))
        return NodeRecord(
            id=-1,
            op=kind,
            kind=kind,
            label=known[0] if known else found or kind,
            names=list(known) or ([found] if found and is_parameter else []),
            module=known[0].rpartition(".")[0] if known else "",
            shape=list(variable.shape),
            dtype=str(variable.dtype).removeprefix("torch."),
            where=None if file is None else f"{source_name(file)}:{line}",
            file=file,
            line=line,
        )

    def modules(self) -> list[ModuleRecord]:
        """Every module, with those of the same structure in one group."""
        records = []
        groups: dict[str, str] = {}
        for prefix, root in zip(self.modules_seen.prefixes(), self.modules_seen.roots):
            seen: dict[int, str] = {}
            for name, module in root.named_modules():
                kind = type(module).__name__
                group = groups.setdefault(structure(module, seen), f"{kind}#{len(groups)}")
                path = joined(prefix, plain_name(name))
                parent = None if module is root else path.rpartition(".")[0]
                records.append(ModuleRecord(path, kind, parent, group))
        shared = Counter(record.group for record in records)
        for record in records:
            record.count = shared[record.group]
        return records

    def _place(self, record: NodeRecord, call: Call | None) -> None:
        if call is None:
            return
        if call.module is not None:
            record.module = self.modules_seen.path(call.module)
            record.module_class = call.module.class_name
        if call.place is not None:
            record.where, record.line = call.place.where, call.place.line
            record.file, record.function = call.place.file, call.place.code.co_qualname

    def _value(self, record: NodeRecord, sweep: Sweep, index: int, slot: int) -> None:
        """Shape, dtype, statistics and units of one output."""
        entry = sweep.graph.entries[index]
        known = entry.known(slot)
        if known is not None:
            record.shape = list(known.shape)
            record.dtype = str(known.dtype).removeprefix("torch.")
        key = entry.node._sequence_nr(), slot
        row = self._row_of_value(sweep, index, slot)
        if row is not None and row >= 0:
            record.value = self.meter.stats(row, 1.0, entry.log.tensors.get(key))
        count = entry.log.units.get(key)
        if count is not None:
            record.units = count.read(self.meter)

    def _row_of_value(self, sweep: Sweep, index: int, slot: int) -> int | None:
        """The row of one output's statistics; a view that was not measured has its source's."""
        while True:
            entry = sweep.graph.entries[index]
            if entry.variable is not None:
                return sweep.parameter_rows.get(index)
            row = entry.log.values.get((entry.node._sequence_nr(), slot))
            row = sweep.root_rows.get((index, slot), row)
            target = entry.targets[0] if names.rearranges(entry.op) else None
            if row is not None or target is None:
                return row
            index, slot = target
