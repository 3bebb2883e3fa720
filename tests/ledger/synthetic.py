"""A residual network worked by hand in NumPy, as a ledger: no engine, no recorder.

``python -m tests.ledger.synthetic FILE [BLOCKS]`` writes its JSON.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from localgrad.ledger import interchange
from localgrad.ledger.model import (
    Cut,
    EdgeRecord,
    Finding,
    Formula,
    LedgerRecord,
    ModuleRecord,
    NodeRecord,
    Snippet,
    Stats,
    StepRecord,
)

FILE = "/home/person/train.py"
SOURCE = [
    "class Block(nn.Module):",
    "    def forward(self, x):",
    "        return x + functional.relu(x @ self.weight + self.bias)",
    "",
    "class Net(nn.Module):",
    "    def forward(self, x):",
    "        for block in self.blocks:",
    "            x = block(x)",
    "        return x @ self.head",
    "",
    "loss = ((model(x) - y) ** 2).mean()",
]


def stats(array: np.ndarray, bins: int = 16) -> Stats:
    """The statistics of ``array``, each by its definition."""
    counts, limits = np.histogram(array, bins=bins)
    return Stats(
        size=array.size,
        norm=float(np.sqrt((array**2).sum())),
        rms=float(np.sqrt((array**2).mean())),
        mean=float(array.mean()),
        minimum=float(array.min()),
        maximum=float(array.max()),
        zeros=int((array == 0).sum()),
        nonfinite=int((~np.isfinite(array)).sum()),
        histogram=[int(count) for count in counts],
        low=float(limits[0]),
        high=float(limits[-1]),
    )


class _Tape:
    """Nodes with their values and edges with their contributions."""

    def __init__(self) -> None:
        self.nodes: list[NodeRecord] = []
        self.values: list[np.ndarray] = []
        self.contributions: list[tuple[int, int, int, str, np.ndarray, list[int]]] = []
        self.sums: dict[int, np.ndarray] = {}

    def node(self, op: str, value: np.ndarray, **named: object) -> int:
        line = named.pop("line", None)
        record = NodeRecord(
            id=len(self.nodes),
            op=op,
            shape=list(value.shape),
            dtype="float64",
            value=stats(value),
            where=f"train.py:{line}" if line else None,
            file=FILE if line else None,
            line=line,  # type: ignore[arg-type]
            function="forward" if line else None,
            **named,  # type: ignore[arg-type]
        )
        record.label = record.label or op
        self.nodes.append(record)
        self.values.append(value)
        return record.id

    def upstream(self, node: int) -> np.ndarray:
        return self.sums.get(node, np.zeros_like(self.values[node]))

    def send(
        self,
        consumer: int,
        source: int,
        argument: int,
        name: str,
        contribution: np.ndarray,
        reduced: list[int] | None = None,
    ) -> None:
        self.contributions.append((source, consumer, argument, name, contribution, reduced or []))
        self.sums[source] = self.upstream(source) + contribution

    def edges(self) -> list[EdgeRecord]:
        sums = [self.upstream(node.id) for node in self.nodes]
        result = []
        for source, consumer, argument, name, g, reduced in self.contributions:
            total = sums[source]
            sent = sums[consumer] if self.nodes[consumer].kind != "loss" else np.ones(1)
            square = float((total**2).sum())
            norms = float(np.sqrt((g**2).sum())) * float(np.sqrt(square))
            edge = EdgeRecord(
                id=len(result),
                source=source,
                consumer=consumer,
                argument=argument,
                name=name,
                size=g.size,
                norm=float(np.sqrt((g**2).sum())),
                rms=float(np.sqrt((g**2).mean())),
                share=float((g * total).sum()) / square if square else None,
                cosine=float((g * total).sum()) / norms if norms else None,
                gain=float(np.sqrt((g**2).mean() / (sent**2).mean())) if sent.any() else None,
                zeros=int((g == 0).sum()),
                reduced_axes=reduced,
                contribution=g.tolist() if g.size <= 64 else None,
            )
            self.nodes[source].arrived.append(edge.id)
            self.nodes[consumer].downstream.append(edge.id)
            result.append(edge)
        for node, total in zip(self.nodes, sums, strict=True):
            if node.arrived:
                node.upstream, node.balance = stats(total), 0.0
            elif node.kind == "loss":
                node.upstream = stats(np.ones(()))
        return result


def residual_ledger(blocks: int = 3, batch: int = 8, width: int = 4, seed: int = 0) -> LedgerRecord:
    """``x = x + relu(x @ W + b)`` as many times as asked, a head, a squared error."""
    scale = 1.5 / blocks  # the deeper, the weaker each branch, so that any depth stays finite
    random = np.random.default_rng(seed)
    tape = _Tape()
    x = tape.node("input", random.normal(size=(batch, width)), kind="input", label="x")
    layers, hidden = [], x
    for number in range(blocks):
        module = {"module": f"blocks.{number}", "module_class": "Block"}
        weight, bias = (
            tape.node(
                "parameter",
                value,
                kind="parameter",
                label=f"blocks.{number}.{name}",
                names=[f"blocks.{number}.{name}"],
                **module,
            )
            for name, value in (
                ("weight", random.normal(size=(width, width)) * scale / np.sqrt(width)),
                ("bias", random.normal(size=width) * 0.1),
            )
        )
        value = tape.values
        product = tape.node("matmul", value[hidden] @ value[weight], line=3, **module)
        biased = tape.node("add", value[product] + value[bias], line=3, **module)
        relu = tape.node("relu", np.maximum(value[biased], 0), line=3, **module)
        tape.nodes[relu].formula = Formula("(x > 0)·g", r"\mathbf{1}[x > 0]\, g")
        joined = tape.node("add", value[hidden] + value[relu], line=3, **module)
        layers.append((hidden, weight, bias, product, biased, relu, joined))
        hidden = joined
    value = tape.values
    head = tape.node(
        "parameter",
        random.normal(size=(width, 2)),
        kind="parameter",
        label="head",
        names=["head"],
    )
    out = tape.node("matmul", value[hidden] @ value[head], line=9)
    error = tape.node("subtract", value[out] - random.normal(size=(batch, 2)), line=11)
    square = tape.node("square", value[error] ** 2, line=11)
    loss = tape.node("mean", value[square].mean(), line=11, kind="loss", label="loss")

    tape.send(loss, square, 0, "x", np.full((batch, 2), 1 / (2 * batch)))
    tape.send(square, error, 0, "x", tape.upstream(square) * 2 * value[error])
    tape.send(error, out, 0, "a", tape.upstream(error))
    tape.send(out, head, 1, "b", value[hidden].T @ tape.upstream(out))
    tape.send(out, hidden, 0, "a", tape.upstream(out) @ value[head].T)
    for source, weight, bias, product, biased, relu, joined in reversed(layers):
        tape.send(joined, source, 0, "a", tape.upstream(joined))
        tape.send(joined, relu, 1, "b", tape.upstream(joined))
        tape.send(relu, biased, 0, "x", tape.upstream(relu) * (value[biased] > 0))
        tape.send(biased, product, 0, "a", tape.upstream(biased))
        tape.send(biased, bias, 1, "b", tape.upstream(biased).sum(0), [0])
        tape.send(product, weight, 1, "b", value[source].T @ tape.upstream(product))
        tape.send(product, source, 0, "a", tape.upstream(product) @ value[weight].T)
    # The input needs no gradient, so the edges into it are not part of the account.
    tape.contributions = [item for item in tape.contributions if item[0] != x]
    edges = tape.edges()
    record = LedgerRecord(
        level="edges",
        title="residual example",
        loss=float(value[loss]),
        created="2026-01-01T00:00:00Z",
        nodes=tape.nodes,
        edges=edges,
        cuts=[Cut("train.py:6", "detach", "detach", "blocks.0", [batch, width], x)],
        modules=[ModuleRecord("", "Net", None, "Net", 1)]
        + [
            ModuleRecord(f"blocks.{number}", "Block", "", "Block", blocks)
            for number in range(blocks)
        ],
        sources={FILE: Snippet(1, SOURCE)},
    )
    record.findings = [
        Finding(
            "vanishing",
            "warning",
            "an example of a finding",
            where="train.py:3",
            node=layers[0][5],
            module="blocks.0",
            evidence={"gain": 0.01, "upstream": float("inf")},
            advice="an example of advice",
        )
    ]
    for step in range(3):
        factor = 0.5**step
        record.steps.append(
            StepRecord(
                step * 10,
                float(value[loss]) * factor,
                [node.upstream and node.upstream.norm * factor for node in record.nodes],
                [edge.norm and edge.norm * factor for edge in edges],
                [edge.share for edge in edges],
            )
        )
    return record


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(
        interchange.dumps(residual_ledger(int(sys.argv[2]) if len(sys.argv) > 2 else 3))
    )
