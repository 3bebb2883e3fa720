"""What a ledger at level "norms" does not measure itself, it still tells right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from localgrad.torch import Ledger, sweep  # noqa: E402
from localgrad.torch.joins import Held  # noqa: E402

nn = torch.nn

SLICES: dict[str, Callable[[Any], Any]] = {
    "time steps": lambda x: sum((t + 1) * torch.tanh(x[:, t]).sum() for t in range(5)),
    "from the end": lambda x: x[:, -1].square().sum() + x[:, -3].exp().sum(),
    "one twice": lambda x: x[:, 1].square().sum() + x[:, 1].exp().sum() + x[:, 2].sum(),
    "two axes": lambda x: x[0].square().sum() + x[:, 1].exp().sum(),
    "beside the whole": lambda x: x[:, 0].exp().sum() + x.square().sum(),
    "alone": lambda x: x[2].exp().sum(),
    "of one dtype, summed in another": lambda x: x.double()[0].exp().sum() + x[1].sum(),
}


def recorded(use: Callable[[Any], Any], level: str, change: Any = None) -> Any:
    torch.manual_seed(0)
    w = torch.randn(4, 5, 3, requires_grad=True)
    with Ledger(level=level) as ledger:
        x = torch.tanh(w)
        if change is not None:
            x.register_hook(change)
        use(x).backward()
    return ledger.of(x), ledger.record.arrived(ledger.of(x))


@pytest.mark.parametrize("change", [None, lambda g: 2 * g], ids=["plain", "hook"])
@pytest.mark.parametrize("name", SLICES)
def test_slices_have_the_numbers_of_the_tensors_that_pytorch_sends(name: str, change: Any) -> None:
    node, edges = recorded(SLICES[name], "norms", change)
    other, kept = recorded(SLICES[name], "edges", change)
    assert len(edges) == len(kept) > 0
    for edge, whole in zip(edges, kept):
        assert (edge.consumer, edge.argument, edge.size) == (
            whole.consumer,
            whole.argument,
            whole.size,
        )
        assert edge.norm == pytest.approx(whole.norm, rel=1e-5)
        assert edge.share == pytest.approx(whole.share, rel=1e-5)
        assert edge.cosine == pytest.approx(whole.cosine, rel=1e-5)
    assert node.upstream.norm == pytest.approx(other.upstream.norm, rel=1e-5)
    assert node.balance == pytest.approx(other.balance, rel=1e-4, abs=1e-6)
    if change is not None and len(edges) > 1:
        assert node.balance > 0.1


def test_of_a_loop_over_time_steps_nothing_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[Any] = []

    def noted(*given: Any) -> Any:
        if given[2].ndim:  # not the seed
            held.append(given[2].shape)
        return Held(*given)

    monkeypatch.setattr(sweep, "Held", noted)
    recorded(SLICES["time steps"], "norms")
    assert held == []
    recorded(SLICES["one twice"], "norms")
    assert held == [(4, 5, 3)] * 3


def test_the_sum_of_slices_that_never_ran_a_backward_is_known() -> None:
    """An input that a gradient was asked for, and one that an error kept from its turn."""
    w = torch.randn(4, 5, 3, requires_grad=True)
    with Ledger() as ledger:
        x = torch.tanh(w)
        (found,) = torch.autograd.grad(x[:, 0].exp().sum() + x[:, 2].square().sum(), x)
    (node,) = [n for n in ledger.nodes if n.op == "TanhBackward0"]
    assert node.upstream.norm == pytest.approx(float(found.norm()))
    assert (node.upstream.size, node.upstream.zeros) == (60, 36)
    assert [e.share for e in ledger.record.arrived(node)] == [
        pytest.approx(float((found[:, i].norm() / found.norm()) ** 2)) for i in (2, 0)
    ]


@pytest.mark.parametrize("level", ["norms", "edges", "values"])
def test_an_optimiser_inside_of_backward_hides_no_gradient(level: str) -> None:
    def norms(after: Any) -> list[Any]:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
        for parameter in model.parameters() if after else ():
            parameter.register_post_accumulate_grad_hook(after)
        with Ledger(model, level) as ledger:
            model(torch.ones(5, 3)).square().sum().backward()
        return [(n.label, n.upstream.norm) for n in ledger.record.parameters()]

    def step(parameter: Any) -> None:
        with torch.no_grad():
            parameter -= 0.1 * parameter.grad
        parameter.grad = None

    plain = norms(None)
    assert len(plain) == 4
    assert norms(step) == plain


def test_a_gradient_asked_for_without_grad_is_measured_too() -> None:
    w = torch.ones(3, 4, requires_grad=True)
    with Ledger() as ledger:
        (found,) = torch.autograd.grad((w.T.reshape(-1) ** 2).sum(), w)
    assert w.grad is None
    assert ledger.of(w).upstream.norm == pytest.approx(float(found.norm()))


@pytest.mark.parametrize("level", ["norms", "values"])
def test_nodes_that_only_rearrange_have_the_numbers_of_their_argument(level: str) -> None:
    w = torch.randn(3, 4, requires_grad=True)
    with Ledger(level=level) as ledger:
        x = torch.exp(w)
        y = x.T.unsqueeze(0).reshape(2, 6)
        (y**2).sum().backward()
    views = [n for n in ledger.nodes if n.op in ("TBackward0", "UnsqueezeBackward0")]
    views += [n for n in ledger.nodes if n.op == "PermuteBackward0"]
    assert len(views) >= 2
    true = float((2 * torch.exp(w)).norm().detach())
    for node in [*views, ledger.of(x)]:
        assert node.upstream.norm == pytest.approx(true)
        assert [e.norm for e in ledger.record.arrived(node)] == [pytest.approx(true)]
    for edge in ledger.edges:
        if edge.consumer in [n.id for n in views]:
            assert edge.gain == pytest.approx(1)


def test_the_node_that_failed_is_not_one_that_only_rearranges() -> None:
    w = torch.ones(6, requires_grad=True)
    with Ledger() as ledger, pytest.raises(RuntimeError, match="modified by an inplace"):
        y = torch.exp(w)
        z = y.reshape(2, 3).T
        loss = (z * 2).sum()
        with torch.no_grad():
            y += 1
        loss.backward()
    assert [mutation.retained_by for mutation in ledger.record.mutations] == ["exp"]


@pytest.mark.parametrize("op", ["exp", "tanh"])
def test_the_node_that_failed_is_found_with_and_without_a_hook(op: str) -> None:
    w = torch.ones(6, requires_grad=True)
    with Ledger() as ledger, pytest.raises(RuntimeError, match="modified by an inplace"):
        kept = {"tanh": torch.tanh(w)}
        kept["exp"] = torch.exp(kept["tanh"])
        loss = kept["exp"].sum()
        with torch.no_grad():
            kept[op] += 1
        loss.backward()
    assert [mutation.retained_by for mutation in ledger.record.mutations] == [op]
    assert ledger.of(w).absence == "the sweep failed before it came here"


def test_in_a_chain_every_other_node_has_a_hook_and_all_have_their_sums(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hung: list[int] = []
    close = sweep.Sweep.close

    def counted(self: Any) -> None:
        hung.append(len(self._handles))
        close(self)

    def norms(level: str) -> list[Any]:
        w = torch.arange(6.0, requires_grad=True)
        with Ledger(level=level) as ledger:
            x = w
            for _ in range(10):
                x = torch.sin(x)
            x.sum().backward()
        return [(node.op, node.upstream.norm, node.upstream.zeros) for node in ledger.nodes]

    monkeypatch.setattr(sweep.Sweep, "close", counted)
    assert norms("norms") == norms("values")
    assert hung == [6, 11]


def test_a_view_that_was_not_measured_has_the_value_of_its_source() -> None:
    w = torch.randn(3, 4, requires_grad=True)
    with Ledger() as ledger:
        x = torch.exp(w)
        (x.T.unsqueeze(0).reshape(2, 6) ** 2).sum().backward()
        (w.T[0] ** 2).sum().backward()
    value = ledger.of(x).value.norm
    assert value == pytest.approx(float(torch.exp(w).norm().detach()))
    rearranged = [n for n in ledger.nodes if n.sweep == 0 and "view" in n.flags]
    assert len(rearranged) >= 2
    assert {n.value.norm for n in rearranged} == {value}
    (part,) = [n for n in ledger.nodes if n.op == "SelectBackward0"]
    assert part.value is None and part.shape == [3]
