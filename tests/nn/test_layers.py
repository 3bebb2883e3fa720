"""Every layer against PyTorch: outputs, gradients, states loaded both ways."""

from typing import Any

import numpy as np
import pytest

import localgrad as lg
from tests.nn.twins import compare, compare_calls, twins

torch = pytest.importorskip("torch")

RANDOM = np.random.default_rng(0)


def normal(*shape: int) -> Any:
    return RANDOM.standard_normal(shape)


LAYERS = {
    "linear": (lambda nn: nn.Linear(4, 3), normal(5, 4)),
    "linear without bias": (lambda nn: nn.Linear(4, 3, bias=False), normal(5, 4)),
    "linear of a vector": (lambda nn: nn.Linear(4, 3), normal(4)),
    "linear of many axes": (lambda nn: nn.Linear(4, 3), normal(2, 3, 5, 4)),
    "bilinear": (lambda nn: nn.Bilinear(3, 4, 2), normal(5, 3), normal(5, 4)),
    "identity": (lambda nn: nn.Identity(), normal(3, 2)),
    "flatten": (lambda nn: nn.Flatten(), normal(2, 3, 4)),
    "unflatten": (lambda nn: nn.Unflatten(1, (2, 3)), normal(4, 6, 2)),
    "embedding": (lambda nn: nn.Embedding(7, 3), RANDOM.integers(0, 7, (4, 5))),
    "embedding with padding": (
        lambda nn: nn.Embedding(7, 3, padding_idx=2), RANDOM.integers(0, 7, (4, 5)),
    ),
    "embedding of short rows": (
        lambda nn: nn.Embedding(7, 3, max_norm=1.5), RANDOM.integers(0, 7, (4, 5)),
    ),
    "batch norm without bias": (lambda nn: nn.BatchNorm2d(3, bias=False), normal(4, 3, 2, 5)),
    "group norm without bias": (lambda nn: nn.GroupNorm(2, 6, bias=False), normal(3, 6, 2)),
    "conv1d": (lambda nn: nn.Conv1d(4, 6, 3, stride=2, padding=1), normal(2, 4, 9)),
    "conv1d same": (
        lambda nn: nn.Conv1d(4, 6, 4, padding="same", dilation=2), normal(2, 4, 9),
    ),
    "conv2d": (lambda nn: nn.Conv2d(3, 4, 3), normal(2, 3, 6, 7)),
    "conv2d of one image": (lambda nn: nn.Conv2d(3, 4, 3), normal(3, 6, 7)),
    "conv2d with everything": (
        lambda nn: nn.Conv2d(4, 6, (3, 2), (2, 1), (2, 1), (1, 2), 2), normal(2, 4, 7, 8),
    ),
    "conv2d same": (lambda nn: nn.Conv2d(3, 4, (4, 3), padding="same"), normal(2, 3, 6, 7)),
    "conv2d valid": (lambda nn: nn.Conv2d(3, 4, 3, padding="valid"), normal(2, 3, 6, 7)),
    "depthwise": (lambda nn: nn.Conv2d(4, 8, 3, groups=4, bias=False), normal(2, 4, 6, 6)),
    "pointwise": (lambda nn: nn.Conv2d(4, 8, 1), normal(2, 4, 6, 6)),
    "conv2d reflect": (
        lambda nn: nn.Conv2d(3, 4, 3, padding=2, padding_mode="reflect"), normal(2, 3, 6, 7),
    ),
    "conv2d replicate": (
        lambda nn: nn.Conv2d(3, 4, 3, padding=(2, 1), padding_mode="replicate"),
        normal(2, 3, 6, 7),
    ),
    "conv2d circular": (
        lambda nn: nn.Conv2d(3, 4, 3, padding="same", padding_mode="circular"),
        normal(2, 3, 6, 7),
    ),
    "conv3d": (
        lambda nn: nn.Conv3d(2, 4, (2, 3, 2), stride=(1, 2, 1), padding=1, groups=2),
        normal(2, 2, 4, 5, 4),
    ),
    "transposed 1d": (
        lambda nn: nn.ConvTranspose1d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2),
        normal(2, 4, 5),
    ),
    "transposed 2d": (
        lambda nn: nn.ConvTranspose2d(
            4, 6, (3, 2), stride=(2, 3), padding=1, output_padding=(1, 0), groups=2, dilation=2
        ),
        normal(2, 4, 4, 5),
    ),
    "transposed 2d of one image": (lambda nn: nn.ConvTranspose2d(4, 6, 3), normal(4, 4, 5)),
    "transposed 3d": (
        lambda nn: nn.ConvTranspose3d(2, 3, 2, stride=2, bias=False), normal(2, 2, 3, 2, 3),
    ),
    "transposed 1d, beyond what an input reaches": (
        lambda nn: nn.ConvTranspose1d(4, 6, 1, output_padding=1, dilation=2), normal(2, 4, 5),
    ),
    "transposed 2d, beyond what an input reaches": (
        lambda nn: nn.ConvTranspose2d(4, 6, 2, (1, 2), 1, (2, 1), dilation=3), normal(2, 4, 4, 5),
    ),
    "group norm of no examples": (lambda nn: nn.GroupNorm(2, 6), normal(0, 6, 2, 4)),
    "instance norm of no examples": (lambda nn: nn.InstanceNorm2d(3), normal(0, 3, 4, 5)),
    "layer norm of no examples": (lambda nn: nn.LayerNorm((4, 6)), normal(0, 4, 6)),
    "local response norm of no examples": (lambda nn: nn.LocalResponseNorm(3), normal(0, 5, 3, 3)),
    "max pool of no examples": (lambda nn: nn.MaxPool2d(2), normal(0, 3, 6, 7)),
    "adaptive max pool of no examples": (lambda nn: nn.AdaptiveMaxPool1d(2), normal(0, 3, 6)),
    "batch norm 1d": (lambda nn: nn.BatchNorm1d(4), normal(5, 4)),
    "batch norm of sequences": (lambda nn: nn.BatchNorm1d(4), normal(5, 4, 3)),
    "batch norm 2d": (lambda nn: nn.BatchNorm2d(3), normal(4, 3, 2, 5)),
    "batch norm 3d": (lambda nn: nn.BatchNorm3d(2), normal(3, 2, 2, 3, 2)),
    "batch norm, plain": (
        lambda nn: nn.BatchNorm2d(3, affine=False, track_running_stats=False),
        normal(4, 3, 2, 5),
    ),
    "batch norm, averaging": (lambda nn: nn.BatchNorm2d(3, momentum=None), normal(4, 3, 2, 5)),
    "layer norm": (lambda nn: nn.LayerNorm(6), normal(3, 4, 6)),
    "layer norm of two axes": (lambda nn: nn.LayerNorm((4, 6), eps=1e-3), normal(3, 4, 6)),
    "layer norm without bias": (lambda nn: nn.LayerNorm(6, bias=False), normal(3, 6)),
    "layer norm, plain": (
        lambda nn: nn.LayerNorm(6, elementwise_affine=False), normal(3, 6),
    ),
    "rms norm": (lambda nn: nn.RMSNorm(6), normal(3, 4, 6)),
    "group norm": (lambda nn: nn.GroupNorm(2, 6), normal(3, 6, 2, 4)),
    "instance norm 1d": (lambda nn: nn.InstanceNorm1d(3), normal(2, 3, 5)),
    "instance norm 2d": (
        lambda nn: nn.InstanceNorm2d(3, affine=True, track_running_stats=True),
        normal(2, 3, 4, 5),
    ),
    "instance norm of one image": (lambda nn: nn.InstanceNorm2d(3), normal(3, 4, 5)),
    "instance norm 3d": (lambda nn: nn.InstanceNorm3d(2), normal(2, 2, 3, 2, 2)),
    "local response norm": (lambda nn: nn.LocalResponseNorm(3, alpha=0.5), normal(2, 5, 3, 3)),
    "max pool 1d": (lambda nn: nn.MaxPool1d(3, 2, 1), normal(2, 3, 8)),
    "max pool 2d": (lambda nn: nn.MaxPool2d(2), normal(2, 3, 6, 7)),
    "max pool 2d, overlapping": (
        lambda nn: nn.MaxPool2d((3, 2), stride=(2, 1), padding=1, dilation=(1, 2)),
        normal(2, 3, 6, 7),
    ),
    "max pool 2d, ceil": (
        lambda nn: nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=True), normal(2, 3, 6, 8),
    ),
    "max pool 3d": (lambda nn: nn.MaxPool3d(2, 1), normal(2, 2, 3, 4, 3)),
    "average pool 1d": (lambda nn: nn.AvgPool1d(3, 2, 1), normal(2, 3, 8)),
    "average pool 2d": (lambda nn: nn.AvgPool2d(2), normal(2, 3, 6, 7)),
    "average pool 2d, ceil": (
        lambda nn: nn.AvgPool2d(3, 2, 1, ceil_mode=True), normal(2, 3, 6, 8),
    ),
    "average pool 2d, without padding": (
        lambda nn: nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False),
        normal(2, 3, 6, 8),
    ),
    "average pool 2d, own divisor": (
        lambda nn: nn.AvgPool2d((3, 2), 2, 1, divisor_override=5), normal(3, 6, 8),
    ),
    "average pool 3d": (lambda nn: nn.AvgPool3d(2, 1), normal(2, 2, 3, 4, 3)),
    "power pool": (lambda nn: nn.LPPool2d(2, 3, stride=2), normal(2, 3, 7, 8)),
    "adaptive average 1d": (lambda nn: nn.AdaptiveAvgPool1d(3), normal(2, 3, 8)),
    "adaptive average 2d": (lambda nn: nn.AdaptiveAvgPool2d((3, 4)), normal(2, 3, 7, 9)),
    "adaptive average 2d, one size kept": (
        lambda nn: nn.AdaptiveAvgPool2d((None, 2)), normal(3, 7, 9),
    ),
    "adaptive average 3d": (lambda nn: nn.AdaptiveAvgPool3d(2), normal(2, 3, 3, 4, 5)),
    "adaptive max 1d": (lambda nn: nn.AdaptiveMaxPool1d(3), normal(2, 3, 8)),
    "adaptive max 2d": (lambda nn: nn.AdaptiveMaxPool2d((3, 4)), normal(2, 3, 7, 9)),
    "adaptive max 3d": (lambda nn: nn.AdaptiveMaxPool3d(2), normal(2, 3, 3, 4, 5)),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("padding", [0, 1, 2, "same", "valid"])
@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_every_option_of_a_convolution(axes, mode, padding, stride, dilation, groups) -> None:
    stride = 1 if padding == "same" else stride  # PyTorch has no other either
    compare(
        lambda nn: getattr(nn, f"Conv{axes}d")(
            2, 4, 3, stride, padding, dilation, groups, padding_mode=mode
        ),
        normal(2, 2, *(7, 6, 5)[:axes]),
    )


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("stride, extra", [(1, 0), (2, 0), (3, 2)])
@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_every_option_of_a_transposed_convolution(
    axes, padding, stride, extra, dilation, groups
) -> None:
    compare(
        lambda nn: getattr(nn, f"ConvTranspose{axes}d")(
            4, 2, 3, stride, padding, extra, groups, dilation=dilation
        ),
        normal(2, 4, *(4, 3, 2)[:axes]),
    )


POOLED = [(kernel, stride, padding, ceil) for kernel in (2, 3) for stride in (None, 1, 2)
          for padding in (0, 1) for ceil in (False, True)]  # fmt: skip


@pytest.mark.parametrize("kernel, stride, padding, ceil", POOLED)
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_every_option_of_a_pooling(axes, kernel, stride, padding, ceil) -> None:
    x = normal(2, 2, *(7, 6, 5)[:axes])
    for dilation in (1, 2):
        compare(
            lambda nn: getattr(nn, f"MaxPool{axes}d")(
                kernel, stride, padding, dilation, ceil_mode=ceil  # noqa: B023
            ),
            x,
        )
    for counted in (False, True):
        compare(
            lambda nn: getattr(nn, f"AvgPool{axes}d")(
                kernel, stride, padding, ceil, counted  # noqa: B023
            ),
            x,
        )


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_agrees_with_pytorch(name: str) -> None:
    build, *arguments = LAYERS[name]
    compare(build, *arguments)


ACTIVATIONS = {
    "ReLU": (), "ReLU6": (), "LeakyReLU": (0.2,), "ELU": (1.3,), "SELU": (), "CELU": (1.3,),
    "GELU": (), "SiLU": (), "Mish": (), "Sigmoid": (), "LogSigmoid": (), "Tanh": (),
    "Tanhshrink": (), "Softplus": (2.0, 3.0), "Softsign": (), "Softshrink": (0.3,),
    "Hardshrink": (0.3,), "Hardtanh": (-0.7, 0.9), "Hardsigmoid": (), "Hardswish": (),
    "Threshold": (0.2, -0.5), "GLU": (), "Softmax": (1,), "LogSoftmax": (-1,), "Softmin": (0,),
    "PReLU": (),
}  # fmt: skip


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_agrees_with_pytorch(name: str) -> None:
    # PyTorch has 1/6, and celu's 1/alpha, in single precision.
    tolerance = 1e-7 if name in ("Hardsigmoid", "CELU") else 1e-10
    build = lambda nn: getattr(nn, name)(*ACTIVATIONS[name])
    compare(build, normal(3, 4) * 3, tolerance=tolerance)


def test_more_activations() -> None:
    compare(lambda nn: nn.PReLU(4), normal(2, 4, 3))
    compare(lambda nn: nn.GELU("tanh"), normal(3, 4))
    compare(lambda nn: nn.Softmax2d(), normal(2, 3, 2, 2))
    ours, theirs = twins(lambda nn: nn.RReLU())
    compare_calls(ours.eval(), theirs.eval(), [normal(3, 4)])


def test_pooling_tells_where_the_maxima_stand() -> None:
    x = normal(2, 3, 6, 7)
    ours, index = lg.nn.MaxPool2d(2, return_indices=True)(lg.asarray(x))
    theirs, expected = torch.nn.MaxPool2d(2, return_indices=True)(torch.tensor(x))
    assert np.array_equal(index.numpy(), expected.numpy())
    assert np.array_equal(ours.numpy(), theirs.numpy())


def test_ties_and_nan_in_a_window_go_where_pytorch_sends_them() -> None:
    x = np.zeros((1, 1, 4, 4))
    x[0, 0, 2, 3] = np.nan
    ours, theirs = lg.asarray(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    lg.nn.functional.max_pool2d(ours, 2).sum().backward()
    torch.nn.functional.max_pool2d(theirs, 2).sum().backward()
    assert np.array_equal(ours.grad.numpy(), theirs.grad.numpy())


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
def test_padding(mode: str) -> None:
    width = (1, 2, 3, 1)
    compare_calls(
        lambda x: lg.nn.functional.pad(x, width, mode=mode),
        lambda x: torch.nn.functional.pad(x, width, mode=mode),
        [normal(2, 3, 4, 5)],
    )


def test_padding_crops_where_negative_and_takes_a_value() -> None:
    compare_calls(
        lambda x: lg.nn.functional.pad(x, (-1, 2, 1, -1), value=1.5),
        lambda x: torch.nn.functional.pad(x, (-1, 2, 1, -1), value=1.5),
        [normal(2, 4, 5)],
    )


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("width", [(-1, 1), (2, -2), (-1, -1)])
def test_padding_crops_in_every_mode(width: tuple[int, int], mode: str) -> None:
    compare_calls(
        lambda x: lg.nn.functional.pad(x, width, mode=mode),
        lambda x: torch.nn.functional.pad(x, width, mode=mode),
        [normal(2, 3, 6)],
    )


def test_a_threshold_lets_nan_through() -> None:
    y = lg.nn.functional.threshold(lg.asarray([np.nan, -1.0, 2.0]), 0.5, 9.0)
    np.testing.assert_array_equal(y.numpy(), np.float32([np.nan, 9.0, 2.0]))


def test_running_statistics_follow_the_batches() -> None:
    ours, theirs = twins(lambda nn: nn.BatchNorm2d(3))
    for _ in range(4):
        x = normal(4, 3, 2, 5)
        ours(lg.asarray(x)), theirs(torch.tensor(x))
    for name, buffer in ours.named_buffers():
        expected = dict(theirs.named_buffers())[name].numpy()
        np.testing.assert_allclose(buffer.numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("layer", ["Dropout", "Dropout1d", "Dropout2d", "Dropout3d"])
def test_dropout_drops_its_share_and_keeps_the_mean(layer: str) -> None:
    lg.manual_seed(0)
    module = getattr(lg.nn, layer)(0.25)
    shape = (200, 50, 2, 2, 2)[: {"Dropout1d": 3, "Dropout2d": 4}.get(layer, 5)]
    x = lg.asarray(np.ones(shape))
    x.requires_grad_()
    y = module(x)
    values = np.unique(y.numpy())
    np.testing.assert_allclose(values, [0, 1 / 0.75])
    assert abs(y.numpy().mean() - 1) < 0.02
    y.sum().backward()
    assert np.array_equal(x.grad.numpy(), y.numpy())  # the same draw, backwards
    if layer != "Dropout":
        channels = y.numpy().reshape(*y.shape[:2], -1)
        assert (channels == channels[..., :1]).all()
    assert module.eval()(x) is x


def test_dropout_is_repeated_by_its_seed_and_by_a_replay() -> None:
    x = lg.ones((20, 20))
    lg.manual_seed(3)
    state = lg.get_rng_state()
    first = lg.nn.functional.dropout(x).numpy()
    with lg.random.replayed(state):
        assert np.array_equal(lg.nn.functional.dropout(x).numpy(), first)
    assert not np.array_equal(lg.nn.functional.dropout(x).numpy(), first)
    lg.manual_seed(3)
    assert np.array_equal(lg.nn.functional.dropout(x).numpy(), first)


def test_alpha_dropout_keeps_mean_and_variance() -> None:
    lg.manual_seed(0)
    x = np.random.default_rng(0).standard_normal((500, 500))
    y = lg.nn.AlphaDropout(0.3)(lg.asarray(x)).numpy()
    assert abs(y.mean()) < 0.01
    assert abs(y.std() - 1) < 0.01
