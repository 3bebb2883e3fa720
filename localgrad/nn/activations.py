"""Activations as modules: each calls the function of the same name in `nn.functional`."""

from __future__ import annotations

from typing import Any

from localgrad import ops
from localgrad.nn import functional as F
from localgrad.nn.dense import empty
from localgrad.nn.init import constant_
from localgrad.nn.module import Module


class _Plain(Module):
    """An activation without numbers of its own."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()


class ReLU(_Plain):
    """max(x, 0)."""

    def forward(self, input: Any) -> Any:
        return ops.relu(input)


class ReLU6(_Plain):
    """min(max(x, 0), 6)."""

    def forward(self, input: Any) -> Any:
        return ops.relu6(input)


class SELU(_Plain):
    """1.0507 · elu(x, 1.6733)."""

    def forward(self, input: Any) -> Any:
        return ops.selu(input)


class SiLU(_Plain):
    """x · sigmoid(x)."""

    def forward(self, input: Any) -> Any:
        return ops.silu(input)


class Mish(_Plain):
    """x · tanh(softplus(x))."""

    def forward(self, input: Any) -> Any:
        return ops.mish(input)


class Hardsigmoid(_Plain):
    """min(max(x + 3, 0), 6) / 6."""

    def forward(self, input: Any) -> Any:
        return ops.hardsigmoid(input)


class Hardswish(_Plain):
    """x · min(max(x + 3, 0), 6) / 6."""

    def forward(self, input: Any) -> Any:
        return ops.hardswish(input)


class Sigmoid(Module):
    """1 / (1 + e⁻ˣ)."""

    def forward(self, input: Any) -> Any:
        return ops.sigmoid(input)


class LogSigmoid(Module):
    """log sigmoid(x)."""

    def forward(self, input: Any) -> Any:
        return ops.logsigmoid(input)


class Tanh(Module):
    """The hyperbolic tangent."""

    def forward(self, input: Any) -> Any:
        return ops.tanh(input)


class Tanhshrink(Module):
    """x − tanh x."""

    def forward(self, input: Any) -> Any:
        return ops.tanhshrink(input)


class Softsign(Module):
    """x / (1 + |x|)."""

    def forward(self, input: Any) -> Any:
        return ops.softsign(input)


class GELU(Module):
    """x · Φ(x), Φ the normal distribution; "tanh" for the formula with tanh."""

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Any) -> Any:
        return ops.gelu(input, self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class LeakyReLU(Module):
    """x where x > 0, else negative_slope · x."""

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope = negative_slope

    def forward(self, input: Any) -> Any:
        return ops.leaky_relu(input, negative_slope=self.negative_slope)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}"


class RReLU(Module):
    """x where x > 0, else slope · x, the slope drawn anew for every element in training."""

    def __init__(
        self, lower: float = 1 / 8, upper: float = 1 / 3, inplace: bool = False
    ) -> None:
        super().__init__()
        self.lower = lower
        self.upper = upper

    def forward(self, input: Any) -> Any:
        return F.rrelu(input, self.lower, self.upper, self.training)

    def extra_repr(self) -> str:
        return f"lower={self.lower}, upper={self.upper}"


class PReLU(Module):
    """x where x > 0, else weight · x; the weight is learned, one or one per channel."""

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.num_parameters = num_parameters
        self.init = init
        self.weight = empty((num_parameters,), dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set every slope to `init`."""
        constant_(self.weight, self.init)

    def forward(self, input: Any) -> Any:
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class _Alpha(Module):
    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = alpha

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}"


class ELU(_Alpha):
    """x where x > 0, else alpha · (eˣ − 1)."""

    def forward(self, input: Any) -> Any:
        return ops.elu(input, alpha=self.alpha)


class CELU(_Alpha):
    """x where x > 0, else alpha · (e^(x/alpha) − 1)."""

    def forward(self, input: Any) -> Any:
        return ops.celu(input, alpha=self.alpha)


class Softplus(Module):
    """log(1 + e^(beta·x)) / beta."""

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = beta
        self.threshold = threshold

    def forward(self, input: Any) -> Any:
        return ops.softplus(input, beta=self.beta, threshold=self.threshold)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


class _Lambd(Module):
    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def extra_repr(self) -> str:
        return str(self.lambd)


class Softshrink(_Lambd):
    """x pulled towards 0 by lambd."""

    def forward(self, input: Any) -> Any:
        return ops.softshrink(input, lambd=self.lambd)


class Hardshrink(_Lambd):
    """0 where |x| ≤ lambd, else x."""

    def forward(self, input: Any) -> Any:
        return ops.hardshrink(input, lambd=self.lambd)


class Hardtanh(Module):
    """min(max(x, min_val), max_val)."""

    def __init__(
        self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
    ) -> None:
        super().__init__()
        self.min_val = min_val
        self.max_val = max_val

    def forward(self, input: Any) -> Any:
        return ops.hardtanh(input, min_val=self.min_val, max_val=self.max_val)

    def extra_repr(self) -> str:
        return f"min_val={self.min_val}, max_val={self.max_val}"


class Threshold(Module):
    """x where x > threshold, else value."""

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        self.threshold = threshold
        self.value = value

    def forward(self, input: Any) -> Any:
        return ops.threshold(input, threshold=self.threshold, value=self.value)

    def extra_repr(self) -> str:
        return f"threshold={self.threshold}, value={self.value}"


class _AlongDim(Module):
    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmax(_AlongDim):
    """eˣ / Σ eˣ along `dim`."""

    def forward(self, input: Any) -> Any:
        return F.softmax(input, self.dim)


class LogSoftmax(_AlongDim):
    """log softmax(x) along `dim`."""

    def forward(self, input: Any) -> Any:
        return F.log_softmax(input, self.dim)


class Softmin(_AlongDim):
    """softmax(−x) along `dim`."""

    def forward(self, input: Any) -> Any:
        return F.softmin(input, self.dim)


class Softmax2d(Module):
    """softmax over the channels of (…, channels, height, width)."""

    def forward(self, input: Any) -> Any:
        return ops.softmax(input, axis=-3)


class GLU(Module):
    """a · sigmoid(b), where a and b are the two halves of x along `dim`."""

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Any) -> Any:
        return F.glu(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"
