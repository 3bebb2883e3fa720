"""What a recording takes in of PyTorch's graph, and that nothing of it stays behind."""

from __future__ import annotations

import gc
import inspect
import subprocess
import sys
import weakref
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch.nn.modules import module as hooks_of_modules  # noqa: E402

from localgrad.torch import Ledger  # noqa: E402

nn, functional = torch.nn, torch.nn.functional


def line() -> str:
    """The place of the caller's next line."""
    frame = inspect.currentframe()
    assert frame is not None and frame.f_back is not None
    return f"test_recording.py:{frame.f_back.f_lineno + 1}"


def state_of_pytorch() -> Any:
    """Everything that a ledger touches."""
    return (
        torch.autograd._engine_run_backward,
        torch.autograd.graph._engine_run_backward,
        torch.autograd.Function.__dict__["apply"],
        dict(hooks_of_modules._global_forward_hooks),
        dict(hooks_of_modules._global_forward_pre_hooks),
        torch.overrides._get_current_function_mode_stack(),
    )


def small_step() -> tuple[Any, Any]:
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)), torch.randn(5, 3)
    return model, lambda: model(x).square().mean()


# -- the graph ---------------------------------------------------------------------------------


def test_a_chain_far_deeper_than_pythons_stack_is_walked() -> None:
    w = torch.ones(2, requires_grad=True)
    depth = 20 * sys.getrecursionlimit()
    with Ledger(level="norms") as ledger:
        h = w
        for _ in range(depth):
            h = h * 1.0
        h.sum().backward()
    assert len(ledger.nodes) == depth + 2
    assert ledger.of(w).upstream.norm == pytest.approx(2**0.5)


def test_nodes_are_known_after_the_loss_is_gone() -> None:
    model, loss = small_step()
    with Ledger(model, level="edges") as ledger:
        loss().backward()
    gc.collect()
    # New graphs take the addresses that freed wrappers had.
    others = [loss() for _ in range(50)]
    nodes = [entry.node for entry in ledger._recorder.sweeps[0].graph.entries]
    assert len(set(nodes)) == len(nodes)
    assert [node.op for node in ledger.nodes if node.kind == "op"] == [
        "AddmmBackward0",
        "ReluBackward0",
        "AddmmBackward0",
        "PowBackward0",
    ]
    del others


def test_a_dropped_ledger_returns_the_graph_and_its_values() -> None:
    w = torch.ones(3, requires_grad=True)
    with Ledger() as ledger:
        y = w * 2
        y.sum().backward()
    gone = weakref.ref(ledger._recorder)
    ledger.findings()
    del ledger
    gc.collect()
    assert gone() is None


def test_every_node_bears_its_module_and_its_line() -> None:
    class Inner(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(3))

        def forward(self, x: Any) -> Any:
            self.where = line()
            return torch.tanh(x * self.weight)

    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = nn.ModuleList([Inner(), Inner()])

        def forward(self, x: Any) -> Any:
            x = self.parts[1](self.parts[0](x))
            self.where = line()
            return x.sum()

    model = Outer()
    with Ledger(model) as ledger:
        model(torch.ones(2, 3)).backward()
    found = [(n.op, n.module, n.where) for n in ledger.nodes if n.kind != "parameter"]
    inner = [("MulBackward0", i, model.parts[0].where) for i in ("parts.0", "parts.1")]
    assert found == [
        inner[0],
        ("TanhBackward0", *inner[0][1:]),
        inner[1],
        ("TanhBackward0", *inner[1][1:]),
        ("SumBackward0", "", model.where),
    ]


def test_outputs_of_one_node_have_slots_and_an_unused_one_counts_as_zero() -> None:
    w = torch.randn(6, 3, requires_grad=True)
    with Ledger(level="values") as ledger:
        first, second, third = w.split(2)
        (first.sum() + (third * third).sum()).backward()
    outputs = [node for node in ledger.nodes if node.op == "output"]
    assert [node.slot for node in outputs] == [0, 2]
    third_norm = float(2 * w.detach()[4:].norm())
    assert outputs[0].upstream.norm == pytest.approx(6**0.5)
    assert outputs[1].upstream.norm == pytest.approx(third_norm, rel=1e-6)
    passed_on = [ledger.record.downstream(output) for output in outputs]
    assert [[edge.name for edge in edges] for edges in passed_on] == [["output 0"], ["output 2"]]
    hub = ledger.nodes[passed_on[0][0].source]
    assert hub.op == "SplitBackward0"
    assert hub.upstream.norm == pytest.approx((6 + third_norm**2) ** 0.5, rel=1e-6)
    assert ledger.of(w).upstream.norm == pytest.approx(float(w.grad.norm()), rel=1e-6)
    assert ledger.of(w).upstream.zeros == 6
    assert second.grad_fn is first.grad_fn


def test_a_hand_written_backward_that_returns_none_sends_nothing() -> None:
    class OnlyFirst(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, a: Any, b: Any) -> Any:
            return a + b

        @staticmethod
        def backward(ctx: Any, *upstream: Any) -> Any:
            return upstream[0], None

    a, b = torch.ones(3, requires_grad=True), torch.ones(3, requires_grad=True)
    with Ledger() as ledger:
        (OnlyFirst.apply(a, b * 2) + a).sum().backward()
    assert b.grad is None
    assert ledger.of(b).upstream is None
    assert ledger.of(b).absence
    assert [edge.norm for edge in ledger.record.arrived(ledger.of(a))] == [3**0.5, 3**0.5]
    assert ledger.of(a).balance == 0


def test_fused_operations_are_labelled_as_such() -> None:
    model = nn.Sequential(nn.Conv1d(4, 4, 1), nn.BatchNorm1d(4), nn.ReLU(), nn.LayerNorm(3))
    with Ledger(model) as ledger:
        y = model(torch.randn(2, 4, 3))
        q = y.unsqueeze(1)
        functional.scaled_dot_product_attention(q, q, q).sum().backward()
    kinds = {node.op: "fused" in node.flags for node in ledger.nodes if node.kind == "op"}
    fused = {op for op, flag in kinds.items() if flag}
    assert {"ConvolutionBackward0", "NativeBatchNormBackward0", "NativeLayerNormBackward0"} <= fused
    assert any("ScaledDotProduct" in op for op in fused)
    assert not kinds["ReluBackward0"] and not kinds["UnsqueezeBackward0"]


# -- parameters --------------------------------------------------------------------------------


def test_a_shared_parameter_keeps_all_its_names_and_is_split_by_use() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.head = nn.Embedding(5, 3), nn.Linear(3, 5, bias=False)
            self.head.weight = self.words.weight

        def forward(self, x: Any) -> Any:
            return self.head(self.words(x))

    model, x = Tied(), torch.arange(4)
    with Ledger(model, level="edges") as ledger:
        functional.cross_entropy(model(x), x).backward()
    node = ledger.of("head.weight")
    assert node is ledger.of("words.weight") is ledger.of(model.words.weight)
    assert node.names == ["words.weight", "head.weight"]
    uses = {ledger.nodes[e.consumer].module: e for e in ledger.record.arrived(node)}
    assert set(uses) == {"words", "head"}
    assert sum(edge.share for edge in uses.values()) == pytest.approx(1, abs=1e-5)
    parts = sum(edge.contribution for edge in uses.values())
    torch.testing.assert_close(parts, model.words.weight.grad)


def test_grad_that_was_not_empty_is_a_finding_with_what_it_was_before_and_after() -> None:
    model, loss = small_step()
    loss().backward()
    before = float(model[0].weight.grad.norm())
    with Ledger(model) as ledger:
        loss().backward()
    (finding,) = [item for item in ledger.findings() if item.kind == "imbalance"]
    largest = ledger.nodes[finding.node]
    held = float(dict(model.named_parameters())[largest.label].grad.norm())
    assert finding.evidence["norm before"] == pytest.approx(held / 2, rel=1e-5)
    assert finding.evidence["norm after"] == pytest.approx(held, rel=1e-5)
    assert finding.evidence["norm of this sweep"] == pytest.approx(held / 2, rel=1e-5)
    assert "zero_grad" in finding.advice
    assert ledger.of("0.weight").upstream.norm == pytest.approx(before, rel=1e-5)
    model.zero_grad()
    for accumulates in (False, True):  # the second time on purpose
        with Ledger(model, accumulates=accumulates) as ledger:
            loss().backward()
        assert not ledger.findings()


def test_accumulation_on_purpose_is_one_sweep_each_and_no_finding() -> None:
    model, loss = small_step()
    with Ledger(model, accumulates=True) as ledger:
        (loss() / 2).backward()
        (loss() / 4).backward()
    first, second = (n for n in ledger.nodes if n.label == "0.weight")
    assert (first.sweep, second.sweep) == (0, 1)
    assert first.upstream.norm == pytest.approx(2 * second.upstream.norm, rel=1e-5)
    assert not ledger.findings()


def test_sparse_gradients_are_measured_as_their_dense_selves() -> None:
    table = nn.Embedding(50, 3, sparse=True)
    x = torch.tensor([1, 1, 7])
    with Ledger(table, level="edges") as ledger:
        (table(x).square().sum() + table(x[:1]).sum()).backward()
    node, grad = ledger.of("weight"), table.weight.grad.to_dense()
    assert table.weight.grad.is_sparse
    assert node.upstream.norm == pytest.approx(float(grad.norm()), rel=1e-6)
    assert node.upstream.zeros == 150 - 6
    assert len(node.arrived) == 2 and node.balance < 1e-6


# -- several sweeps -----------------------------------------------------------------------------


def test_a_sweep_over_a_retained_graph_is_recorded_again() -> None:
    model, loss = small_step()
    with Ledger(model, accumulates=True) as ledger:
        cost = loss()
        cost.backward(retain_graph=True)
        cost.backward()
    first, second = (n for n in ledger.nodes if n.label == "2.weight")
    assert (
        first.upstream.norm
        == second.upstream.norm
        == pytest.approx(float(model[2].weight.grad.norm()) / 2, rel=1e-5)
    )
    with pytest.raises(RuntimeError, match="second time"):
        cost.backward()


def test_two_losses_are_two_sweeps_and_torch_autograd_grad_is_heard() -> None:
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    with Ledger(accumulates=True) as ledger:
        h = w * w
        torch.autograd.backward([h.sum(), (3 * h).sum()])
        (given,) = torch.autograd.grad((w * 5).sum(), w)
    assert given.tolist() == [5, 5]
    together, alone = (n for n in ledger.nodes if n.kind == "parameter")
    assert together.upstream.norm == pytest.approx(float(w.grad.norm()))
    assert alone.upstream.norm == pytest.approx(50**0.5)
    assert [n.kind for n in ledger.nodes].count("loss") == 3


# -- nothing stays behind ------------------------------------------------------------------------


class Failing(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x * 2

    @staticmethod
    def backward(ctx: Any, *upstream: Any) -> Any:
        raise ValueError("in the middle of backward")


def fails_forward(model: Any, x: Any) -> None:
    model(x)
    model(torch.ones(1, 17))


def fails_backward(model: Any, x: Any) -> None:
    (Failing.apply(model(x)) + model(x)).sum().backward()


def fails_neither(model: Any, x: Any) -> None:
    model(x).sum().backward()


@pytest.mark.parametrize("step", [fails_forward, fails_backward, fails_neither])
def test_pytorch_is_left_as_it_was_found(step: Any) -> None:
    model, x = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 1)), torch.ones(2, 3)
    before, ledger = state_of_pytorch(), Ledger(model, level="values")
    try:
        with ledger:
            assert state_of_pytorch() != before
            step(model, x)
    except (RuntimeError, ValueError) as error:
        assert step is not fails_neither, error
    assert state_of_pytorch() == before
    for sweep in ledger._recorder.sweeps:
        for entry in sweep.graph.entries:
            if entry.variable is not None:
                assert not entry.variable._backward_hooks
        assert not sweep._handles
    heard = [dict(sweep.arrived) for sweep in ledger._recorder.sweeps]
    model.zero_grad()
    model(x).sum().backward()  # unheard
    assert [dict(sweep.arrived) for sweep in ledger._recorder.sweeps] == heard
    with Ledger(model) as again:
        model.zero_grad()
        model(x).sum().backward()
    assert again.of("0.weight").upstream.norm == pytest.approx(float(model[0].weight.grad.norm()))


def test_of_a_line_that_cuts_in_a_loop_every_edge_starts_where_its_own_value_left() -> None:
    x = torch.ones(4, requires_grad=True)
    with Ledger() as ledger:
        for _ in range(3):
            x = x.tanh()
            x = x.sin() * x.detach()
        x.sum().backward()
    tanhs = [node.id for node in ledger.nodes if node.op == "TanhBackward0"]
    products = [node.id for node in ledger.nodes if node.op == "MulBackward0"]
    edges = [(edge.source, edge.consumer) for edge in ledger.edges if edge.cut]
    assert edges == list(zip(tanhs, products, strict=True))


def test_a_failed_backward_names_no_unreached_parameter_as_unused() -> None:
    model, x = nn.Linear(3, 1), torch.ones(2, 3)
    with pytest.raises(ValueError, match="middle"), Ledger(model) as ledger:
        Failing.apply(model(x)).sum().backward()
    assert not [item for item in ledger.findings() if item.kind == "unused"]


def test_importing_localgrad_imports_no_pytorch() -> None:
    code = "import sys, localgrad; localgrad.Ledger; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
