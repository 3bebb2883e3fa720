"""Parameter groups, states and refusals of the optimisers; gradient clipping."""

from typing import Any

import numpy as np
import pytest

import localgrad as lg
from localgrad.errors import GraphError, LocalgradError
from localgrad.errors_of_modules import StateError
from localgrad.nn import utils

torch = pytest.importorskip("torch")


def parameter(*values: float) -> Any:
    return lg.nn.Parameter(np.array(values))


def with_gradient(*values: float) -> Any:
    made = parameter(*values)
    made.grad = lg.asarray(np.array(values))
    return made


def test_groups_have_numbers_of_their_own() -> None:
    a, b = with_gradient(1.0), with_gradient(1.0)
    optimiser = lg.optim.SGD([{"params": [a]}, {"params": b, "lr": 0.5}], lr=0.1)
    optimiser.step()
    assert a.tolist() == [0.9]
    assert b.tolist() == [0.5]
    c = with_gradient(1.0)
    optimiser.add_param_group({"params": c, "momentum": 0.9})
    optimiser.param_groups[2]["lr"] = 0.25
    optimiser.step()
    assert c.tolist() == [0.75]


def test_parameters_may_come_with_names() -> None:
    layer = lg.nn.Linear(2, 1)
    optimiser = lg.optim.AdamW(layer.named_parameters())
    assert optimiser.param_groups[0]["params"] == list(layer.parameters())


def test_parameters_without_gradients_stay() -> None:
    a, b = parameter(1.0), with_gradient(1.0)
    optimiser = lg.optim.Adam([a, b], lr=0.1)
    optimiser.step()
    assert a.tolist() == [1.0]
    assert list(optimiser.state) == [b]


def test_step_calls_a_closure_with_recording_on() -> None:
    w = parameter(2.0)
    optimiser = lg.optim.SGD([w], lr=0.25)

    def closure() -> Any:
        optimiser.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    with lg.no_grad():
        assert optimiser.step(closure).item() == 4
    assert w.tolist() == [1.0]


def test_zero_grad() -> None:
    w = with_gradient(1.0)
    optimiser = lg.optim.SGD([w])
    optimiser.zero_grad(set_to_none=False)
    assert w.grad.tolist() == [0.0]
    optimiser.zero_grad()
    assert w.grad is None


def test_a_step_between_forward_and_backward_is_noticed() -> None:
    w = with_gradient(3.0)
    loss = (w * w).sum()
    lg.optim.SGD([w], lr=0.1).step()
    with pytest.raises(GraphError, match=r"SGD.step\(\)"):
        loss.backward()


def refused(message: str, *arguments: Any, **options: Any) -> None:
    with pytest.raises(LocalgradError, match=message):
        lg.optim.SGD(*arguments, **options)


def test_what_cannot_be_trained_is_refused() -> None:
    w = parameter(1.0)
    refused("an iterable of parameters", w)
    refused("an iterable of parameters", [])
    refused("an iterable of parameters", [1.0])
    refused(r"an iterable of parameters.*\n.*model.parameters\(\)", lg.nn.Linear(2, 2))
    refused("can only change leaves", [w * 2])
    refused("more than once", [w, w])
    refused("more than once", [{"params": w}, {"params": w}])
    refused("lr=-1 must be 0 or more", [w], lr=-1)
    refused("nesterov=True needs momentum", [w], nesterov=True)
    with pytest.raises(LocalgradError, match=r"betas=1.0 must be from 0 to below 1"):
        lg.optim.Adam([w], betas=(0.9, 1.0))


def test_a_state_of_other_parameters_is_refused_and_changes_nothing() -> None:
    w = with_gradient(1.0, 2.0)
    optimiser = lg.optim.Adam([w])
    optimiser.step()
    before = optimiser.state[w]["exp_avg"].copy()
    state = optimiser.state_dict()
    with pytest.raises(StateError, match="'state' and 'param_groups'"):
        optimiser.load_state_dict({"state": {}})
    with pytest.raises(StateError, match=r"groups of \[1\]"):
        lg.optim.Adam([parameter(1.0), parameter(1.0)]).load_state_dict(state)
    state["state"][0]["exp_avg"] = np.ones(3)
    with pytest.raises(StateError, match=r"`exp_avg` has shape \(3,\)"):
        optimiser.load_state_dict(state)
    assert np.array_equal(optimiser.state[w]["exp_avg"], before)


def test_a_state_goes_through_a_file(tmp_path: Any) -> None:
    w, again = with_gradient(1.0, 2.0), with_gradient(1.0, 2.0)
    one, two = lg.optim.Adam([w], lr=0.1), lg.optim.Adam([again])
    one.step()
    lg.save(one.state_dict(), tmp_path / "state")
    two.load_state_dict(lg.load(tmp_path / "state"))
    again.value[...] = w.value
    one.step(), two.step()
    assert np.array_equal(w.numpy(), again.numpy())


def test_repr_is_pytorchs_for_what_both_have() -> None:
    ours = repr(lg.optim.SGD([parameter(1.0)], lr=0.1, momentum=0.9)).split("\n")
    theirs = repr(torch.optim.SGD([torch.ones(1)], lr=0.1, momentum=0.9)).split("\n")
    extra = ("foreach", "fused", "differentiable")
    assert ours == [line for line in theirs if line.split(":")[0].strip() not in extra]


@pytest.mark.parametrize("kind", [1.0, 2.0, 3.0, float("inf")])
def test_clipping_the_norm(kind: float) -> None:
    rng = np.random.default_rng(0)
    values = [rng.standard_normal((3, 4)), rng.standard_normal(5)]
    ours, theirs = [], []
    for value in values:
        ours.append(lg.nn.Parameter(np.zeros_like(value)))
        theirs.append(torch.nn.Parameter(torch.zeros(value.shape, dtype=torch.float64)))
        ours[-1].grad, theirs[-1].grad = lg.asarray(value.copy()), torch.tensor(value)
    for limit in (1.0, 1e3):
        total = utils.clip_grad_norm_(ours, limit, kind)
        expected = torch.nn.utils.clip_grad_norm_(theirs, limit, kind)
        assert total.item() == pytest.approx(expected.item())
        for a, b in zip(ours, theirs):
            np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-12)
    norm = torch.nn.utils.get_total_norm([p.grad for p in theirs], kind)
    assert utils.get_total_norm([p.grad for p in ours], kind).item() == pytest.approx(norm.item())


def test_a_norm_that_is_not_finite_is_refused_where_asked() -> None:
    w = with_gradient(1.0, np.nan)
    with pytest.raises(LocalgradError, match="norm is nan"):
        utils.clip_grad_norm_([w], 1.0, error_if_nonfinite=True)
    assert w.grad.tolist()[0] == 1.0
    assert np.isnan(utils.clip_grad_norm_([w], 1.0).item())


def test_clipping_values() -> None:
    w = with_gradient(3.0, -0.5, -2.0)
    utils.clip_grad_value_(w, 1.0)
    assert w.grad.tolist() == [1.0, -0.5, -1.0]


def test_parameters_as_a_vector_and_back() -> None:
    layer = lg.nn.Linear(2, 3)
    vector = utils.parameters_to_vector(layer.parameters())
    (vector * vector).sum().backward()
    np.testing.assert_allclose(layer.weight.grad.numpy(), 2 * layer.weight.numpy(), rtol=1e-6)
    utils.vector_to_parameters(lg.arange(9), layer.parameters())
    assert layer.bias.tolist() == [6, 7, 8]
    with pytest.raises(LocalgradError, match="8 elements"):
        utils.vector_to_parameters(np.arange(8), layer.parameters())
