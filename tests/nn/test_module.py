"""Modules: what they find, how they are called, what they say."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import localgrad as lg
from localgrad.errors import LocalgradError

torch = pytest.importorskip("torch")


def network(nn: Any) -> Any:
    class Block(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(nn.Linear(3, 3).weight)
            self.norm = nn.BatchNorm1d(3)
            self.inner = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 3))

        def forward(self, x: Any) -> Any:
            return x + self.inner(self.norm(x @ self.weight))

    class Network(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.blocks = nn.ModuleList(Block() for _ in range(2))
            self.heads = nn.ModuleDict({"a": nn.Linear(3, 2), "b": nn.Linear(3, 1, bias=False)})
            self.shared = self.heads["a"]

        def forward(self, x: Any) -> Any:
            for block in self.blocks:
                x = block(x)
            return self.heads["a"](x), self.heads["b"](x)

    return Network()


def test_names_and_order_are_pytorchs() -> None:
    ours, theirs = network(lg.nn), network(torch.nn)
    for listing in ("named_parameters", "named_buffers", "named_modules", "named_children"):
        mine = [name for name, _ in getattr(ours, listing)()]
        assert mine == [name for name, _ in getattr(theirs, listing)()], listing
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert len(list(ours.parameters())) == len(list(theirs.parameters()))
    assert repr(ours) == repr(theirs)


def test_members_are_reached_by_path() -> None:
    model = network(lg.nn)
    assert model.get_submodule("blocks.1.inner.0") is model.blocks[1].inner[0]
    assert model.get_parameter("heads.b.weight") is model.heads["b"].weight
    with pytest.raises(LocalgradError, match="no module at the path 'blocks.7'"):
        model.get_submodule("blocks.7")


def test_a_node_knows_the_module_that_made_it() -> None:
    model = network(lg.nn)
    a, _ = model(lg.ones((4, 3)))
    assert a.node.module == "heads.a"
    seen = {n.module for n in walk(a.node)}
    assert {"blocks.0.inner.0", "blocks.1.norm", "blocks.0"} <= seen


def walk(node: Any) -> list[Any]:
    found, stack = [], [node]
    while stack:
        node = stack.pop()
        found.append(node)
        stack += [s for s in node.inputs if s is not None]
    return found


def test_the_scope_is_restored_after_an_error() -> None:
    from localgrad.graph.record import state

    class Broken(lg.nn.Module):
        def forward(self, x: Any) -> Any:
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        lg.nn.Sequential(Broken())(1)
    assert state.scope is None


def test_train_and_eval_reach_every_module() -> None:
    model = network(lg.nn)
    assert not any(m.training for m in model.eval().modules())
    assert all(m.training for m in model.train().modules())


def test_conversion_changes_floats_and_leaves_counts() -> None:
    model = network(lg.nn).double()
    assert {p.dtype for p in model.parameters()} == {np.dtype("float64")}
    assert model.blocks[0].norm.num_batches_tracked.dtype == np.int64
    assert model.to("cpu", lg.float32).heads["a"].weight.dtype == np.float32
    assert model.half().heads["a"].weight.dtype == np.float16
    with pytest.raises(LocalgradError, match="the one device is 'cpu'"):
        model.to("cuda")


def test_freezing_and_zeroing() -> None:
    model = network(lg.nn)
    model.blocks[0].requires_grad_(False)
    sum(part.sum() for part in model(lg.ones((4, 3)))).backward()
    assert all(p.grad is None for p in model.blocks[0].parameters())
    assert model.heads["a"].weight.grad is not None
    model.zero_grad(set_to_none=False)
    assert not model.heads["a"].weight.grad.numpy().any()
    model.zero_grad()
    assert model.heads["a"].weight.grad is None


def test_apply_visits_children_first() -> None:
    order = []
    lg.nn.Sequential(lg.nn.Linear(1, 1), lg.nn.Tanh()).apply(lambda m: order.append(type(m)))
    assert order == [lg.nn.Linear, lg.nn.Tanh, lg.nn.Sequential]


@pytest.mark.parametrize("again", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_copy_is_equal_and_apart(again: Any) -> None:
    model = lg.nn.Sequential(lg.nn.Linear(2, 3), lg.nn.BatchNorm1d(3))
    other = again(model)
    for a, b in zip(model.state_dict().values(), other.state_dict().values()):
        assert np.array_equal(a.numpy(), b.numpy())
    other[0].weight.value[...] = 0
    assert model[0].weight.numpy().any()
    other(lg.ones((4, 2))).sum().backward()
    assert other[0].weight.grad is not None
    assert model[0].weight.grad is None


def test_sequential_and_lists_behave_as_lists() -> None:
    layers = [lg.nn.Linear(2, 2) for _ in range(4)]
    net = lg.nn.Sequential(*layers)
    assert net[-1] is layers[3]
    assert list(net[1:3]) == layers[1:3]
    assert isinstance(net[1:3], lg.nn.Sequential)
    del net[1]
    assert list(net) == [layers[0], *layers[2:]]
    assert list(net.state_dict())[2] == "1.weight"
    net.insert(0, layers[1])
    assert list(net) == [layers[1], layers[0], *layers[2:]]
    chain = lg.nn.ModuleList(layers[:2])
    chain += layers[2:]
    assert len(chain) == 4
    with pytest.raises(IndexError, match="ModuleList has 4 modules"):
        chain[4]


def test_dicts_of_modules_and_parameters() -> None:
    modules = lg.nn.ModuleDict([("one", lg.nn.ReLU())])
    modules["two"] = lg.nn.Tanh()
    assert list(modules) == ["one", "two"]
    assert "one" in modules
    assert isinstance(modules.pop("one"), lg.nn.ReLU)
    with pytest.raises(LocalgradError, match="Did you mean 'two'"):
        modules["tow"]
    with pytest.raises(LocalgradError, match="has a method called 'keys'"):
        modules["keys"] = lg.nn.Tanh()
    values = lg.nn.ParameterDict({"a": lg.ones(2)})
    assert [n for n, _ in values.named_parameters()] == ["a"]
    listed = lg.nn.ParameterList([lg.ones(2), lg.ones(3)])
    assert [n for n, _ in listed.named_parameters()] == ["0", "1"]


def test_attributes_teach() -> None:
    class Early(lg.nn.Module):
        def __init__(self) -> None:
            self.layer = lg.nn.Linear(1, 1)

    with pytest.raises(LocalgradError, match=r"super\(\).__init__\(\)"):
        Early()
    layer = lg.nn.Linear(2, 1)
    with pytest.raises(LocalgradError, match="is a parameter, and ndarray"):
        layer.weight = np.ones(2)
    with pytest.raises(AttributeError, match="Did you mean 'weight'"):
        layer.wieght  # noqa: B018
    with pytest.raises(LocalgradError, match="has no `forward`"):
        lg.nn.Module()(1)


def test_buffers_that_pass_are_not_saved() -> None:
    module = lg.nn.Module()
    module.register_buffer("kept", lg.ones(2))
    module.register_buffer("passing", lg.ones(2), persistent=False)
    assert list(module.state_dict()) == ["kept"]
    assert [n for n, _ in module.named_buffers()] == ["kept", "passing"]


def test_what_is_left_out_is_empty() -> None:
    assert lg.nn.Parameter().shape == tuple(torch.nn.Parameter().shape) == (0,)
    assert len(lg.nn.ParameterList()) == len(torch.nn.ParameterList()) == 0


def test_a_module_in_two_places_is_listed_once_unless_asked_for_twice() -> None:
    layer = lg.nn.Linear(2, 2)
    model = lg.nn.Sequential(layer, layer)
    assert list(model.modules()) == [model, layer]
    assert list(model.modules(remove_duplicate=False)) == [model, layer, layer]


def test_gradients_that_are_none_of_the_function_are_refused() -> None:
    table, index = lg.ones((3, 2)), lg.asarray([0, 1])
    for options in ({"sparse": True}, {"scale_grad_by_freq": True}):
        for call in (
            lambda o=options: lg.nn.functional.embedding(index, table, **o),
            lambda o=options: lg.nn.Embedding(3, 2, **o),
            lambda o=options: lg.nn.Embedding.from_pretrained(table, **o),
        ):
            with pytest.raises(LocalgradError, match="no counterpart here"):
                call()


def test_a_norm_of_all_gradients_that_is_no_number_is_refused_where_asked() -> None:
    assert float(lg.nn.utils.get_total_norm(lg.asarray([3.0, 4.0]))) == 5.0
    with pytest.raises(LocalgradError):
        lg.nn.utils.get_total_norm([lg.asarray([np.nan])], error_if_nonfinite=True)
