"""States: what does not fit is refused as a whole; files are whole or absent."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import localgrad as lg
from localgrad.errors_of_modules import StateError

torch = pytest.importorskip("torch")


def network() -> Any:
    lg.manual_seed(0)
    return lg.nn.Sequential(lg.nn.Linear(2, 3), lg.nn.BatchNorm1d(3))


def refused(change: Any, message: str) -> None:
    model = network()
    before = {n: v.numpy().copy() for n, v in model.state_dict().items()}
    state = {n: lg.asarray(v + 1) for n, v in before.items()}
    change(state)
    with pytest.raises(StateError, match=message):
        model.load_state_dict(state)
    for name, value in model.state_dict().items():
        assert np.array_equal(value.numpy(), before[name]), name


def test_missing_extra_and_misshapen_are_refused_and_change_nothing() -> None:
    refused(lambda s: s.pop("0.bias"), "missing: 0.bias")
    refused(lambda s: s.update({"2.weight": lg.ones(1)}), "unexpected: 2.weight")
    refused(lambda s: s.update({"0.bias": lg.ones(4)}), r"0.bias: .* shape \(3,\), .* \(4,\)")

    def renamed(state: Any) -> None:
        state["0.weights"] = state.pop("0.weight")

    refused(renamed, r"missing: 0.weight \(the state has '0.weights': renamed\?\)")
    with pytest.raises(StateError, match="a mapping from names to values"):
        network().load_state_dict("model.safetensors")


def test_what_fits_can_be_loaded_alone() -> None:
    model = network()
    found = model.load_state_dict({"0.bias": np.full(3, 7.0), "other": np.ones(1)}, strict=False)
    assert found.unexpected_keys == ["other"]
    assert "0.weight" in found.missing_keys
    assert model[0].bias.tolist() == [7, 7, 7]
    assert model[0].bias.dtype == np.float32
    with pytest.raises(StateError):  # a shape that does not fit is never passed over
        model.load_state_dict({"0.bias": np.ones(4)}, strict=False)


def test_loading_by_assignment_takes_the_dtype() -> None:
    model = network()
    model.load_state_dict({"0.bias": np.full(3, 7.0)}, strict=False, assign=True)
    assert model[0].bias.dtype == np.float64


def test_loading_between_forward_and_backward_is_noticed() -> None:
    model = network()
    loss = model(lg.ones((4, 2))).sum()
    model.load_state_dict(model.state_dict())
    with pytest.raises(lg.errors.GraphError, match=r"load_state_dict\(\)"):
        loss.backward()


def test_a_state_goes_through_a_file_that_others_read(tmp_path: Path) -> None:
    model, other = network(), network()
    model(lg.ones((4, 2)))
    path = tmp_path / "model.safetensors"
    lg.save(model, path)
    other.load_state_dict(lg.load(path))
    for a, b in zip(model.state_dict().values(), other.state_dict().values()):
        assert np.array_equal(a.numpy(), b.numpy())
    from safetensors.torch import load_file, save_file

    theirs = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    theirs.load_state_dict(load_file(path))
    assert np.array_equal(theirs[0].weight.detach().numpy(), model[0].weight.numpy())
    save_file({n: v + 1 for n, v in theirs.state_dict().items()}, path)
    other.load_state_dict(lg.load(path))
    assert np.array_equal(other[0].weight.numpy(), model[0].weight.numpy() + 1)


def test_any_nest_goes_through_a_file(tmp_path: Path) -> None:
    nest = {
        "epoch": 3, "done": False, "name": "ß", "none": None, "big": 2**100, "loss": math.inf,
        "weights": [lg.asarray([1.0, 2.0]), np.zeros((2, 0)), np.float32(3)],
        "state": {0: {"step": 1, "m": np.ones(()).T}, 1: (1, 2.5)},
        "half": np.ones(3, np.float16), "view": np.arange(6).reshape(2, 3).T,
    }  # fmt: skip
    lg.save(nest, tmp_path / "nest")
    back = lg.load(tmp_path / "nest")
    assert list(back) == list(nest)
    assert back["state"][1] == (1, 2.5)
    assert back["big"] == 2**100
    assert back["loss"] == math.inf
    assert back["weights"][0].dtype == np.float32
    assert back["weights"][1].shape == (2, 0)
    assert np.array_equal(back["view"].numpy(), nest["view"])
    assert back["state"][0]["m"].shape == ()


def test_what_cannot_be_saved_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "state"
    lg.save({"a": lg.ones(2)}, path)
    with pytest.raises(StateError, match="of type function"):
        lg.save({"a": {"f": lambda: 0}}, path)
    assert lg.load(path)["a"].tolist() == [1, 1]
    assert [p.name for p in tmp_path.iterdir()] == ["state"]


@pytest.mark.parametrize("damage", ["truncated", "foreign", "empty", "broken nest"])
def test_a_damaged_file_says_so(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "state"
    lg.save({"a": np.arange(100.0), "n": 1}, path)
    content = path.read_bytes()
    if damage == "broken nest":
        content = content.replace(b"array", b"arrey")
    else:
        content = {"truncated": content[:-50], "foreign": b"PK\x03\x04" * 9, "empty": b""}[damage]
    path.write_bytes(content)
    with pytest.raises(StateError, match="no complete safetensors file"):
        lg.load(path)


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(FileNotFoundError):
        lg.load("nowhere.safetensors")
