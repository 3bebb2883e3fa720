"""The ledger of a PyTorch model as it stands."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from localgrad import errors_of_ledgers as errors
from localgrad.graph.record import here
from localgrad.ledger.base import BaseLedger
from localgrad.ledger.findings.words import listed, number
from localgrad.ledger.model import LEVELS, EdgeRecord, Finding, LedgerRecord
from localgrad.ledger.naming import given
from localgrad.ledger.thresholds import Thresholds
from localgrad.torch.build import Build
from localgrad.torch.recorder import Recorder

if TYPE_CHECKING:
    from localgrad.torch.audit import Audit


class Ledger(BaseLedger):
    """Record what a backward pass of PyTorch does: what arrived on every edge, and what was sent.

    The model needs no change: open the ledger around forward and backward.

    model: a module, several (a list, or a dict of them by name), or None for those that are
        called inside. Names come from it, and its unused parameters are noticed.
    level: "norms" (numbers only), "edges" (contributions kept where several meet, and the graph,
        for `through` and `audit`), "values" (everything kept).
    thresholds: those to change, by name; see `docs/ledger.md`.
    accumulates: several backward passes add up in ``.grad`` on purpose, so that a ``.grad`` which
        is not empty at the beginning is no finding.

    >>> import torch
    >>> w = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> with Ledger() as ledger:
    ...     loss = (w * w + 3 * w).sum()
    ...     loss.backward()
    >>> sorted(round(edge.share, 3) for edge in ledger.record.arrived(ledger.of(w)))
    [0.257, 0.257, 0.486]
    """

    def __init__(
        self,
        model: Any = None,
        level: str = "norms",
        thresholds: dict[str, float] | Thresholds | None = None,
        accumulates: bool = False,
    ) -> None:
        if level not in LEVELS:
            raise errors.unknown_level(level, LEVELS, here())
        if model is not None:
            given(model)
        self.level = level
        self.thresholds = Thresholds.read(thresholds)
        self.accumulates = accumulates
        self._recorder = Recorder(model, level, self.thresholds)
        self._built: Build | None = None

    def __enter__(self) -> Ledger:
        self._recorder.open()
        return self

    def __exit__(self, *_: object) -> None:
        self._recorder.close()
        self._built = None

    @property
    def record(self) -> LedgerRecord:
        """The account as plain data; built when first asked for, and again after more was heard."""
        return self._build().record

    @property
    def heard(self) -> bool:
        """Whether there was a backward pass inside, even one that reached no graph."""
        return bool(self._recorder.sweeps or self._recorder.lost)

    def _build(self) -> Build:
        recorder = self._recorder
        if not self.heard:
            raise errors.nothing_recorded()
        if self._built is None or recorder.is_open:
            recorder.meter.finish()
            self._built = Build(recorder)
        return self._built

    def identify(self, target: Any) -> int | None:
        if not isinstance(target, Tensor):
            return None
        build = self._build()
        if target.grad_fn is None:
            return build.id_of(target)
        return build.id_of_output(target.grad_fn, target.output_nr)

    def findings(self) -> list[Finding]:
        """What is wrong, most severe first; empty for a healthy step."""
        unreached = self._build().unreached()
        found = [
            item
            for item in super().findings()
            if item.kind != "unused" or item.node not in unreached
        ]
        for item in found:
            self._overflowed(item)
        if not self.accumulates:
            found += self._accumulated()
        self.record.findings = found
        return found

    def _overflowed(self, finding: Finding) -> None:
        """Say so where a gradient left the numbers under a loss scale of mixed precision."""
        build = self._build()
        node = None if finding.node is None else build.record.nodes[finding.node]
        if finding.kind != "nonfinite" or node is None or node.birth not in ("local", "merge"):
            return
        scale = build.describe.scale(build.recorder.sweeps[node.sweep])
        if scale <= 1:
            return
        finding.severity = "warning"
        finding.message += f" All gradients are multiplied by the loss scale {number(scale)} here."
        finding.evidence["loss scale"] = scale
        finding.advice = (
            "The scaler skips such a step and lowers its scale: now and then that is as it should "
            "be. If every step overflows, begin with a smaller init_scale. " + finding.advice
        )

    def _accumulated(self) -> list[Finding]:
        """Parameters whose ``.grad`` was not empty before the first sweep."""
        build, recorder = self._build(), self._recorder
        if not recorder.sweeps:
            return []
        held = []
        for index, rows in recorder.sweeps[0].grads.items():
            if (0, index) in build.left_out:
                continue
            node = build.node(0, index)
            before = recorder.meter.stats(rows.row).norm
            if node.kind == "parameter" and (before > 0 or math.isnan(before)):
                held.append((before, recorder.meter.stats(rows.after).norm, node))
        if not held:
            return []
        before, after, node = max(held, key=lambda item: item[0])
        return [
            Finding(
                kind="imbalance",
                severity="warning",
                message=f".grad of {listed(item[2].label for item in held)} held a gradient "
                f"before this backward (norm {number(before)} at `{node.label}`): what the "
                f"optimiser sees (norm {number(after)}) is not what this loss gave "
                f"(norm {number(node.upstream.norm if node.upstream else None)}).",
                where=recorder.sweeps[0].where,
                node=node.id,
                module=node.module,
                evidence={
                    "parameters": len(held),
                    "norm before": before,
                    "norm after": after,
                    "norm of this sweep": node.upstream.norm if node.upstream else 0.0,
                },
                advice="Call optimizer.zero_grad() before backward. If gradients are added up "
                "over several batches on purpose, say so: Ledger(model, accumulates=True).",
            )
        ]

    # -- what needs the graph ------------------------------------------------------------------

    def through(self, edge: EdgeRecord | int) -> dict[str, torch.Tensor]:
        """Parameter name -> the exact part of its gradient that came through that edge.

        The sweep is linear in what it begins with, so it is run again from the edge's source with
        this one contribution. Needs level "edges" or "values", which keep the graph, and
        PyTorch 2.5. Raises where the recorded values were changed meanwhile.
        """
        from localgrad.torch.through import through

        record = self.record
        number = edge if isinstance(edge, int) else edge.id
        if not 0 <= number < len(record.edges) or record.edges[number].cut:
            raise errors.no_such_edge(edge, len(record.edges))
        return through(self._build(), number)

    def audit(self, seed: int = 0) -> Audit:
        """Check every ``torch.autograd.Function`` at the values of this very step.

        Its backward is compared with a finite difference of its own forward, in double precision
        where it can take it. What disagrees becomes a finding of kind "mismatch". PyTorch's own
        operations are taken on trust. Needs level "edges" or "values".
        """
        from localgrad.torch.audit import audit

        found = audit(self._recorder, self._build(), seed, self.thresholds.mismatch)
        others = [item for item in self.record.findings if item.kind != "mismatch"]
        self.record.findings = found.findings + others
        return found
