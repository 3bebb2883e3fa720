"""What people train with: checkpoints, mixed precision, torch.compile, DistributedDataParallel."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch.utils.checkpoint import checkpoint  # noqa: E402

from localgrad.torch import Ledger  # noqa: E402

nn, functional = torch.nn, torch.nn.functional


class Blocks(nn.Module):
    """Two residual blocks, checkpointed or not; dropout is drawn again alike."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.head = nn.Linear(4, 6), nn.Linear(6, 3)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(6), nn.Linear(6, 6), nn.GELU(), nn.Dropout(0.3))
            for _ in range(2)
        )
        self.reentrant: bool | None = None

    def forward(self, x: Any) -> Any:
        x = self.first(x)
        for block in self.blocks:
            if self.reentrant is None:
                x = x + block(x)
            else:
                x = x + checkpoint(block, x, use_reentrant=self.reentrant)
        return self.head(x)


def recorded(model: Any, reentrant: bool | None) -> Ledger:
    torch.manual_seed(3)
    model.reentrant = reentrant
    model.zero_grad()
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(0)).double()
    with Ledger(model, level="edges") as ledger:
        functional.cross_entropy(model(x), torch.arange(5) % 3).backward()
    assert not ledger.findings()
    return ledger


@pytest.mark.parametrize("reentrant", [False, True])
def test_a_checkpoint_changes_no_number_of_the_ledger(reentrant: bool) -> None:
    torch.manual_seed(0)
    model = Blocks().double()
    plain = recorded(model, None)
    grads = {name: p.grad.clone() for name, p in model.named_parameters()}
    again = recorded(model, reentrant)

    def told(ledger: Ledger) -> dict[Any, list[float]]:
        """What arrived at the operations, by operation and module."""
        found: dict[Any, list[float]] = {}
        for node in ledger.nodes:
            if node.kind == "op" and node.upstream is not None:
                found.setdefault((node.label, node.module), []).append(node.upstream.norm)
        return {place: sorted(norms) for place, norms in found.items()}

    here, there = told(plain), told(again)
    for place, norms in here.items():
        assert there[place] == pytest.approx(norms, rel=1e-9), place
    for name, grad in grads.items():
        node = again.of(name)
        assert node.upstream.norm == pytest.approx(float(grad.norm()), rel=1e-9)
        assert node.balance < 1e-12
    inside = [n for n in again.nodes if n.module.startswith("blocks.") and n.kind == "op"]
    assert {n.label for n in inside} >= {"layer_norm", "linear", "gelu"}
    if reentrant:
        assert any("checkpoint" in node.flags for node in again.nodes)
        assert all("recomputed" in n.flags for n in inside)


def test_recomputed_nodes_bear_their_modules_and_lines() -> None:
    ledger = recorded(Blocks().double(), True)
    lines = {n.where for n in ledger.nodes if "recomputed" in n.flags}
    assert None not in lines and len(lines) == 1
    assert next(iter(lines)).startswith("test_training_tools.py:")


# -- mixed precision -----------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1.0, 1024.0])
def test_the_loss_scale_is_divided_out(scale: float) -> None:
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1)), torch.randn(6, 4)
    plain = Ledger(model)
    with plain:
        model(x).square().mean().backward()
    model.zero_grad()
    scaler = torch.amp.GradScaler("cpu", init_scale=scale)
    with Ledger(model, level="edges") as ledger:
        loss = model(x).square().mean()
        scaler.scale(loss).backward()
    for name, parameter in model.named_parameters():
        node = ledger.of(name)
        assert node.upstream.norm == pytest.approx(plain.of(name).upstream.norm, rel=1e-5)
        assert node.upstream.norm == pytest.approx(float(parameter.grad.norm()) / scale, rel=1e-5)
        (edge,) = ledger.record.arrived(node)
        part = ledger.through(edge)[name]
        torch.testing.assert_close(part, parameter.grad / scale)
    assert ledger.record.loss == pytest.approx(float(loss.detach()), rel=1e-5)
    assert [n.flags for n in ledger.nodes if n.kind == "loss"] == [["loss scale"]]


def test_autocast_is_recorded_in_the_precision_it_ran_in() -> None:
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), torch.randn(6, 4)
    with Ledger(model, level="values") as ledger:
        with torch.autocast("cpu", torch.bfloat16):
            y = model(x)
        y.float().square().mean().backward()
    assert {n.dtype for n in ledger.nodes if n.module in ("0", "1", "2") and n.kind == "op"} == {
        "bfloat16"
    }
    for name, parameter in model.named_parameters():
        node = ledger.of(name)
        assert node.dtype == "float32"
        assert node.upstream.norm == pytest.approx(float(parameter.grad.norm()), rel=1e-5)
        # The cast of a parameter is no operation of its own: the layer uses the parameter.
        (edge,) = ledger.record.arrived(node)
        assert ledger.nodes[edge.consumer].label == "linear"
    assert not ledger.findings()


def test_an_overflow_under_a_loss_scale_is_flagged() -> None:
    model, x = nn.Linear(4, 1), torch.full((2, 4), 100.0)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**15)
    with Ledger(model) as ledger:
        scaler.scale(model.half()(x.half()).sum()).backward()
    assert torch.isinf(model.weight.grad).all()
    node = ledger.of("weight")
    assert node.upstream.nonfinite == 4
    (finding,) = [item for item in ledger.findings() if item.kind == "nonfinite"]
    assert "scale" in (finding.message + finding.advice)


# -- wrappers ------------------------------------------------------------------------------------


@pytest.fixture
def process_group() -> Iterator[None]:
    store = torch.distributed.HashStore()
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


def test_a_model_under_distributed_data_parallel(process_group: None) -> None:
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), torch.randn(6, 4)
    alone = copy.deepcopy(model)
    parallel = nn.parallel.DistributedDataParallel(model)
    with Ledger(parallel, level="edges") as ledger:
        parallel(x).square().mean().backward()
    with Ledger(alone, level="edges") as plain:
        alone(x).square().mean().backward()
    assert (
        "rank 0 of 1" in ledger.record.title and "before they are averaged" in ledger.record.title
    )
    assert [(n.op, n.module, n.names) for n in ledger.nodes] == [
        (n.op, n.module, n.names) for n in plain.nodes
    ]
    for name, parameter in model.named_parameters():
        assert ledger.of(name).upstream.norm == pytest.approx(float(parameter.grad.norm()))
    assert not ledger.findings()


def test_a_compiled_module_is_recorded_as_it_is_written_and_says_so() -> None:
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), torch.randn(6, 4)
    compiled = torch.compile(model, backend="eager")
    with Ledger(compiled) as ledger:
        compiled(x).square().mean().backward()
    assert "torch.compile off while recording" in ledger.record.title
    labels = [(n.label, n.module) for n in ledger.nodes if n.kind == "op"]
    assert labels[:3] == [("linear", "0"), ("relu", "1"), ("linear", "2")]
    assert ledger.of(model[0].weight).names == ["0.weight"]
    for name, parameter in model.named_parameters():
        assert ledger.of(name).upstream.norm == pytest.approx(float(parameter.grad.norm()))
    assert math.isfinite(ledger.record.loss)


# -- hand-written functions -----------------------------------------------------------------------


class Cube(torch.autograd.Function):
    """x³ + b, and its backward, right or wrong."""

    @staticmethod
    def forward(ctx: Any, x: Any, bias: Any, factor: float) -> Any:
        ctx.save_for_backward(x)
        ctx.factor = factor
        return x**3 + bias

    @staticmethod
    def backward(ctx: Any, *upstream: Any) -> Any:
        (x,) = ctx.saved_tensors
        return ctx.factor * x**2 * upstream[0], upstream[0].sum(0), None


@pytest.mark.parametrize("factor", [3.0, 2.9])
def test_the_audit_checks_every_use_of_a_function_at_its_own_values(factor: float) -> None:
    torch.manual_seed(0)
    layer = nn.Linear(4, 4)
    before = copy.deepcopy(layer.state_dict())
    with Ledger(layer, level="edges") as ledger:
        y = Cube.apply(layer(torch.randn(3, 4)), layer.bias, factor)
        Cube.apply(y, layer.bias, 3.0).sum().backward()
    grads = [p.grad.clone() for p in layer.parameters()]
    audit = ledger.audit()
    assert [row.argument for row in audit.rows] == ["x", "bias"] * 2
    wrong = [(item.kind, item.evidence["argument"]) for item in ledger.findings()]
    assert [item for item in wrong if item[0] == "mismatch"] == (
        [("mismatch", "x")] if factor != 3 else []
    )
    for parameter, grad in zip(layer.parameters(), grads):  # asking changes nothing
        assert torch.equal(parameter.grad, grad)
    assert all(torch.equal(layer.state_dict()[name], value) for name, value in before.items())


def test_through_an_edge_is_the_gradient_of_a_loss_with_the_other_branch_cut() -> None:
    torch.manual_seed(0)
    first, second = nn.Linear(3, 3), nn.Linear(3, 3)
    model, x = nn.ModuleList([first, second]), torch.randn(2, 3)
    with Ledger(model, level="edges") as ledger:
        h = first(x)
        (h + torch.tanh(second(h))).square().sum().backward()
    skip, branch = sorted(
        ledger.record.arrived(ledger.of(h)), key=lambda e: ledger.nodes[e.consumer].label
    )
    assert [ledger.nodes[e.consumer].label for e in (skip, branch)] == ["add", "linear"]
    model.zero_grad()
    h = first(x)
    (h + torch.tanh(second(h.detach()))).square().sum().backward()
    got = ledger.through(skip)
    assert set(got) == {"0.weight", "0.bias"}
    torch.testing.assert_close(got["0.weight"], first.weight.grad)
    torch.testing.assert_close(got["0.bias"], first.bias.grad)


def test_through_at_level_norms_says_which_level_to_open() -> None:
    layer = nn.Linear(3, 1)
    with Ledger(layer) as ledger:
        layer(torch.ones(2, 3)).sum().backward()
    with pytest.raises(Exception, match="edges"):
        ledger.through(ledger.edges[0])
