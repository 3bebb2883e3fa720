"""The kernels beside PyTorch's, one case each: products, the convolution triple, fused pairs.

A workload for the processes that `kernels.py` starts. Products and convolutions call the kernels
and PyTorch's operators with nothing around them. The images of the sweep lie in memory as each
package's own layers leave them (channels last in localgrad, first in PyTorch); those of the random
shapes lie channels first for both. A fused pair is forward and backward as a user calls them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from localgrad.bench.workload import Running, Workload

FLOAT = 4  # bytes
Step = Callable[[], Any]


@dataclass(frozen=True)
class Case:
    """One kernel on one shape.

    flops: multiplications and additions of its products. moved: bytes, every argument and result
    once in each direction. build: given "localgrad" or "torch", the step to time.
    """

    name: str
    flops: float
    moved: float
    build: Callable[[str], Step]


class Results:
    """Arrays or tensors; as a number, the sum of their sizes, which both packages must agree on."""

    def __init__(self, *arrays: Any) -> None:
        self.arrays = arrays

    def __float__(self) -> float:
        return float(sum(abs(np.asarray(a, dtype=np.float64)).sum() for a in self.arrays))


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def tensors(package: str, arrays: Sequence[np.ndarray]) -> list[Any]:
    """Leaves of that package; those of floats require a gradient."""
    if package == "torch":
        import torch

        return [torch.from_numpy(a.copy()).requires_grad_(a.dtype.kind == "f") for a in arrays]
    import localgrad as lg

    return [lg.asarray(a.copy(), requires_grad=a.dtype.kind == "f") for a in arrays]


# -- matrix products -------------------------------------------------------------------------------


def product(m: int, k: int, n: int) -> Case:
    def build(package: str) -> Step:
        a, b = normal(m, k), normal(k, n, seed=1)
        if package == "torch":
            import torch

            left, right = torch.from_numpy(a), torch.from_numpy(b)
            return lambda: Results(left @ right)
        from localgrad.kernels import cpu

        return lambda: Results(cpu.matmul(a, b))

    moved = FLOAT * (m * k + k * n + m * n)
    return Case(f"product {m}×{k}×{n}", 2.0 * m * k * n, moved, build)


def linear(rows: int, inputs: int, outputs: int) -> Case:
    """A linear layer with its bias, forward and all three gradients."""
    arrays = [normal(rows, inputs), normal(outputs, inputs, seed=1), normal(outputs, seed=2)]
    case = pair("", lambda nn, x, w, b: nn.functional.linear(x, w, b), arrays, (rows, outputs))
    flops = 6.0 * rows * inputs * outputs
    return Case(f"linear {rows}×{inputs}→{outputs}", flops, case.moved, case.build)


# -- convolutions ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shape:
    """A convolution of images."""

    batch: int
    inputs: int
    outputs: int
    size: tuple[int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    @property
    def image(self) -> tuple[int, ...]:
        return (self.batch, self.inputs, *self.size)

    @property
    def weight(self) -> tuple[int, ...]:
        return (self.outputs, self.inputs // self.groups, *self.kernel)

    @property
    def result(self) -> tuple[int, ...]:
        geometry = zip(self.size, self.kernel, self.stride, self.padding, self.dilation)
        return (
            self.batch,
            self.outputs,
            *((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in geometry),
        )

    def __str__(self) -> str:
        words = [f"{self.batch}×{self.inputs}→{self.outputs}, {_by(self.size)}, {_by(self.kernel)}"]
        for word, value, plain in (
            ("stride", self.stride, (1, 1)),
            ("padding", self.padding, (0, 0)),
            ("dilation", self.dilation, (1, 1)),
        ):
            if value != plain:
                words.append(f"{word} {_by(value)}")
        if self.groups > 1:
            words.append(f"groups {self.groups}")
        return ", ".join(words)


def _by(pair: tuple[int, int]) -> str:
    return f"{pair[0]}×{pair[1]}"


MEMBERS = ("forward", "to input", "to weight")


def convolution(kind: str, shape: Shape, member: str, channels_last: bool) -> Case:
    """One member of the triple, without a bias."""
    held = {"forward": shape.result, "to input": shape.image, "to weight": shape.weight}
    every = sum(math.prod(s) for s in held.values())
    flops = 2.0 * math.prod(shape.result) * math.prod(shape.weight[1:])

    def build(package: str) -> Step:
        x, w, g = normal(*shape.image), normal(*shape.weight, seed=1), normal(*shape.result, seed=2)
        if package == "torch":
            return _torch_convolution(shape, member, x, w, g)
        if channels_last:
            x, g = _channels_last(x), _channels_last(g)
        return _our_convolution(shape, member, x, w, g)

    return Case(f"{kind} {member} {shape}", flops, FLOAT * every, build)


def _channels_last(images: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(images.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)


def _our_convolution(shape: Shape, member: str, x: Any, w: Any, g: Any) -> Step:
    from localgrad import kernels

    rest = (shape.stride, shape.padding, shape.dilation, shape.groups)
    if member == "forward":
        return lambda: Results(kernels.convolution(x, w, None, *rest))
    if member == "to input":
        return lambda: Results(kernels.convolution_input_adjoint(g, w, x.shape, *rest))
    return lambda: Results(kernels.convolution_weight_adjoint(g, x, w.shape, *rest))


def _torch_convolution(shape: Shape, member: str, *arrays: Any) -> Step:
    import torch

    x, w, g = (torch.from_numpy(a) for a in arrays)
    rest = (shape.stride, shape.padding, shape.dilation)
    if member == "forward":
        return lambda: Results(torch.conv2d(x, w, None, *rest, shape.groups))
    back, of_input = torch.ops.aten.convolution_backward, member == "to input"
    wants = [of_input, not of_input, False]

    def step() -> Results:
        results = back(g, x, w, None, *rest, False, [0, 0], shape.groups, wants)
        return Results(results[0] if of_input else results[1])

    return step


def sweep() -> list[Case]:
    """Channels 16 to 256, kernels 1 to 7, on images as large as such layers see."""
    cases = []
    for channels, size in ((16, 32), (32, 32), (64, 16), (128, 16), (256, 8)):
        for side in (1, 3, 5, 7):
            padding = (side // 2, side // 2)
            shape = Shape(16, channels, channels, (size, size), (side, side), padding=padding)
            cases += [convolution("conv", shape, member, True) for member in MEMBERS]
    return cases


def drawn(count: int = 50) -> list[Case]:
    """Random shapes, the same in every run: strides, paddings, dilations, groups, odd sizes."""
    random = np.random.default_rng(2024)
    shapes: list[Shape] = []

    def two(low: int, high: int, odds: float) -> tuple[int, int]:
        """Twice `low`, or with these odds anything up to `high` for each."""
        if random.random() > odds:
            return low, low
        first, second = random.integers(low, high + 1, 2)
        return int(first), int(second)

    while len(shapes) < count:
        groups = int(random.choice([1, 1, 1, 1, 2, 4, 8]))
        inputs, outputs = (groups * int(random.integers(1, 96 // groups + 1)) for _ in range(2))
        side = int(random.choice([1, 3, 3, 5, 7]))
        shape = Shape(
            int(random.integers(1, 17)), inputs, outputs, two(7, 40, 1.0),
            (side, side) if random.random() < 0.7 else two(1, 5, 1.0),
            two(1, 3, 0.4), two(0, 3, 0.7), two(1, 2, 0.2), groups,
        )  # fmt: skip
        if min(shape.result[2:]) > 0:
            shapes.append(shape)
    return [convolution("random", shape, member, False) for shape in shapes for member in MEMBERS]


# -- fused pairs -----------------------------------------------------------------------------------


def pair(
    name: str,
    function: Callable[..., Any],
    arrays: Sequence[np.ndarray],
    result: tuple[int, ...],
    flops: float = 0.0,
) -> Case:
    """Forward, and backward from an upstream of the result's shape; `function(nn, *tensors)`."""

    def build(package: str) -> Step:
        leaves = tensors(package, arrays)
        (upstream,) = tensors(package, [normal(*result, seed=9)])
        upstream = upstream.detach()
        nn = _package(package, "nn")
        wanted = [leaf for leaf in leaves if leaf.requires_grad]

        def step() -> Results:
            for leaf in wanted:
                leaf.grad = None
            y = function(nn, *leaves)
            y.backward(upstream)
            return Results(y.detach(), *(leaf.grad for leaf in wanted))

        return step

    inputs = sum(a.size for a in arrays)
    return Case(name, flops, FLOAT * (3.0 * inputs + 2 * math.prod(result)), build)


def sequences(kind: str, times: int, batch: int, width: int, gates: int) -> Case:
    """A recurrent layer over whole sequences, forward and backward."""
    layer_arrays = [normal(times, batch, width)]

    def build(package: str) -> Step:
        nn = _package(package, "nn")
        layer = getattr(nn, kind)(width, width)
        weights = list(layer.parameters())
        new = [normal(*w.shape, seed=i) / math.sqrt(width) for i, w in enumerate(weights)]
        names = list(layer.state_dict())
        layer.load_state_dict(
            {n: w.detach() for n, w in zip(names, tensors(package, new), strict=True)}
        )
        (x,) = tensors(package, layer_arrays)
        upstream = tensors(package, [normal(times, batch, width, seed=9)])[0].detach()

        def step() -> Results:
            for leaf in (x, *weights):
                leaf.grad = None
            y = layer(x)[0]
            y.backward(upstream)
            return Results(y.detach(), *(leaf.grad for leaf in (x, *weights)))

        return step

    weights = 2 * gates * width * width
    flops = 3 * 2.0 * times * batch * weights
    moved = FLOAT * (3 * weights + 5 * times * batch * width)
    return Case(f"{kind} {times} steps, {batch}×{width}", flops, moved, build)


def optimiser(kind: str, passes: int, **options: float) -> Case:
    """One step over a million parameters in forty arrays; `passes` reads and writes of each."""
    shapes = [(160, 160), (160,)] * 40

    def build(package: str) -> Step:
        parameters = tensors(package, [normal(*s, seed=i) for i, s in enumerate(shapes)])
        slopes = tensors(package, [normal(*s, seed=99 + i) for i, s in enumerate(shapes)])
        for parameter, slope in zip(parameters, slopes, strict=True):
            parameter.grad = slope.detach()
        rule = getattr(_package(package, "optim"), kind)(parameters, **options)

        def step() -> Results:
            rule.step()
            return Results(*(p.detach() for p in parameters))

        return step

    return Case(f"{kind}", 0.0, FLOAT * passes * sum(map(math.prod, shapes)), build)


def _package(package: str, part: str) -> Any:
    import importlib

    return importlib.import_module(f"{package}.{part}")


def pairs() -> list[Case]:
    """The fused pairs, and the optimisers."""
    tokens = np.random.default_rng(3).integers(0, 65, (32, 64))
    classes = np.random.default_rng(4).integers(0, 65, 2048)
    images = (32, 32, 28, 28)
    channels = [normal(32), normal(32, seed=1)]
    heads = [normal(12, 4, 64, 32, seed=i) for i in range(3)]
    longer = [normal(1, 4, 1024, 64, seed=i) for i in range(3)]

    def attention(name: str, qkv: list[np.ndarray]) -> Case:
        batch, head, length, width = qkv[0].shape
        flops = 6 * 2.0 * batch * head * length * length * width / 2  # a causal half
        return pair(
            name,
            lambda nn, q, k, v: nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True),
            qkv, qkv[0].shape, flops,
        )  # fmt: skip

    return [
        pair("layer norm 768×128", lambda nn, x, w, b: nn.functional.layer_norm(x, (128,), w, b),
             [normal(768, 128), normal(128), normal(128, seed=1)], (768, 128)),
        pair("batch norm and relu 32×32×28×28", lambda nn, x, w, b: nn.functional.relu(
            nn.functional.batch_norm(x, None, None, w, b, training=True)),
            [normal(*images), *channels], images),
        pair("cross entropy 2048×65", lambda nn, x, t: nn.functional.cross_entropy(x, t),
             [normal(2048, 65), classes], ()),
        pair("relu 32×32×28×28", lambda nn, x: nn.functional.relu(x), [normal(*images)], images),
        pair("gelu 768×512", lambda nn, x: nn.functional.gelu(x), [normal(768, 512)], (768, 512)),
        pair("softmax 3072×64", lambda nn, x: nn.functional.softmax(x, dim=-1),
             [normal(3072, 64)], (3072, 64)),
        pair("embedding 65×128, 32×64 tokens", lambda nn, w, i: nn.functional.embedding(i, w),
             [normal(65, 128), tokens], (32, 64, 128)),
        pair("max pool 2, 32×32×28×28", lambda nn, x: nn.functional.max_pool2d(x, 2),
             [normal(*images)], (32, 32, 14, 14)),
        pair("average pool 2, 32×32×28×28", lambda nn, x: nn.functional.avg_pool2d(x, 2),
             [normal(*images)], (32, 32, 14, 14)),
        attention("causal attention 12×4×64×32", heads),
        attention("causal attention 1×4×1024×64", longer),
        sequences("LSTM", 64, 32, 128, 4),
        sequences("GRU", 64, 32, 128, 3),
        sequences("LSTM", 32, 64, 256, 4),
        optimiser("SGD", 5, lr=1e-3, momentum=0.9),
        optimiser("Adam", 7, lr=1e-3),
        optimiser("AdamW", 7, lr=1e-3),
    ]  # fmt: skip


# -- all -------------------------------------------------------------------------------------------


def products() -> list[Case]:
    widths = (16, 32, 64, 128, 256)
    return [
        *(product(2048, c, c) for c in widths),
        *(product(n, n, n) for n in (64, 128, 256, 512, 1024)),
        product(100, 77, 333),
        product(1, 512, 512),
        *(linear(1024, c, c) for c in widths),
        linear(64, 3136, 128),
        linear(128, 784, 512),
    ]


CASES = {case.name: case for case in [*products(), *sweep(), *drawn(), *pairs()]}


def contender(package: str) -> Callable[[str], Running]:
    return lambda name: Running(CASES[name].build(package))


WORKLOAD = Workload(
    "kernels",
    "one kernel at a time",
    {"localgrad": contender("localgrad"), "torch": contender("torch")},
    cases=tuple(CASES),
)
