"""Is every hand-written backward right? Each ``torch.autograd.Function`` is checked on its own.

At the values that it really had, for random g and t: ⟨Jᵀ·g, t⟩ from its backward must equal
⟨g, (f(x + ht) − f(x − ht)) / 2h⟩ from its own forward, in double precision where the function can
take it.
"""

from __future__ import annotations

import inspect
import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from localgrad.ledger.audit import Audit, AuditRow
from localgrad.ledger.findings.words import at, number
from localgrad.ledger.model import NodeRecord
from localgrad.torch.build import Build
from localgrad.torch.forward import Applied
from localgrad.torch.recorder import Recorder

_STEPS = {torch.float64: (1e-5, 3e-7, 1e-8), torch.float32: (1e-2, 3e-3, 1e-3)}
_COARSER = {torch.float64: 1.0, torch.float32: 30.0}  # what the tolerance is multiplied by


class _Trial(NamedTuple):
    """One argument: what backward says, and how far the nearest finite difference is from it."""

    argument: str
    difference: float


def audit(recorder: Recorder, build: Build, seed: int, tolerance: float) -> Audit:
    """Check every ``torch.autograd.Function`` that the sweep passed."""
    found = Audit()
    by_number = {
        entry.node._sequence_nr(): build.ids[sweep, index, -1]
        for sweep, account in enumerate(recorder.sweeps)
        for index, entry in enumerate(account.graph.entries)
        if entry.is_custom
    }
    for applied in recorder.log.applied:
        identity = by_number.get(applied.node)
        if identity is None:
            continue
        record = build.record.nodes[identity]
        if "checkpoint" in record.flags:
            found.skipped[identity] = "a checkpoint computes its own forward anew"
            continue
        _check(found, record, applied, seed, tolerance)
    return found


def _check(found: Audit, record: NodeRecord, applied: Applied, seed: int, tolerance: float) -> None:
    for dtype in (torch.float64, torch.float32):
        try:
            trials = _trials(applied, dtype, seed)
        except Exception as error:
            found.skipped[record.id] = f"it does not run again: {error}"
            continue
        found.skipped.pop(record.id, None)
        limit = tolerance * _COARSER[dtype]
        for trial in trials:
            row = AuditRow(record.id, record.label, trial.argument, trial.difference, None, 0.0)
            found.rows.append(row)
            if trial.difference > limit:
                found.findings.append(
                    at(
                        record,
                        "mismatch",
                        "error",
                        f"the backward of `{record.label}` with respect to {trial.argument} "
                        f"differs from its own forward by {number(trial.difference)} of its size.",
                        {"argument": trial.argument, "difference": trial.difference},
                        f"Derive {record.label}.backward again for this argument; "
                        "torch.autograd.gradcheck on a small input shows it element by element.",
                    )
                )
        return


def _trials(applied: Applied, dtype: torch.dtype, seed: int) -> list[_Trial]:
    """Try every argument that is differentiated."""
    given = [_as(item, dtype) for item in applied.arguments]
    moving = [
        position
        for position, item in enumerate(applied.arguments)
        if isinstance(item, Tensor) and item.requires_grad
    ]
    draw = torch.Generator().manual_seed(seed)
    leaves = {position: given[position].clone().requires_grad_() for position in moving}
    outputs = _run(applied, {**dict(enumerate(given)), **leaves}, seed)
    learned = [place for place, output in enumerate(outputs) if output.requires_grad]
    upstreams = {place: _normal(outputs[place], draw) for place in learned}
    gradients = torch.autograd.grad(
        [outputs[place] for place in learned],
        list(leaves.values()),
        list(upstreams.values()),
        allow_unused=True,
    )
    names = list(inspect.signature(applied.function.forward).parameters)
    if not _has_setup(applied.function):
        names = names[1:]  # ctx
    trials = []
    for position, gradient in zip(moving, gradients):
        tangent = _normal(given[position], draw)
        analytic, size = 0.0, 0.0
        if gradient is not None:
            analytic = float((gradient * tangent).sum())
            size = float(gradient.norm() * tangent.norm())
        closest = math.inf
        for step in _STEPS[dtype]:
            ends = []
            for sign in (1, -1):
                moved = dict(enumerate(given))
                moved[position] = given[position] + sign * step * tangent
                with torch.no_grad():
                    ends.append(_run(applied, moved, seed))
            numeric = sum(
                float(((ends[0][place] - ends[1][place]) * upstream).sum())
                for place, upstream in upstreams.items()
            ) / (2 * step)
            scale = max(abs(numeric), abs(analytic), 1e-3 * size, 1e-12)
            closest = min(closest, abs(numeric - analytic) / scale)
        name = names[position] if position < len(names) else f"argument {position}"
        trials.append(_Trial(name, closest))
    return trials


def _run(applied: Applied, arguments: dict[int, Any], seed: int) -> list[Tensor]:
    """The outputs at these arguments; what is drawn at random is drawn alike each time."""
    # A function may write into what it is given, which neither leaves nor the record allow.
    copies = [item.clone() if isinstance(item, Tensor) else item for item in arguments.values()]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        result = applied.function.apply(*copies)
    return [
        item
        for item in (result if isinstance(result, tuple) else (result,))
        if isinstance(item, Tensor)
    ]


def _as(item: Any, dtype: torch.dtype) -> Any:
    """An argument in the precision of the trial; what is no float stays as it was."""
    if isinstance(item, Tensor):
        return item.detach().to(dtype) if item.is_floating_point() else item.detach()
    return item


def _normal(like: Tensor, draw: torch.Generator) -> Tensor:
    return torch.randn(like.shape, generator=draw, dtype=like.dtype).to(like.device)


def _has_setup(function: Any) -> bool:
    """Whether the function's forward takes no ``ctx`` (it has ``setup_context`` instead)."""
    return function.setup_context is not torch.autograd.Function.setup_context
