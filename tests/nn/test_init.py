"""Initial values: their distributions, their gains, PyTorch's bounds."""

import math

import numpy as np
import pytest

import localgrad as lg
from localgrad.errors import LocalgradError

torch = pytest.importorskip("torch")

init = lg.nn.init


def empty(*shape: int) -> lg.Tensor:
    lg.manual_seed(0)
    return lg.nn.Parameter(np.zeros(shape))


@pytest.mark.parametrize("name", ["xavier", "kaiming"])
@pytest.mark.parametrize("kind", ["uniform", "normal"])
def test_spread_is_pytorchs(name: str, kind: str) -> None:
    options = {"nonlinearity": "relu"} if name == "kaiming" else {"gain": 2.0}
    ours = getattr(init, f"{name}_{kind}_")(empty(200, 30, 3, 3), **options).numpy()
    torch.manual_seed(0)
    theirs = getattr(torch.nn.init, f"{name}_{kind}_")(torch.zeros(200, 30, 3, 3), **options)
    assert abs(ours.mean()) < 0.002
    assert ours.std() == pytest.approx(theirs.std().item(), rel=0.01)
    if kind == "uniform":
        assert np.abs(ours).max() == pytest.approx(theirs.abs().max().item(), rel=0.001)


@pytest.mark.parametrize(
    "name", ["linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu", "conv2d"]
)
def test_gains(name: str) -> None:
    assert init.calculate_gain(name) == pytest.approx(torch.nn.init.calculate_gain(name))
    assert init.calculate_gain("leaky_relu", 0.3) == torch.nn.init.calculate_gain("leaky_relu", 0.3)


def test_unknown_words_and_vectors_are_refused() -> None:
    with pytest.raises(LocalgradError, match="Did you mean 'relu'"):
        init.calculate_gain("relo")
    with pytest.raises(LocalgradError, match="fan_in, fan_out"):
        init.kaiming_normal_(empty(2, 3), mode="fan")
    with pytest.raises(LocalgradError, match="two axes or more"):
        init.xavier_normal_(empty(3))


def test_constants() -> None:
    assert init.ones_(empty(2)).tolist() == [1, 1]
    assert init.zeros_(init.ones_(empty(2))).tolist() == [0, 0]
    assert init.constant_(empty(2), 0.5).tolist() == [0.5, 0.5]
    assert init.eye_(empty(2, 3)).tolist() == [[1, 0, 0], [0, 1, 0]]


def test_dirac_hands_channels_through() -> None:
    weight = init.dirac_(empty(4, 2, 3, 3), groups=2)
    x = np.random.default_rng(0).standard_normal((1, 4, 5, 5))
    y = lg.nn.functional.conv2d(lg.asarray(x), weight, padding=1, groups=2)
    np.testing.assert_allclose(y.numpy(), x)


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 2, 3)])
def test_orthogonal(shape: tuple[int, ...]) -> None:
    matrix = init.orthogonal_(empty(*shape), gain=2).numpy().reshape(shape[0], -1)
    if shape[0] > matrix.shape[1]:
        matrix = matrix.T
    np.testing.assert_allclose(matrix @ matrix.T, 4 * np.eye(len(matrix)), atol=1e-12)


def test_truncated_and_sparse() -> None:
    values = init.trunc_normal_(empty(100, 100), std=2.0, a=-1.0, b=3.0).numpy()
    assert values.min() >= -1
    assert values.max() <= 3
    sparse = init.sparse_(empty(10, 20), 0.3).numpy()
    assert ((sparse == 0).sum(axis=0) == 3).all()


def test_layers_begin_as_pytorchs_do() -> None:
    lg.manual_seed(0)
    for build in (
        lambda nn: nn.Linear(50, 400),
        lambda nn: nn.Conv2d(20, 200, 3, groups=2),
        lambda nn: nn.ConvTranspose2d(40, 30, 3),
    ):
        ours, theirs = build(lg.nn), build(torch.nn)
        for (name, a), b in zip(ours.named_parameters(), theirs.parameters()):
            limit = b.abs().max().item()
            # The largest of n uniform numbers lies this near to the bound.
            assert np.abs(a.numpy()).max() == pytest.approx(limit, rel=8 / math.sqrt(a.size)), name
            if a.size > 1000:
                assert a.numpy().std() == pytest.approx(b.std().item(), rel=0.03)
    assert lg.nn.Embedding(200, 50).weight.numpy().std() == pytest.approx(1, rel=0.03)


def test_a_seed_is_a_network_in_either_precision() -> None:
    lg.manual_seed(5)
    single = lg.nn.Linear(3, 2)
    lg.manual_seed(5)
    double = lg.nn.Linear(3, 2, dtype="float64")
    np.testing.assert_allclose(single.weight.numpy(), double.weight.numpy(), rtol=1e-7)
