"""`lg.fft`: discrete Fourier transforms. Each is linear, so its adjoint is another transform.

The gradient with respect to a complex value is ∂L/∂Re + i·∂L/∂Im, as in PyTorch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from localgrad.kernels import reference as xp
from localgrad.local.axes import axis_of
from localgrad.local.linear import Linear, linear
from localgrad.local.operation import as_raw
from localgrad.tensor import Tensor

FLIPPED = {"backward": "forward", "forward": "backward", "ortho": "ortho"}
"""The adjoint of a transform is the opposite one with the other normalisation."""


def _complex(rng: Any) -> Any:
    return rng.standard_normal((2, 6)) + 1j * rng.standard_normal((2, 6))


def resize(x: Any, n: int, axis: int) -> Any:
    """Cut or padded with zeros to n along an axis: what every transform does first."""
    size = x.shape[axis]
    lead = (slice(None),) * (axis % x.ndim)
    if n <= size:
        return x[(*lead, slice(0, n))]
    return xp.pad(x, [(0, n - size) if a == axis % x.ndim else (0, 0) for a in range(x.ndim)])


_fft = linear(
    "fft",
    lambda x, n, axis, norm: xp.fft.fft(x, n, axis, norm),
    lambda g, like, n, axis, norm: resize(
        _ifft.run(g, n=n, axis=axis, norm=FLIPPED[norm]), like.shape[axis], axis
    ),
    example=lambda rng: ((_complex(rng),), {"n": 5, "axis": 1, "norm": "backward"}),
)
_ifft: Linear = linear(
    "ifft",
    lambda x, n, axis, norm: xp.fft.ifft(x, n, axis, norm),
    lambda g, like, n, axis, norm: resize(
        _fft.run(g, n=n, axis=axis, norm=FLIPPED[norm]), like.shape[axis], axis
    ),
    example=lambda rng: ((_complex(rng),), {"n": 8, "axis": 1, "norm": "ortho"}),
)
# Real input: the same transform of fewer bins, so the adjoint fills the others with zeros and
# keeps the real part. Real output: every bin but the first and last stands for two.
_half = linear(
    "keep_bins",
    lambda x, count, axis: resize(x, count, axis),
    lambda g, like, axis: resize(g, like.shape[axis], axis),
    doc="The first bins of a spectrum.",
    example=lambda rng: ((_complex(rng),), {"count": 4, "axis": 1}),
)


def _tensor(x: Any) -> Tensor:
    return x if isinstance(x, Tensor) else Tensor(as_raw(x))


def _as_complex(x: Any) -> Tensor:
    x = _tensor(x)
    if x.dtype.kind == "c":
        return x
    return x.astype(xp.complex64 if x.dtype == xp.float32 else xp.complex128)


def fft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """y[k] = Σⱼ x[j]·exp(−2πi jk/n)."""
    x = _as_complex(x)
    axis = axis_of("fft", x, axis)
    return _fft(x, n=n or x.shape[axis], axis=axis, norm=norm)


def ifft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """x[j] = 1/n Σₖ y[k]·exp(2πi jk/n)."""
    x = _as_complex(x)
    axis = axis_of("ifft", x, axis)
    return _ifft(x, n=n or x.shape[axis], axis=axis, norm=norm)


def _over_axes(one: Any, x: Any, s: Sequence[int] | None, axes: Any, norm: str) -> Tensor:
    x = _as_complex(x)
    if axes is None:
        axes = range(x.ndim) if s is None else range(x.ndim - len(s), x.ndim)
    for place, axis in enumerate(axes):
        x = one(x, n=None if s is None else s[place], axis=axis, norm=norm)
    return x


def fftn(x: Any, /, *, s: Any = None, axes: Any = None, norm: str = "backward") -> Tensor:
    """`fft` along several axes."""
    return _over_axes(fft, x, s, axes, norm)


def ifftn(x: Any, /, *, s: Any = None, axes: Any = None, norm: str = "backward") -> Tensor:
    """`ifft` along several axes."""
    return _over_axes(ifft, x, s, axes, norm)


def rfft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """`fft` of real numbers: the n // 2 + 1 bins that determine the others."""
    x = _tensor(x)
    axis = axis_of("rfft", x, axis)
    n = n or x.shape[axis]
    return _half(fft(x, n=n, axis=axis, norm=norm), count=n // 2 + 1, axis=axis)


def irfft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """The real numbers whose `rfft` is x; n is even unless it is given."""
    x = _as_complex(x)
    axis = axis_of("irfft", x, axis)
    n = n or 2 * (x.shape[axis] - 1)
    bins = n // 2 + 1
    x = resize(x, bins, axis)
    lead = (slice(None),) * (axis % x.ndim)
    weights = xp.full(bins, 2.0, x.real.dtype if hasattr(x, "real") else xp.float64)
    weights[0] = 1.0
    if n % 2 == 0:
        weights[-1] = 1.0
    shaped = weights.reshape([-1 if a == axis % x.ndim else 1 for a in range(x.ndim)])
    full = ifft(resize(x * shaped, n, axis), n=n, axis=axis, norm=norm)
    return xp.real(full[(*lead, slice(None))])


def rfftn(x: Any, /, *, s: Any = None, axes: Any = None, norm: str = "backward") -> Tensor:
    """`rfft` along the last of `axes`, `fft` along the others."""
    x = _tensor(x)
    axes = list(range(x.ndim)) if axes is None else list(axes)
    x = rfft(x, n=None if s is None else s[-1], axis=axes[-1], norm=norm)
    return _over_axes(fft, x, None if s is None else s[:-1], axes[:-1], norm)


def irfftn(x: Any, /, *, s: Any = None, axes: Any = None, norm: str = "backward") -> Tensor:
    """The inverse of `rfftn`."""
    x = _tensor(x)
    axes = list(range(x.ndim)) if axes is None else list(axes)
    x = _over_axes(ifft, x, None if s is None else s[:-1], axes[:-1], norm)
    return irfft(x, n=None if s is None else s[-1], axis=axes[-1], norm=norm)


def hfft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """The real spectrum of a signal with Hermitian symmetry."""
    return irfft(xp.conj(_as_complex(x)), n=n, axis=axis, norm=FLIPPED[norm])


def ihfft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """The inverse of `hfft`."""
    return xp.conj(rfft(x, n=n, axis=axis, norm=FLIPPED[norm]))


def fftfreq(n: int, /, *, d: float = 1.0, dtype: Any = None, device: Any = None) -> Tensor:
    """The frequencies of the bins of `fft`."""
    return Tensor(xp.fft.fftfreq(n, d).astype(dtype or xp.float32))


def rfftfreq(n: int, /, *, d: float = 1.0, dtype: Any = None, device: Any = None) -> Tensor:
    """The frequencies of the bins of `rfft`."""
    return Tensor(xp.fft.rfftfreq(n, d).astype(dtype or xp.float32))


def _shifted(x: Any, axes: Any, inverse: bool) -> Tensor:
    from localgrad.ops.shape import roll

    x = _tensor(x)
    axes = tuple(range(x.ndim)) if axes is None else (axes,) if isinstance(axes, int) else axes
    sizes = [x.shape[a] for a in axes]
    return roll(x, tuple(-(n // 2) if inverse else n // 2 for n in sizes), axis=tuple(axes))


def fftshift(x: Any, /, *, axes: Any = None) -> Tensor:
    """The zero frequency moved to the middle."""
    return _shifted(x, axes, inverse=False)


def ifftshift(x: Any, /, *, axes: Any = None) -> Tensor:
    """The inverse of `fftshift`."""
    return _shifted(x, axes, inverse=True)
