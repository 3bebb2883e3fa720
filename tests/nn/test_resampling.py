"""Interpolation, shuffles, patches, padding and unpooling against PyTorch."""

from typing import Any

import numpy as np
import pytest

import localgrad as lg
from localgrad.errors import LocalgradError
from tests.nn.twins import compare, compare_calls

torch = pytest.importorskip("torch")

RANDOM = np.random.default_rng(0)


def normal(*shape: int) -> Any:
    return RANDOM.standard_normal(shape)


def functions(name: str, *rest: Any, **options: Any) -> list[Any]:
    return [
        lambda x, room=room: getattr(room, name)(x, *rest, **options)
        for room in (lg.nn.functional, torch.nn.functional)
    ]


ONE, TWO, THREE = normal(2, 3, 7), normal(2, 3, 5, 7), normal(1, 2, 3, 4, 5)
MODES = {
    "nearest": (ONE, TWO, THREE), "nearest-exact": (ONE, TWO, THREE), "area": (ONE, TWO, THREE),
    "linear": (ONE,), "bilinear": (TWO,), "bicubic": (TWO,), "trilinear": (THREE,),
}  # fmt: skip


WANTED = [
    {"size": 9}, {"size": 3}, {"size": 1}, {"scale_factor": 2.0}, {"scale_factor": 2.3},
    {"scale_factor": 0.6}, {"scale_factor": 2.3, "recompute_scale_factor": True},
    {"scale_factor": 0.6, "recompute_scale_factor": True},
]  # fmt: skip


@pytest.mark.parametrize("wanted", WANTED, ids=str)
@pytest.mark.parametrize("mode", MODES)
def test_interpolation(mode: str, wanted: Any) -> None:
    for x in MODES[mode]:
        corners = (None,) if mode in ("nearest", "nearest-exact", "area") else (None, False, True)
        for align in corners:
            options = {**wanted, "mode": mode, "align_corners": align}
            ours, theirs = functions("interpolate", **options)
            if (mode, x.ndim, wanted) == ("nearest", 5, {"scale_factor": 2.3}):
                # PyTorch's own gradient fails its gradcheck here, so ours is held to the slope.
                expected = theirs(torch.tensor(x)).numpy()
                assert np.array_equal(ours(lg.asarray(x)).numpy(), expected)
                lg.check_gradients(ours, x)
                continue
            compare_calls(ours, theirs, [x])


def test_each_axis_has_a_size_of_its_own() -> None:
    compare_calls(*functions("interpolate", (3, 11), mode="bilinear"), [TWO])
    compare_calls(*functions("interpolate", scale_factor=(1.5, 0.5), mode="bicubic"), [TWO])


@pytest.mark.parametrize("size", [(3, 4), (12, 2), (1, 1), (5, 20)])
@pytest.mark.parametrize("align", [False, True])
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_antialiased_interpolation(mode: str, size: Any, align: bool) -> None:
    options = {"mode": mode, "antialias": True, "align_corners": align}
    compare_calls(*functions("interpolate", size, **options), [normal(2, 3, 9, 10)])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
def test_nearest_rounds_as_pytorch_does(mode: str, dtype: str) -> None:
    ours, theirs = (
        lambda x, n, room=room: room.interpolate(x, n, mode=mode)
        for room in (lg.nn.functional, torch.nn.functional)
    )
    for size in range(1, 120, 7):
        x = np.arange(size, dtype=dtype)[None, None]
        for outputs in range(1, 130, 3):
            found, expected = ours(lg.asarray(x), outputs), theirs(torch.tensor(x), outputs)
            assert found.tolist() == expected.tolist(), (size, outputs)


LAYERS = {
    "upsample": (lambda nn: nn.Upsample(scale_factor=2), TWO),
    "upsample to a size": (lambda nn: nn.Upsample((9, 4), mode="bilinear"), TWO),
    "upsample nearest": (lambda nn: nn.UpsamplingNearest2d(scale_factor=3), TWO),
    "upsample bilinear": (lambda nn: nn.UpsamplingBilinear2d((8, 9)), TWO),
    "pixel shuffle": (lambda nn: nn.PixelShuffle(2), normal(2, 8, 3, 4)),
    "pixel shuffle of one": (lambda nn: nn.PixelShuffle(3), normal(9, 3, 4)),
    "pixel unshuffle": (lambda nn: nn.PixelUnshuffle(2), normal(2, 3, 4, 6)),
    "channel shuffle": (lambda nn: nn.ChannelShuffle(2), normal(2, 6, 3, 4)),
    "unfold": (lambda nn: nn.Unfold((2, 3), dilation=(2, 1), padding=1, stride=(1, 2)), TWO),
    "unfold of one image": (lambda nn: nn.Unfold(2, stride=2), normal(3, 4, 6)),
    "fold": (
        lambda nn: nn.Fold((5, 7), (2, 3), dilation=(2, 1), padding=1, stride=(1, 2)),
        normal(2, 18, 20),
    ),
    "fold of one image": (lambda nn: nn.Fold((4, 6), 2, stride=2), normal(12, 6)),
    "power pool 1d": (lambda nn: nn.LPPool1d(3, 3, stride=2), np.abs(ONE)),
    "power pool 3d": (lambda nn: nn.LPPool3d(2, (1, 2, 2), ceil_mode=True), THREE),
    "power pool, infinite": (lambda nn: nn.LPPool2d(float("inf"), 2), TWO),
    **{
        f"{kind} pad {axes}d": (
            lambda nn, kind=kind, axes=axes: getattr(nn, f"{kind}Pad{axes}d")(1), x,
        )
        for kind in ("Zero", "Reflection", "Replication", "Circular")
        for axes, x in enumerate((ONE, TWO, THREE), start=1)
    },
    "constant pad 1d": (lambda nn: nn.ConstantPad1d((2, 1), 3.5), ONE),
    "constant pad 2d": (lambda nn: nn.ConstantPad2d((2, 1, 0, 3), 3.5), TWO),
    "constant pad 3d": (lambda nn: nn.ConstantPad3d(1, -1.0), THREE),
    "reflection pad, uneven": (lambda nn: nn.ReflectionPad2d((3, 1, 0, 2)), TWO),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_agrees_with_pytorch(name: str) -> None:
    compare(*LAYERS[name])


def test_a_convolution_is_a_product_with_patches() -> None:
    x, weight = lg.asarray(TWO), lg.asarray(normal(4, 3, 3, 2))
    columns = lg.nn.functional.unfold(x, (3, 2), stride=2, padding=1)
    product = (lg.reshape(weight, (4, -1)) @ columns).reshape(2, 4, 3, 4)
    expected = lg.nn.functional.conv2d(x, weight, stride=2, padding=1)
    np.testing.assert_allclose(product.numpy(), expected.numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "axes, x, pool, size",
    [
        (1, ONE, {"kernel_size": 2}, [7]),
        (2, TWO, {"kernel_size": 2, "stride": 2}, [2, 3, 5, 7]),
        (2, TWO, {"kernel_size": (1, 2)}, (5, 7)),
        (3, THREE, {"kernel_size": 2}, (3, 4, 5)),
    ],
)
def test_maxima_are_put_back(axes: int, x: Any, pool: Any, size: Any) -> None:
    def there_and_back(nn: Any) -> Any:
        down = getattr(nn, f"MaxPool{axes}d")(**pool, return_indices=True)
        up = getattr(nn, f"MaxUnpool{axes}d")(**pool)
        return lambda image: up(*down(image), output_size=size)

    compare_calls(there_and_back(lg.nn), there_and_back(torch.nn), [x])


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda F, x: F.interpolate(x), "either size or scale_factor"),
        (lambda F, x: F.interpolate(x, 3, 2.0), "either size or scale_factor"),
        (lambda F, x: F.interpolate(x, 3, mode="cubic"), "bicubic"),
        (lambda F, x: F.interpolate(x, 3, mode="trilinear"), "3 axes after the channels"),
        (lambda F, x: F.interpolate(x, 3, align_corners=True), "no meaning"),
        (lambda F, x: F.interpolate(x, 3, antialias=True), "antialias goes with"),
        (lambda F, x: F.interpolate(x[0, 0], 3), "1 to 3 more axes"),
        (lambda F, x: F.unfold(x, 9), "does not fit"),
        (lambda F, x: F.fold(x[0], (5, 7), 2), r"channels · 4, 24"),
        (lambda F, x: F.pixel_shuffle(x, 2), "2² = 4 channels"),
        (lambda F, x: F.pixel_unshuffle(x, 2), "2×2 pixels"),
        (lambda F, x: F.channel_shuffle(x, 2), "2 groups"),
        (lambda F, x: F.max_unpool2d(x, x.numpy().astype(int), 2, output_size=(99, 9)), "reach"),
        (lambda F, x: F.max_unpool2d(x, x.numpy().astype(int)[:1], 2), "indices that max pooling"),
    ],
)
def test_what_does_not_fit_is_refused(call: Any, words: str) -> None:
    with pytest.raises(LocalgradError, match=words):
        call(lg.nn.functional, lg.asarray(TWO))
