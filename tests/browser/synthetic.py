"""Ledgers made by hand for the viewer's tests: transformers, flat graphs, hostile names.

Built from the records themselves, so that the format the browser reads is the one the package
writes. The numbers are drawn, not computed; what a test relies on is set explicitly.
"""

from __future__ import annotations

import math
import random
from typing import Any

from localgrad.ledger.interchange import to_dict
from localgrad.ledger.model import (
    Alignment,
    Comparison,
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

FILE = "/home/someone/model.py"
RULES = {
    "matmul": Formula("∂x = g · Wᵀ,  ∂W = xᵀ · g"),
    "relu": Formula("∂x = g where x > 0, else 0"),
    "add": Formula("∂a = g,  ∂b = g"),
    "gelu": Formula("∂x = g · (Φ(x) + x φ(x))"),
    "softmax": Formula("∂x = y · (g − Σ g y)"),
    "layer_norm": Formula("∂x = (g − mean(g) − x̂ mean(g x̂)) / σ"),
}


def stats(rng: random.Random, scale: float, size: int, signed: bool = True) -> Stats:
    rms = scale * rng.uniform(0.8, 1.25)
    bins = [int(size * math.exp(-(((i - 11.5) / 4) ** 2)) / 7) for i in range(24)]
    low, high = (-3 * rms, 3 * rms) if signed else (0.0, 4 * rms)
    return Stats(size, rms * math.sqrt(size), rms, rms * 0.02, low, high, 0, 0, bins, low, high)


class Builder:
    """Adds nodes in forward order; gradients are made up when the graph stands."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = random.Random(seed)
        self.record = LedgerRecord(title="synthetic", level="edges", created="2026-01-01T00:00:00")
        self.line = 10

    def node(
        self,
        op: str,
        inputs: list[int] = (),  # type: ignore[assignment]
        module: str = "",
        kind: str = "op",
        label: str = "",
        shape: tuple[int, ...] = (32, 64),
        **fields: Any,
    ) -> int:
        number = len(self.record.nodes)
        self.line = 10 + (self.line - 9) % 60
        size = math.prod(shape)
        self.record.nodes.append(
            NodeRecord(
                id=number,
                op=op,
                kind=kind,
                label=label or op,
                names=[label] if kind == "parameter" else [],
                formula=RULES.get(op),
                module=module,
                where=f"model.py:{self.line}" if kind == "op" else None,
                file=FILE if kind == "op" else None,
                line=self.line if kind == "op" else None,
                function="forward",
                shape=list(shape),
                dtype="float32",
                value=stats(self.rng, 0.05 if kind == "parameter" else 1.0, size),
                **fields,
            )
        )
        for argument, source in enumerate(inputs):
            edge = EdgeRecord(len(self.record.edges), source, number, argument, "ab"[argument % 2])
            edge.size = math.prod(self.record.nodes[source].shape)
            self.record.edges.append(edge)
        return number

    def parameter(self, name: str, shape: tuple[int, ...]) -> int:
        module = name.rpartition(".")[0]
        return self.node("parameter", [], module, "parameter", name, shape)

    def linear(self, module: str, x: int, width: int = 64) -> int:
        weight = self.parameter(f"{module}.weight", (64, width))
        bias = self.parameter(f"{module}.bias", (width,))
        return self.node("add", [self.node("matmul", [x, weight], module), bias], module)

    def module(self, path: str, class_name: str, group: str = "") -> None:
        parent = path.rpartition(".")[0] if "." in path else None
        self.record.modules.append(ModuleRecord(path, class_name, parent, group or class_name))

    def finish(self, decay: float = 0.97) -> LedgerRecord:
        """Sends made-up gradients back: shares are normalised, gains multiply along the way."""
        record, rng = self.record, self.rng
        for edge in record.edges:
            record.nodes[edge.source].arrived.append(edge.id)
            record.nodes[edge.consumer].downstream.append(edge.id)
        record.nodes[-1].upstream = Stats(1, 1.0, 1.0, 1.0, 1.0, 1.0, 0)
        for node in reversed(record.nodes):
            if node.arrived:
                self.receive(node)
            if node.upstream is None:
                continue
            for number in node.downstream:
                edge = record.edges[number]
                source = record.nodes[edge.source]
                gain = decay * rng.uniform(0.75, 1.3)
                if node.op in ("softmax", "gelu"):
                    gain *= 0.25
                if source.kind == "parameter":
                    gain *= 6 if len(source.shape) == 2 else 3
                if node.kind == "loss":
                    gain = 0.02
                edge.gain = gain
                edge.rms = node.upstream.rms * gain
                edge.norm = edge.rms * math.sqrt(edge.size)
                edge.zeros = 0
            node.balance = 1e-7 * rng.random()
        record.loss = 2.3026
        record.sources = {
            FILE: Snippet(
                1,
                ["import localgrad as lg", "", "class Block(lg.nn.Module):"]
                + [f"    x = x + self.layer_{i}(x)  # line {i + 4}" for i in range(80)],
            )
        }
        return record

    def receive(self, node: NodeRecord) -> None:
        edges = [self.record.edges[number] for number in node.arrived]
        rms = math.hypot(*(edge.rms or 0.0 for edge in edges)) / math.sqrt(len(edges))
        parts = [(edge.rms or 0.0) * self.rng.uniform(0.5, 1) for edge in edges]
        if len(edges) > 1 and self.rng.random() < 0.2:
            parts[0] *= -0.3
        total = sum(parts) or 1.0
        for edge, part in zip(edges, parts):
            edge.share = part / total
            edge.cosine = max(-1.0, min(1.0, 0.4 + 0.6 * edge.share))
        node.upstream = stats(self.rng, max(rms, 1e-30), math.prod(node.shape))


def transformer(layers: int = 12, seed: int = 0, decay: float = 0.99) -> LedgerRecord:
    """Embedding, ``layers`` pre-norm blocks, a head and a loss: about 28 nodes a block."""
    b = Builder(seed)
    b.record.title = f"transformer, {layers} layers"
    for path, name in [("embed", "Embedding"), ("blocks", "Sequential"), ("head", "Linear")]:
        b.module(path, name)
    tokens = b.node("input", [], "", "input", "tokens", (32, 64))
    x = b.node("take", [b.parameter("embed.weight", (256, 64)), tokens], "embed")
    for i in range(layers):
        x = block(b, f"blocks.{i}", x)
    b.module("norm", "LayerNorm")
    x = norm(b, "norm", x)
    logits = b.linear("head", x, 10)
    b.node("cross_entropy", [logits], "", "loss", "loss", ())
    return b.finish(decay)


def norm(b: Builder, module: str, x: int) -> int:
    weight = b.parameter(f"{module}.weight", (64,))
    bias = b.parameter(f"{module}.bias", (64,))
    return b.node("layer_norm", [x, weight, bias], module)


def block(b: Builder, path: str, x: int) -> int:
    b.module(path, "Block")
    for name, kind in [("ln1", "LayerNorm"), ("attn", "SelfAttention"), ("ln2", "LayerNorm")]:
        b.module(f"{path}.{name}", kind)
    b.module(f"{path}.mlp", "MLP")
    h = norm(b, f"{path}.ln1", x)
    for name in "qkvo":
        b.module(f"{path}.attn.{name}", "Linear")
    q, k, v = (b.linear(f"{path}.attn.{name}", h) for name in "qkv")
    scores = b.node("softmax", [b.node("matmul", [q, k], f"{path}.attn")], f"{path}.attn")
    mixed = b.node("matmul", [scores, v], f"{path}.attn")
    x = b.node("add", [x, b.linear(f"{path}.attn.o", mixed)], path)
    h = norm(b, f"{path}.ln2", x)
    for name in ("up", "down"):
        b.module(f"{path}.mlp.{name}", "Linear")
    h = b.node("gelu", [b.linear(f"{path}.mlp.up", h)], f"{path}.mlp")
    return b.node("add", [x, b.linear(f"{path}.mlp.down", h)], path)


def with_findings(record: LedgerRecord) -> LedgerRecord:
    """Seven findings of different kinds, a dead gradient, a NaN, a cut."""
    operations = [node for node in record.nodes if node.kind == "op"]
    kinds = ["nonfinite", "vanishing", "cut", "dead", "cancelling", "broadcast", "unused"]
    severities = ["error", "warning", "warning", "warning", "warning", "note", "note"]
    for place, (kind, severity) in enumerate(zip(kinds, severities)):
        node = operations[(place + 1) * len(operations) // 9]
        record.findings.append(
            Finding(
                kind,
                severity,
                f"{kind}: the gradient at {node.label} is not what it should be.",
                node.where,
                node.id,
                node.module,
                {"rms": 3.4e-9, "blocks": 4},
                "Look at the upstream table, then at the line.",
            )
        )
    broken = operations[len(operations) // 9]
    broken.birth, broken.birth_detail = "local", "1 / 0 at element (3, 7)"
    assert broken.upstream is not None
    broken.upstream.nonfinite, broken.upstream.rms, broken.upstream.norm = 12, math.nan, math.nan
    for number in broken.downstream:
        edge = record.edges[number]
        edge.nonfinite, edge.norm, edge.rms, edge.gain = 4, math.nan, math.nan, math.nan
    flat = operations[3 * len(operations) // 9]
    record.edges[flat.downstream[0]].cut = True
    dead = operations[4 * len(operations) // 9]
    for number in dead.downstream:
        edge = record.edges[number]
        edge.norm = edge.rms = edge.gain = 0.0
        edge.zeros = edge.size
    source = operations[-4]
    record.cuts.append(
        Cut(source.where, "detach", "detach", source.module, [32, 64], source.id, operations[-1].id)
    )
    return record


def with_steps(record: LedgerRecord, count: int = 24) -> LedgerRecord:
    """A slider whose norms fall tenfold from the first step to the last."""
    for step in range(count):
        factor = 10 ** (1 - step / (count - 1))
        record.steps.append(
            StepRecord(
                step * 50,
                2.3 * math.exp(-step / 8) + 0.2,
                [None if n.upstream is None else n.upstream.norm * factor for n in record.nodes],
                [None if e.norm is None else e.norm * factor for e in record.edges],
                [edge.share for edge in record.edges],
            )
        )
    return record


def compared(here: LedgerRecord, other: LedgerRecord) -> LedgerRecord:
    """Two runs of one model, aligned node by node; they part at an edge in the middle."""
    pairs = Alignment(
        [(node.id, node.id) for node in here.nodes], [(edge.id, edge.id) for edge in here.edges]
    )
    middle = len(here.edges) // 2
    here.compare = Comparison(other, pairs, middle, "The runs part at this edge.")
    return here


def flat(count: int) -> LedgerRecord:
    """A graph without modules: a chain of ``count`` operations with skips of irregular length."""
    b = Builder(1)
    rng = random.Random(2)
    b.record.title = f"{count} operations"
    x = [b.node("input", [], "", "input", "x", (8, 8))]
    operations = ["relu", "add", "tanh", "exp", "mul"]
    while len(b.record.nodes) < count - 1:
        inputs = [x[-1]]
        if rng.random() < 0.3 and len(x) > 12:
            inputs.append(x[-rng.randint(2, 10)])
        x.append(b.node(rng.choice(operations), inputs, shape=(8, 8)))
    b.node("sum", [x[-1]], "", "loss", "loss", ())
    return b.finish(1.0)


HOSTILE = "<script>window.hacked=1</script>"
HOSTILE_IMAGE = "<img src=x onerror=window.hacked=1>"


def hostile() -> LedgerRecord:
    """Every piece of text a model can name, named by an attacker."""
    b = Builder(3)
    b.record.title = f"</title>{HOSTILE}"
    b.module(HOSTILE_IMAGE, HOSTILE)
    x = b.node("input", [], "", "input", HOSTILE, (4, 4))
    weight = b.parameter(f"{HOSTILE_IMAGE}.{HOSTILE}", (4, 4))
    y = b.node(HOSTILE, [x, weight], HOSTILE_IMAGE, shape=(4, 4), local=HOSTILE)
    y = b.node("relu", [y], HOSTILE_IMAGE, shape=(4, 4), absence=HOSTILE_IMAGE)
    b.node("sum", [y], "", "loss", "]]></script><script>window.hacked=1</script>", ())
    record = b.finish()
    node = record.nodes[2]
    node.formula = Formula(HOSTILE)
    node.where = f"{HOSTILE}.py:3"
    record.findings.append(
        Finding("cut", "error", HOSTILE, HOSTILE_IMAGE, 2, HOSTILE, {HOSTILE: HOSTILE}, HOSTILE)
    )
    record.sources[FILE] = Snippet(1, [HOSTILE_IMAGE, "</script>", "<!--", HOSTILE] * 20)
    return record


def document(record: LedgerRecord) -> dict[str, Any]:
    return to_dict(record)
