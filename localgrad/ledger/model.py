"""What a backward pass did, as plain data.

The records here know no engine, no array library and no viewer: a *recorder* fills them (ours in
``recorder.py``, PyTorch's in ``torch/``), the findings read them, the report draws them.
``docs/ledger-format.md`` is the same contract in prose.

Words: a *node* is one operation (or a leaf) of the graph; an *edge* runs from a consumer back to
the input it used. Along it travels a *contribution*; the contributions that arrive at a node
add up to its *upstream*; what a node sends on is its *downstream*.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FORMAT = "localgrad-ledger/1"
LEVELS = ("norms", "edges", "values")
KINDS = (
    "nonfinite",
    "imbalance",
    "mismatch",
    "mutated",
    "cut",
    "exploding",
    "vanishing",
    "dead",
    "saturated",
    "cancelling",
    "unused",
    "broadcast",
)
SEVERITIES = ("error", "warning", "note")


@dataclass(slots=True)
class Stats:
    """What one array looked like. ``None`` stands for what was not measured at this level."""

    size: int
    norm: float
    rms: float
    mean: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    zeros: int | None = None
    nonfinite: int = 0
    histogram: list[int] | None = None
    low: float | None = None
    high: float | None = None


@dataclass(slots=True)
class Formula:
    """The local rule of a node, as text and as LaTeX."""

    text: str
    latex: str | None = None

    def of(self, argument: str) -> str:
        """Return the text without what the other arguments receive.

        >>> Formula("x ← g @ w,  w ← zᵀ @ g,  z = max(x, 0)").of("w")
        'w ← zᵀ @ g,  z = max(x, 0)'
        """
        parts = self.text.split(",  ")
        ends = [part.partition("←")[0].partition("[")[0].strip() for part in parts]
        own = [p for p, end in zip(parts, ends) if "←" not in p or end == argument]
        return ",  ".join(own) if any("←" in part for part in own) else self.text


@dataclass(slots=True)
class Units:
    """How many units (indices along ``axis``; all elements when ``axis`` is None) do not learn.

    A unit is dead when its output is zero for the entire batch, saturated when its local gradient
    is almost zero for nearly the entire batch. ``since`` is the recorded step it began at.
    """

    axis: int | None
    count: int
    dead: int = 0
    saturated: int = 0
    since: int | None = None


@dataclass(slots=True)
class NodeRecord:
    """One operation, parameter, input or loss, and the gradient that met there."""

    id: int
    op: str
    kind: str = "op"  # "op" | "parameter" | "input" | "loss"
    label: str = ""
    names: list[str] = field(default_factory=list)
    formula: Formula | None = None
    module: str = ""
    module_class: str = ""
    where: str | None = None
    file: str | None = None
    line: int | None = None
    function: str | None = None
    shape: list[int] = field(default_factory=list)
    dtype: str = ""
    inputs: list[list[int]] = field(default_factory=list)
    value: Stats | None = None
    upstream: Stats | None = None
    downstream: list[int] = field(default_factory=list)
    arrived: list[int] = field(default_factory=list)
    local: str | None = None
    birth: str | None = None  # "forward" | "local" | "merge" | "propagated"
    birth_detail: str | None = None
    absence: str | None = None
    balance: float | None = None
    units: Units | None = None
    slot: int = 0
    flags: list[str] = field(default_factory=list)
    step: int | None = None
    sweep: int = 0

    @property
    def place(self) -> str:
        """Where a person looks for it: ``fc1.weight``, ``blocks.3 relu``, ``loss``."""
        if self.kind != "op" or not self.module:
            return self.label or self.op
        return f"{self.module} {self.label or self.op}"

    def _repr_html_(self) -> str:
        from localgrad.report.notebook import node_html

        return node_html(self)


@dataclass(slots=True)
class EdgeRecord:
    """One contribution: what ``consumer`` sent back to ``source``, its input.

    ``contribution`` is its numbers where the level keeps them: an array of the recorder's
    framework (anything with ``tolist()``), or nested lists where it was read from a file.
    """

    id: int
    source: int
    consumer: int
    argument: int = 0
    name: str = ""
    slot: int = 0
    size: int = 0
    norm: float | None = None
    rms: float | None = None
    share: float | None = None
    cosine: float | None = None
    gain: float | None = None
    cancels: bool = False
    zeros: int | None = None
    nonfinite: int = 0
    reduced_axes: list[int] = field(default_factory=list)
    contribution: Any = field(default=None, compare=False)
    cut: bool = False

    def _repr_html_(self) -> str:
        from localgrad.report.notebook import edge_html

        return edge_html(self)


@dataclass(slots=True)
class Cut:
    """A value that left the graph, and the line that made it leave.

    ``source`` is the last node still in the graph and ``consumer`` the first node that used the
    value without a way back, where they are known. ``unchanged`` are the dashed edges along which
    the very value came back, and not something that was computed from it.
    """

    where: str | None
    reason: str  # "detach" | "no_grad" | "integer" | "flat"
    op: str = ""
    module: str = ""
    shape: list[int] = field(default_factory=list)
    source: int | None = None
    consumer: int | None = None
    parameters: list[str] = field(default_factory=list)
    unchanged: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Mutation:
    """A value that changed in place after a partial had retained it."""

    where: str | None
    op: str
    retained_by: str
    retained_where: str | None = None
    module: str = ""


@dataclass(slots=True)
class Finding:
    """One thing that is wrong, where, how one knows, and what to write instead."""

    kind: str
    severity: str
    message: str
    where: str | None = None
    node: int | None = None
    module: str = ""
    evidence: dict[str, float | int | str] = field(default_factory=dict)
    advice: str = ""


@dataclass(slots=True)
class Snippet:
    """The user's own lines around a node."""

    first_line: int
    lines: list[str]


@dataclass(slots=True)
class ModuleRecord:
    """One module of the model. Modules with one ``group`` have the same structure and fold."""

    path: str
    class_name: str
    parent: str | None = None
    group: str = ""
    count: int = 1


@dataclass(slots=True)
class StepRecord:
    """The norms of one recorded training step, in the order of the nodes and edges."""

    step: int
    loss: float | None
    upstream_norm: list[float | None] = field(default_factory=list)
    edge_norm: list[float | None] = field(default_factory=list)
    edge_share: list[float | None] = field(default_factory=list)


@dataclass(slots=True)
class Alignment:
    """Which node (edge) of one run is which of another."""

    nodes: list[tuple[int, int]] = field(default_factory=list)
    edges: list[tuple[int, int]] = field(default_factory=list)


@dataclass(slots=True)
class Comparison:
    """Another run, how it lines up with this one, and the first edge where they part."""

    other: LedgerRecord
    alignment: Alignment
    first_divergence: int | None = None
    message: str = ""
    difference: list[float | None] = field(default_factory=list)  # per aligned edge, relative


@dataclass(slots=True)
class LedgerRecord:
    """The whole account: what recorders fill, findings read and reports draw."""

    framework: str = "localgrad"
    level: str = "norms"
    title: str = ""
    loss: float | None = None
    created: str = ""
    nodes: list[NodeRecord] = field(default_factory=list)
    edges: list[EdgeRecord] = field(default_factory=list)
    cuts: list[Cut] = field(default_factory=list)
    mutations: list[Mutation] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    modules: list[ModuleRecord] = field(default_factory=list)
    sources: dict[str, Snippet] = field(default_factory=dict)
    steps: list[StepRecord] = field(default_factory=list)
    thresholds: dict[str, float] = field(default_factory=dict)
    compare: Comparison | None = None
    format: str = FORMAT

    def __repr__(self) -> str:
        return f"<ledger of {self.title}: {len(self.nodes)} nodes, {len(self.edges)} edges>"

    def __str__(self) -> str:
        from localgrad.report.text import ledger_text

        return ledger_text(self)

    def _repr_html_(self) -> str:
        from localgrad.report.notebook import ledger_html

        return ledger_html(self)

    def to_html(self, path: str | Path) -> Path:
        """Write the interactive report: one file that needs no network."""
        from localgrad.ledger.interchange import to_dict
        from localgrad.report.html import write_html

        return write_html(to_dict(self), path)

    def node_of(self, edge: EdgeRecord) -> NodeRecord:
        """The node that received ``edge``."""
        return self.nodes[edge.source]

    def arrived(self, node: NodeRecord) -> list[EdgeRecord]:
        """The contributions that met at ``node`` (an edge that is cut carries none)."""
        return [e for e in (self.edges[i] for i in node.arrived) if not e.cut]

    def downstream(self, node: NodeRecord) -> list[EdgeRecord]:
        """The contributions that ``node`` handed to its inputs."""
        return [e for e in (self.edges[i] for i in node.downstream) if not e.cut]

    def parameters(self) -> list[NodeRecord]:
        """The nodes that are parameters, in forward order."""
        return [node for node in self.nodes if node.kind == "parameter"]
