"""Making tensors, with the array API's names and the dtypes that people expect.

Python lists of floats become float32, NumPy arrays keep their dtype.
"""

from __future__ import annotations

from typing import Any

from localgrad import errors
from localgrad.graph.record import here
from localgrad.kernels import reference as xp
from localgrad.local.operation import as_raw
from localgrad.ops.shape import dtype_of, stack
from localgrad.tensor import Tensor

DEFAULT_FLOAT = xp.dtype("float32")


def asarray(
    data: Any,
    /,
    dtype: Any = None,
    requires_grad: bool = False,
    *,
    device: Any = None,
    copy: bool | None = None,
) -> Tensor:
    """A Tensor of `data`: numbers, nested lists, NumPy arrays (whose memory is shared), Tensors.

    Lists that hold Tensors are stacked, and stay joined to the graph. An integer dtype with
    `requires_grad` raises.

    >>> import localgrad as lg
    >>> lg.asarray([1, 2]).dtype, lg.asarray([1.0, 2.0]).dtype
    (dtype('int64'), dtype('float32'))
    """
    if isinstance(data, Tensor):
        result = data if dtype is None or data.dtype == dtype else data.astype(dtype)
        if copy:
            result = result + 0 if result.dtype.kind in "fc" else Tensor(result.value.copy())
    elif isinstance(data, list | tuple) and any(isinstance(v, Tensor) for v in data):
        result = stack([asarray(v, dtype) for v in data])
    else:
        try:
            raw = as_raw(data) if dtype is None else xp.asarray(data, dtype=dtype_of(dtype))
        except ValueError as cause:
            raise errors.no_numbers(data, cause, here()) from None
        if raw.dtype.kind not in "biufc":
            raise errors.no_numbers(data, TypeError(f"but of dtype {raw.dtype}"), here())
        result = Tensor(raw.copy() if copy and raw is data else raw)
    return result.requires_grad_() if requires_grad else result


tensor = asarray


def _filled(make: Any, shape: Any, more: Any, dtype: Any, requires_grad: bool) -> Tensor:
    if more:  # as PyTorch spells a shape, and as NumPy spells a dtype
        raise errors.bad_size(make.__name__, shape, more, here())
    kind = DEFAULT_FLOAT if dtype is None else dtype_of(dtype)
    try:
        return Tensor(make(shape, dtype=kind)).requires_grad_(requires_grad)
    except (ValueError, TypeError) as cause:
        if isinstance(cause, errors.LocalgradError):
            raise
        raise errors.bad_size(make.__name__, shape, (), here()) from None


def zeros(
    shape: Any, *more: Any, dtype: Any = None, requires_grad: bool = False, device: Any = None
) -> Tensor:
    """All zeros."""
    return _filled(xp.zeros, shape, more, dtype, requires_grad)


def ones(
    shape: Any, *more: Any, dtype: Any = None, requires_grad: bool = False, device: Any = None
) -> Tensor:
    """All ones."""
    return _filled(xp.ones, shape, more, dtype, requires_grad)


def empty(
    shape: Any, *more: Any, dtype: Any = None, requires_grad: bool = False, device: Any = None
) -> Tensor:
    """Memory that was not written yet."""
    return _filled(xp.empty, shape, more, dtype, requires_grad)


def full(
    shape: Any,
    fill_value: Any,
    *,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """All equal to `fill_value`."""
    fill = fill_value.value if isinstance(fill_value, Tensor) else fill_value
    if dtype is None and isinstance(fill, float):
        dtype = DEFAULT_FLOAT
    return Tensor(xp.full(shape, fill, dtype=dtype)).requires_grad_(requires_grad)


def _like(make: Any, x: Any, dtype: Any) -> Tensor:
    raw = as_raw(x)
    return Tensor(make(raw.shape, dtype=dtype or raw.dtype))


def zeros_like(x: Any, /, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Zeros of x's shape and dtype."""
    return _like(xp.zeros, x, dtype)


def ones_like(x: Any, /, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Ones of x's shape and dtype."""
    return _like(xp.ones, x, dtype)


def empty_like(x: Any, /, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Unwritten memory of x's shape and dtype."""
    return _like(xp.empty, x, dtype)


def full_like(x: Any, /, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Tensor:
    """`fill_value` in x's shape and dtype."""
    raw = as_raw(x)
    return full(raw.shape, fill_value, dtype=dtype or raw.dtype)


def _float_default(raw: Any, dtype: Any) -> Any:
    return raw.astype(DEFAULT_FLOAT) if dtype is None and raw.dtype == xp.float64 else raw


def arange(
    start: Any, /, stop: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None
) -> Tensor:
    """start, start + step, … below stop."""
    raw = (
        xp.arange(0, start, step, dtype=dtype)
        if stop is None
        else xp.arange(start, stop, step, dtype=dtype)
    )
    return Tensor(_float_default(raw, dtype))


def linspace(
    start: Any,
    stop: Any,
    /,
    num: int,
    *,
    dtype: Any = None,
    device: Any = None,
    endpoint: bool = True,
) -> Tensor:
    """`num` numbers from start to stop, evenly spaced."""
    return Tensor(_float_default(xp.linspace(start, stop, num, endpoint, dtype=dtype), dtype))


def eye(
    n_rows: int, n_cols: int | None = None, /, *, k: int = 0, dtype: Any = None, device: Any = None
) -> Tensor:
    """Ones on the k-th diagonal."""
    return Tensor(xp.eye(n_rows, n_cols, k, dtype=dtype or DEFAULT_FLOAT))


def meshgrid(*arrays: Any, indexing: str = "xy") -> list[Tensor]:
    """Coordinate matrices of coordinate vectors."""
    from localgrad.ops.shape import broadcast_to, reshape

    count = len(arrays)
    places = list(range(count))
    if indexing == "xy" and count > 1:
        places[0], places[1] = 1, 0
    sizes = [0] * count
    for array, place in zip(arrays, places):
        sizes[place] = array.shape[0]
    return [
        broadcast_to(reshape(a, tuple(-1 if i == p else 1 for i in range(count))), sizes)
        for a, p in zip(arrays, places)
    ]


def from_dlpack(x: Any, /, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A Tensor over another library's memory."""
    return Tensor(xp.from_dlpack(x))
