"""What a mistake is told: what is wrong, at which line, in which module, and what would do."""

import copy
import re
from collections.abc import Callable
from operator import attrgetter
from pathlib import Path

import numpy as np
import pytest

import localgrad as lg
from localgrad import nn
from localgrad.errors_of_modules import NAMES_ELSEWHERE

NUMPYS_WORDS = ("gufunc", "operands could not", "out of bounds", "array dimensions", "ufunc '")


def f(*shape: int) -> lg.Tensor:
    return lg.asarray(np.ones(shape, np.float32), requires_grad=True)


def put(key: object, value: object) -> None:
    lg.zeros((3, 4))[key] = value


# mistake -> (what the message says, what it advises)
SHAPES: dict[str, tuple[Callable[[], object], str, str]] = {
    "linear": (
        lambda: nn.Linear(64, 10)(f(32, 63)), "takes (…, 64); got (32, 63)", "Linear(63, 10)"
    ),
    "linear of columns": (lambda: nn.Linear(64, 10)(f(64, 32)), "axis 0 that has 64", "x.T"),
    "linear of images": (lambda: nn.Linear(64, 10)(f(2, 1, 8, 8)), "(2, 1, 8, 8)", "nn.Flatten()"),
    "linear of channels": (lambda: nn.Linear(5, 2)(f(2, 5, 3)), "axis 1", "moveaxis(x, 1, -1)"),
    "linear of a number": (lambda: nn.Linear(4, 2)(f()), "got ()", "x.reshape(1, 4)"),
    "linear swapped": (
        lambda: nn.functional.linear(f(3, 4), f(4, 2)), "got (3, 4)", "in_features=4"
    ),
    "linear bias": (lambda: nn.functional.linear(f(3, 4), f(2, 4), f(3)), "bias is (2,)", ""),
    "matmul": (lambda: f(3, 4) @ f(5, 4), "first has 4, the second last of the second 5", "y.mT"),
    "matmul first": (lambda: f(3, 4) @ f(3, 5), "the second 3", "x.mT @ y"),
    "matmul vectors": (lambda: f(3) @ f(4), "the last of the second 4", "lg.outer"),
    "matmul batches": (lambda: f(2, 3, 4) @ f(3, 4, 5), "leading axes", ""),
    "matmul number": (lambda: f(3) @ 2.0, "single number", "*"),
    "add": (lambda: f(3, 4) + f(3), "axis -1 has 4 in the first and 3", "y[:, None]"),
    "add the other way": (lambda: f(3) + f(3, 4), "axis -1 has 3 in the first", "x[:, None]"),
    "multiply images": (lambda: f(8, 3, 4) * f(8), "axis -1", "y[:, None, None]"),
    "multiply matrices": (lambda: f(3, 4) * f(4, 5), "disagree", "x @ y"),
    "add transposed": (lambda: f(3, 4) + f(4, 3), "disagree", "y.T"),
    "add unrelated": (lambda: f(3, 4) + f(5, 4), "axis -2 has 3 in the first", "equal, or one"),
    "where": (lambda: lg.where(f(3) > 0, f(4), f(3)), "has 3 in the first and 4 in the second", ""),
    "concat": (lambda: lg.concat([f(3, 4), f(3, 5)]), "the second is (3, 5)", "axis=1"),
    "concat axis": (lambda: lg.concat([f(3, 4)] * 2, axis=2), "no axis 2", "lg.stack"),
    "concat ranks": (lambda: lg.concat([f(3, 4), f(4)]), "equally many axes", "expand_dims"),
    "concat nothing": (lambda: lg.concat([]), "nothing to join", ""),
    "stack": (lambda: lg.stack([f(3, 4), f(3, 5)]), "one shape", "lg.concat(…, axis=1)"),
    "stack axis": (lambda: lg.stack([f(3), f(3)], axis=2), "the result has 2 axes", ""),
    "einsum": (lambda: lg.einsum("ij,jk->ik", f(3, 4), f(3, 4)), "`j` is 4 long in the first", ""),
    "einsum rank": (lambda: lg.einsum("ijk->i", f(3, 4)), "`ijk` names 3 axes", ""),
    "einsum output": (lambda: lg.einsum("ij->iz", f(3, 4)), "`z`, which no operand has", ""),
    "einsum letters": (lambda: lg.einsum("i!->i", f(3, 4)), "'!'", ""),
    "einsum terms": (lambda: lg.einsum("ij,jk->ik", f(3, 4)), "2 terms", ""),
    "tensordot": (lambda: lg.tensordot(f(3, 4), f(3, 4), axes=1), "axis 1 of the first has 4", ""),
    "reshape": (lambda: f(32, 10).reshape(8, 50), "320 elements", "reshape(8, 40)"),
    "reshape rest": (lambda: f(32, 10).reshape(-1, 7), "no multiple of 7", "reshape(-1, 8)"),
    "reshape rests": (lambda: f(4).reshape(-1, -1), "once", ""),
    "reshape below": (lambda: f(32, 10).reshape(-2, 160), "0 or more", ""),
    "broadcast_to": (lambda: lg.broadcast_to(f(3), (3, 5)), "stretches to 5", "y[:, None]"),
    "permute": (lambda: lg.permute_dims(f(3, 4), (0, 0)), "stands in it once", "(1, 0)"),
    "squeeze": (lambda: lg.squeeze(f(1, 4), axis=1), "not of size 1", "[0]"),
    "split": (lambda: lg.split(f(10), 3), "no multiple of 3", "[4, 8]"),
    "topk": (lambda: lg.topk(f(3), 5), "3 elements along axis 0", "lg.sort"),
    "diagonal": (lambda: lg.linalg.diagonal(f(3)), "takes matrices", ""),
    "inv": (lambda: lg.linalg.inv(f(3, 4)), "square", ""),
    "index": (lambda: f(3, 4)[1, 7], "no element 7: axis 1 of (3, 4) has 4", "0 to 3"),
    "indices": (lambda: f(3, 4)[np.array([0, -9])], "no element -9", ""),
    "too many": (lambda: f(3, 4)[1, 2, 3], "3 indices are given for the 2 axes", ""),
    "index of a float": (lambda: f(3, 4)[1.0], "not 1.0", "Write 1"),
    "index of floats": (lambda: f(3, 4)[f(2)], "not float32", "astype('int64')"),
    "mask": (lambda: f(3, 4)[np.array([True, False])], "mask is (2,)", ""),
    "pairs": (
        lambda: f(3, 4)[np.array([0, 1]), np.array([0, 1, 2])], "(2,), (3,)", "rows[:, None]"
    ),
    "take": (lambda: lg.take(f(3), lg.asarray([3]), axis=0), "no element 3", ""),
    "assignment": (lambda: put(0, lg.zeros(5)), "(5,) does not broadcast", ""),
    "assignment outside": (lambda: put(7, 1.0), "no element 7", ""),
    "no number": (lambda: f(3) + None, "second argument is no array of numbers, but None", ""),
    "bits of floats": (lambda: f(3) & f(3), "not of floats", "logical_and"),
    "ragged": (lambda: lg.asarray([[1, 2], [3]]), "rows of different lengths, 2, 1", "Pad"),
    "text": (lambda: lg.asarray("abc"), "'abc' is no array", ""),
    "size": (lambda: lg.zeros((-1, 3)), "none below 0; got (-1, 3)", ""),
    "dtype": (lambda: f(3).astype("flot32"), "no dtype", "float32"),
    "option": (lambda: lg.sum(f(3), dim=0), "`sum` has no option `dim`", "axis=…"),
    "misspelt option": (lambda: f(3).sum(dims=0), "has no option `dims`", "axis=…"),
    "no options": (lambda: lg.exp(f(3), axis=0), "`exp` has no option `axis`", "none"),
    "no alpha": (lambda: lg.add(f(3), f(3), alpha=2), "`add` has no option `alpha`", "none"),
    "too few": (lambda: lg.where(f(3) > 0, f(3)), "(condition, a, b), and got 2", ""),
    "too many arguments": (lambda: lg.relu(f(3), 1), "takes (x), and got 2", ""),
    "choice": (lambda: lg.gelu(f(3), approximate="tan"), "none of none, tanh", "'tanh'"),
    "convolution": (
        lambda: nn.Conv2d(1, 2, 3)(f(2, 8, 8, 1)), "the input has 8 channels", "permute(0, 3, 1, 2)"
    ),
    "kernel": (lambda: nn.Conv2d(1, 2, 3)(f(2, 1, 2, 2)), "does not fit into", "wider padding"),
    "batch norm": (lambda: nn.BatchNorm2d(3)(f(2, 4, 5, 5)), "has 4", "BatchNorm2d(4)"),
    "layer norm": (lambda: nn.LayerNorm(5)(f(2, 4)), "last axes of (5,)", "(4,)"),
    "lstm": (lambda: nn.LSTM(5, 3)(f(2, 2, 4)), "got (2, 2, 4)", "LSTM(input_size=4"),
    "heads": (lambda: nn.MultiheadAttention(10, 3), "10 cannot be shared evenly", "2 or 5 heads"),
    "scores": (lambda: nn.BCELoss()(f(4) * 5, lg.zeros(4)), "from 5 to 5", "with_logits"),
    "glu": (lambda: lg.glu(f(2, 3)), "axis 1 has 3 elements", ""),
    "rate": (lambda: lg.optim.SGD([f(3)], lr="0.1"), "lr='0.1' must be 0 or more", ""),
    "device": (lambda: f(3).to("cuda:0"), "no device 'cuda:0'", "Leave the call out"),
    "folder": (lambda: lg.save({}, "no/such/file"), "no folder no/such", ""),
    "length": (lambda: len(f()), "no length", "x.item()"),
    "list index": (lambda: [1, 2][lg.asarray(1.5)], "no whole number", "int(x)"),
}

AXES: dict[str, Callable[[], object]] = {
    "sum": lambda: f(3, 4).sum(axis=2),
    "max": lambda: lg.max(f(3, 4), axis=2),
    "argmax": lambda: lg.argmax(f(3, 4), axis=2),
    "softmax": lambda: nn.functional.softmax(f(3, 4), dim=2),
    "cumulative_sum": lambda: lg.cumulative_sum(f(3, 4), axis=2),
    "cumulative_prod": lambda: lg.cumulative_prod(f(3, 4), axis=2),
    "cumulative_max": lambda: lg.cumulative_max(f(3, 4), axis=2),
    "sort": lambda: lg.sort(f(3, 4), axis=2),
    "argsort": lambda: lg.argsort(f(3, 4), axis=2),
    "topk": lambda: lg.topk(f(3, 4), 1, axis=2),
    "quantile": lambda: lg.quantile(f(3, 4), 0.5, axis=2),
    "diff": lambda: lg.diff(f(3, 4), axis=2),
    "permute_dims": lambda: lg.permute_dims(f(3, 4), (0, 2)),
    "swapaxes": lambda: f(3, 4).transpose(0, 2),
    "moveaxis": lambda: lg.moveaxis(f(3, 4), 0, 2),
    "squeeze": lambda: lg.squeeze(f(3, 4), axis=2),
    "flatten": lambda: f(3, 4).flatten(2),
    "flip": lambda: lg.flip(f(3, 4), axis=2),
    "roll": lambda: lg.roll(f(3, 4), 1, axis=2),
    "repeat": lambda: lg.repeat(f(3, 4), 2, axis=2),
    "split": lambda: lg.split(f(3, 4), 2, axis=2),
    "unstack": lambda: lg.unstack(f(3, 4), axis=2),
    "take": lambda: lg.take(f(3, 4), lg.asarray([0]), axis=2),
    "take_along_axis": lambda: lg.take_along_axis(f(3, 4), lg.asarray([[0]]), axis=2),
    "scatter_add": lambda: lg.scatter_add(f(3, 4), lg.asarray([[0]]), f(3, 1), axis=2),
    "tensordot": lambda: lg.tensordot(f(3, 4), f(3, 4), axes=([2], [0])),
    "fft": lambda: lg.fft.fft(f(3, 4), axis=2),
    "rfft": lambda: lg.fft.rfft(f(3, 4), axis=2),
}


@pytest.mark.parametrize(
    ("call", "instead"),
    [
        (lambda: lg.zeros(3, 4), "Write lg.zeros((3, 4))."),
        (lambda: lg.ones(2, np.int64(3), dtype="float32"), "Write lg.ones((2, 3))."),
        (lambda: lg.empty((3, 4), np.float32), "Write lg.empty((3, 4), dtype=…)."),
        (lambda: lg.sum(f(3, 4), dim=0), "Write axis=…"),
        (lambda: lg.max(f(3, 4), axis=0, keepdim=True), "Write keepdims=…"),
        (lambda: lg.std(f(3, 4), ddof=1), "Write correction=…"),
        (lambda: lg.cat([f(2), f(2)]), "Here it is lg.concat."),
        (lambda: lg.randn(3, 4), "lg.asarray(numpy.random.default_rng(seed).standard_normal"),
        (lambda: lg.softpuls(f(3)), "Did you mean lg.softplus?"),
    ],
)
def test_what_numpy_and_pytorch_spell_otherwise_is_told(
    call: Callable[[], object], instead: str
) -> None:
    with pytest.raises(lg.LocalgradError) as caught:
        call()
    assert instead in str(caught.value)
    assert re.search(rf"at {Path(__file__).name}:\d+", str(caught.value))


def test_the_names_that_are_proposed_are_there() -> None:
    for elsewhere, proposed in NAMES_ELSEWHERE.items():
        assert not hasattr(lg, elsewhere)
        for name in re.findall(r"\blg\.([a-z_0-9.]*[a-z0-9])", f"lg.{proposed}"):
            assert callable(attrgetter(name)(lg))


@pytest.mark.parametrize("mistake", SHAPES)
def test_a_mistake_says_what_where_and_what_would_do(mistake: str) -> None:
    call, what, mend = SHAPES[mistake]
    with pytest.raises(lg.errors.LocalgradError) as caught:
        call()
    message = str(caught.value)
    reason, _, advice = message.partition("\n")
    assert what in reason
    assert mend in (advice or reason)
    assert re.search(rf"at {Path(__file__).name}:\d+", message)
    assert not any(word in message for word in NUMPYS_WORDS)


@pytest.mark.parametrize("name", AXES)
def test_an_axis_that_is_not_there_is_named_with_those_that_are(name: str) -> None:
    with pytest.raises(lg.ShapeError) as caught:
        AXES[name]()
    message = str(caught.value)
    assert f"`{name}` cannot take" in message and f"{Path(__file__).name}:" in message
    assert "there is no axis 2: a tensor of shape (3, 4) has 2, 0 to 1" in message


def test_the_module_that_was_being_called_is_named() -> None:
    net = nn.Sequential(nn.Linear(8, 4), nn.Sequential(nn.ReLU(), nn.Linear(5, 2)))
    with pytest.raises(lg.ShapeError, match=rf"at {Path(__file__).name}:\d+ in `1\.1`"):
        net(f(3, 8))


def test_a_gradient_that_is_not_declared_names_its_argument() -> None:
    a, x = (lg.asarray([0.5, 2.0], requires_grad=True) for _ in "ax")
    y = lg.special.gammainc(a, x)
    with pytest.raises(lg.GraphError, match="`gammainc` declares no .* `a`, at test_error_mess"):
        lg.gradients(y.sum(), (a, x))
    assert lg.gradients(y.sum(), x).shape == x.shape


def test_reshapes_that_are_proposed_hold_all_elements() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        shape = tuple(int(n) for n in rng.integers(1, 12, rng.integers(1, 4)))
        wanted = [int(n) for n in rng.integers(1, 12, rng.integers(1, 4))]
        if rng.random() < 0.5:
            wanted[int(rng.integers(len(wanted)))] = -1
        x = lg.zeros(shape)
        try:
            x.reshape(wanted)
        except lg.ShapeError as error:
            for proposal in re.findall(r"reshape\(([^)]*)\)", str(error).partition("\n")[2]):
                x.reshape([int(n) for n in proposal.split(",") if n.strip()])


def test_an_operation_of_ones_own_may_have_a_name_of_ours() -> None:
    mine = lg.custom("reshape", lambda x: np.reshape(x, (7, 7)), lambda g: g)
    with pytest.raises(lg.ShapeError, match="`reshape` cannot take"):
        mine(f(3))


def test_an_assignment_that_fails_changes_nothing() -> None:
    w = f(3)
    x = lg.zeros(3)
    y = (w * x).sum()
    with pytest.raises(lg.ShapeError):
        x[:] = lg.zeros(5)
    y.backward()  # x, which it kept, was not changed
    assert w.grad.tolist() == [0.0, 0.0, 0.0]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    lg.save({"w": f(2)}, tmp_path / "model.safetensors")
    with pytest.raises(FileNotFoundError) as caught:
        lg.load(tmp_path / "modle.safetensors")
    assert isinstance(caught.value, lg.errors.LocalgradError)
    message = str(caught.value)
    assert f"{Path(__file__).name}:" in message and "Did you mean" in message
    assert "model.safetensors" in message
    with pytest.raises(lg.errors.LocalgradError, match="no folder"):
        lg.load(tmp_path / "nowhere" / "model.safetensors")


def test_a_data_folder_that_is_not_there() -> None:
    with pytest.raises(lg.errors.LocalgradError, match=rf"at {Path(__file__).name}:\d+"):
        lg.data.mnist("nowhere")


def test_a_misshapen_entry_is_told_what_would_fit() -> None:
    layer = nn.Linear(3, 2)
    before = layer.weight.numpy().copy()
    state = layer.state_dict() | {"weight": lg.zeros((3, 2))}
    with pytest.raises(lg.errors.LocalgradError, match=r"state\['weight'\]\.T") as caught:
        layer.load_state_dict(state)
    assert "nothing was loaded" in str(caught.value)
    assert layer.weight.numpy().tolist() == before.tolist()
    with pytest.raises(lg.errors.LocalgradError, match=r"reshape\(2, 3\)"):
        layer.load_state_dict(state | {"weight": lg.zeros((6,))})
    with pytest.raises(lg.errors.LocalgradError, match=r"state\.pop\('weight'\)"):
        layer.load_state_dict(state | {"weight": lg.zeros((5, 5))})
    state.pop("weight")
    layer.load_state_dict(state, strict=False)


WEIGHT = [nn.Parameter(np.ones(2, "f4"))]


@pytest.mark.parametrize(
    "call, says, advises",
    [
        (lambda: lg.optim.Adam(WEIGHT, learning_rate=0.1), "'learning_rate'", "Write lr=…"),
        (lambda: lg.optim.SGD(WEIGHT, momentun=0.9), "'momentun'", "Write momentum=…"),
        (lambda: nn.Linear(3, 4, biass=False), "'biass'", "Linear(in_features, out_features, bias"),
        (lambda: nn.Linear(3), "'out_features'", "Linear(in_features, out_features, bias=True"),
        (lambda: nn.Conv2d(3, 4), "Conv2d: missing", "out_channels, kernel_size, stride=1"),
        (lambda: nn.ReLU(True, 3), "too many", "ReLU(inplace=False)"),
        (lambda: lg.data.DataLoader([1, 2], batchsize=2), "'batchsize'", "Write batch_size=…"),
        (lambda: lg.data.DataLoader(3), "3 has none", "TensorDataset(x, y)"),
    ],
)
def test_arguments_that_a_class_does_not_take(
    call: Callable[[], object], says: str, advises: str
) -> None:
    with pytest.raises(lg.errors.LocalgradError) as caught:
        call()
    message = str(caught.value)
    assert says in message and advises in message
    assert f"{Path(__file__).name}:" in message


def test_a_users_class_is_told_of_its_own_arguments() -> None:
    class Net(nn.Module):
        def __init__(self, width: int, *, depth: int = 2) -> None:
            super().__init__()
            self.layer = nn.Linear(width, depth)

    with pytest.raises(TypeError, match=r"Write depth=…(.|\n)*Net\(width, depth=2\)"):
        Net(3, dept=4)
    assert Net(3, depth=4).layer.out_features == 4
    assert copy.copy(Net(3)).layer.in_features == 3
