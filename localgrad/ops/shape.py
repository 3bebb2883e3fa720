"""Reshaping, rearranging, joining and repeating: linear maps that move elements.

The adjoint of moving an element is moving its gradient back; where an element was copied, the
copies' gradients are added.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from localgrad import errors, kernels
from localgrad.graph.record import here
from localgrad.kernels import reference as xp
from localgrad.local.axes import axes_of, axis_of
from localgrad.local.linear import Linear, LinearMany, linear
from localgrad.tensor import Tensor


@lru_cache(maxsize=256)
def inverse_permutation(axes: tuple[int, ...]) -> tuple[int, ...]:
    inverse = [0] * len(axes)
    for place, axis in enumerate(axes):
        inverse[axis] = place
    return tuple(inverse)


def like_example(*shape: int, **options: Any) -> Any:
    """An `example` that draws one array of this shape, for the tests that walk the registry."""
    return lambda rng: ((rng.standard_normal(shape),), options)


_reshape = linear(
    "reshape",
    lambda x, shape: kernels.reshape(x, shape),
    lambda g, like: kernels.reshape(g, like.shape),
    example=like_example(2, 6, shape=(3, 4)),
)
_permute: Linear = linear(
    "permute_dims",
    lambda x, axes: x.transpose(axes),
    lambda g, axes: _permute.run(g, axes=inverse_permutation(axes)),
    example=like_example(2, 3, 4, axes=(2, 0, 1)),
)
_broadcast_to = linear(
    "broadcast_to",
    lambda x, shape: xp.broadcast_to(x, shape),
    lambda g, like: xp.fit(g, like.shape),
    example=like_example(3, 1, shape=(2, 3, 4)),
)
_flip: Linear = linear(
    "flip",
    lambda x, axis=None: xp.flip(x, axis),
    lambda g, axis: _flip.run(g, axis=axis),
    example=like_example(2, 3, axis=1),
)
_roll: Linear = linear(
    "roll",
    lambda x, shift, axis=None: xp.roll(x, shift, axis),
    lambda g, shift, axis: _roll.run(g, shift=opposite(shift), axis=axis),
    example=like_example(2, 3, shift=1, axis=1),
)
_repeat = linear(
    "repeat",
    lambda x, repeats, axis: xp.repeat(x, repeats, axis),
    lambda g, like, repeats, axis: _sum_runs.run(g, shape=like.shape, repeats=repeats, axis=axis),
    example=like_example(2, 3, repeats=2, axis=1),
)
_sum_runs: Linear = linear(
    "sum_runs",
    lambda x, shape, repeats, axis: sum_runs(x, shape, repeats, axis),
    lambda g, repeats, axis: _repeat.run(g, repeats=repeats, axis=axis),
    doc="Sums of runs of neighbours: the adjoint of `repeat`.",
    example=like_example(2, 6, shape=(2, 3), repeats=2, axis=1),
)
_pad = linear(
    "pad",
    lambda x, pad_width, constant_values=0: xp.pad(x, pad_width, constant_values=constant_values),
    lambda g, like, pad_width: g[
        tuple(slice(before, before + n) for (before, _), n in zip(pad_width, like.shape))
    ],
    example=like_example(2, 3, pad_width=((1, 0), (2, 1))),
)
_tril: Linear = linear(
    "tril",
    lambda x, k=0: xp.tril(x, k),
    lambda g, k: _tril.run(g, k=k),
    example=like_example(3, 4, k=0),
)
_triu: Linear = linear(
    "triu",
    lambda x, k=0: xp.triu(x, k),
    lambda g, k: _triu.run(g, k=k),
    example=like_example(3, 4, k=1),
)
_diagonal = linear(
    "diagonal",
    lambda x, offset=0: xp.diagonal(x, offset, -2, -1),
    lambda g, like, offset: _embed_diagonal.run(g, shape=like.shape, offset=offset),
    example=like_example(3, 4, offset=1),
)
_embed_diagonal: Linear = linear(
    "embed_diagonal",
    lambda x, shape, offset: embed_diagonal(x, shape, offset),
    lambda g, offset: _diagonal.run(g, offset=offset),
    doc="Zeros with x on a diagonal: the adjoint of `diagonal`.",
    example=like_example(3, shape=(3, 4), offset=1),
)
_astype: Linear = linear(
    "astype",
    lambda x, dtype: xp.asarray(x).astype(dtype),
    lambda g, like: _astype.run(real_for(g, like), dtype=like.dtype),
    example=like_example(2, 3, dtype=xp.dtype("float64")),
)
_concat = LinearMany(
    "concat",
    lambda *xs, axis: xp.concatenate(xs, axis=axis),
    lambda g, likes, axis: cut(g, [like.shape[axis] for like in likes], axis),
    example=lambda rng: ((rng.standard_normal((2, 3)), rng.standard_normal((2, 1))), {"axis": 1}),
)
_stack = LinearMany(
    "stack",
    lambda *xs, axis: xp.stack(xs, axis=axis),
    lambda g, likes, axis: [
        g[(slice(None),) * (axis % g.ndim) + (i,)] for i in range(len(likes))
    ],
    example=lambda rng: ((rng.standard_normal((2, 3)), rng.standard_normal((2, 3))), {"axis": 1}),
)


def real_for(g: Any, like: Any) -> Any:
    """What a real value receives of a complex gradient: its real part."""
    return xp.real(g) if g.dtype.kind == "c" and like.dtype.kind != "c" else g


def opposite(shift: Any) -> Any:
    return tuple(-s for s in shift) if isinstance(shift, tuple) else -shift


def cut(g: Any, sizes: Sequence[int], axis: int) -> list[Any]:
    """`g` in pieces of these sizes along an axis (views)."""
    lead = (slice(None),) * (axis % g.ndim)
    pieces, start = [], 0
    for size in sizes:
        pieces.append(g[(*lead, slice(start, start + size))])
        start += size
    return pieces


def sum_runs(x: Any, shape: tuple[int, ...], repeats: Any, axis: int) -> Any:
    counts = xp.broadcast_to(repeats, (shape[axis],))
    starts = xp.concatenate([[0], xp.cumsum(counts)[:-1]]).astype(xp.intp)
    result = xp.zeros(shape, x.dtype)
    lead = (slice(None),) * (axis % x.ndim)
    filled = counts > 0  # reduceat cannot sum an empty run
    if filled.any():
        result[(*lead, filled)] = xp.add.reduceat(x, starts[filled], axis=axis)
    return result


def embed_diagonal(x: Any, shape: tuple[int, ...], offset: int) -> Any:
    result = xp.zeros(shape, x.dtype)
    view = result.reshape(*shape[:-2], -1)
    start = offset if offset >= 0 else -offset * shape[-1]
    n = x.shape[-1]
    view[..., start : start + n * (shape[-1] + 1) : shape[-1] + 1] = x
    return result


# -- the public functions, with the signatures of the array API -----------------------------------


def reshape(x: Any, /, shape: Any, *, copy: bool | None = None) -> Tensor:
    """The same elements, in the same order, in another shape; one size may be -1."""
    wanted = (shape,) if isinstance(shape, int) else tuple(shape)
    if wanted and min(wanted) < -1:  # NumPy takes any negative size for what is left
        raise errors.operation_failed("reshape", (x,), ValueError(), here(), {"shape": wanted})
    return _reshape(x, shape=wanted)


def permute_dims(x: Any, /, axes: Any = None) -> Tensor:
    """y[…] with axis i of y being axis axes[i] of x."""
    x = x if isinstance(x, Tensor) else Tensor(xp.asarray(x))
    order = tuple(range(x.ndim))[::-1] if axes is None else axes_of("permute_dims", x, axes)
    return _permute(x, axes=order)


def swapaxes(x: Any, first: int, second: int) -> Tensor:
    """Two axes exchanged."""
    try:
        axes = exchanged(first, second, x.ndim)
    except (TypeError, IndexError):
        axes = exchanged(*axes_of("swapaxes", x, (first, second)), x.ndim)  # says what is wrong
    return _permute(x, axes=axes)


@lru_cache(maxsize=256, typed=True)
def exchanged(first: int, second: int, ndim: int) -> tuple[int, ...]:
    """All axes in their order, but these two in each other's places."""
    axes = list(range(ndim))
    axes[first], axes[second] = axes[second], axes[first]
    return tuple(axes)


def matrix_transpose(x: Any, /) -> Tensor:
    """The last two axes exchanged."""
    return swapaxes(x, -2, -1)


def moveaxis(x: Any, source: Any, destination: Any, /) -> Tensor:
    """Axes `source` moved to `destination`, the others in their order."""
    sources = axes_of("moveaxis", x, source)
    places = axes_of("moveaxis", x, destination)
    order = [a for a in range(x.ndim) if a not in sources]
    for place, axis in sorted(zip(places, sources)):
        order.insert(place, axis)
    return _permute(x, axes=tuple(order))


def squeeze(x: Any, /, axis: Any = None) -> Tensor:
    """Without the axes of size one (those of `axis`, which must have size one)."""
    if axis is None:
        axes = tuple(i for i, n in enumerate(x.shape) if n == 1)
    else:
        axes = axes_of("squeeze", x, axis)
        if any(x.shape[a] != 1 for a in axes):
            raise errors.operation_failed("squeeze", (x,), ValueError(), here(), {"axis": axis})
    return _reshape(x, shape=tuple(n for i, n in enumerate(x.shape) if i not in axes))


def expand_dims(x: Any, /, axis: Any = 0) -> Tensor:
    """A new axis of size one at `axis`."""
    x = x if isinstance(x, Tensor) else Tensor(xp.asarray(x))
    several = axis if isinstance(axis, tuple | list) else (axis,)
    ndim = x.ndim + len(several)
    places = [a % ndim for a in several]
    if len(set(places)) < len(places) or any(not -ndim <= a < ndim for a in several):
        raise errors.operation_failed("expand_dims", (x,), IndexError(), here(), {"axis": axis})
    sizes = iter(x.shape)
    return _reshape(x, shape=tuple([1 if i in places else next(sizes) for i in range(ndim)]))


def flatten(x: Any, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The axes from `start_dim` to `end_dim` (inclusive) as one, as in PyTorch."""
    if x.ndim == 0:
        return _reshape(x, shape=(1,))
    start, end = axes_of("flatten", x, (start_dim, end_dim))
    joined = int(xp.prod(x.shape[start : end + 1]))
    return _reshape(x, shape=(*x.shape[:start], joined, *x.shape[end + 1 :]))


def broadcast_to(x: Any, /, shape: Any) -> Tensor:
    """x repeated along new axes and axes of size one."""
    return _broadcast_to(x, shape=tuple(shape))


def broadcast_arrays(*xs: Any) -> list[Tensor]:
    """All stretched to their common shape."""
    shape = xp.broadcast_shapes(*[x.shape for x in xs])
    return [broadcast_to(x, shape) for x in xs]


def flip(x: Any, /, axis: Any = None) -> Tensor:
    """Elements in reverse order along `axis` (all axes where None)."""
    return _flip(x, axis=axis)


def roll(x: Any, /, shift: Any, *, axis: Any = None) -> Tensor:
    """Elements moved by `shift`; those pushed over the end come back at the start."""
    if axis is None:
        return _reshape(_roll(_reshape(x, shape=(-1,)), shift=shift, axis=0), shape=x.shape)
    return _roll(x, shift=shift, axis=axis)


def repeat(x: Any, repeats: Any, /, *, axis: int | None = None) -> Tensor:
    """Each element `repeats` times, next to itself."""
    if isinstance(repeats, Tensor):
        repeats = repeats.value
    if axis is None:
        return _repeat(_reshape(x, shape=(-1,)), repeats=repeats, axis=0)
    return _repeat(x, repeats=repeats, axis=axis)


def tile(x: Any, repetitions: Any, /) -> Tensor:
    """The entire array repeated along each axis."""
    counts = (repetitions,) if isinstance(repetitions, int) else tuple(repetitions)
    shape = (1,) * (len(counts) - x.ndim) + x.shape
    counts = (1,) * (len(shape) - len(counts)) + counts
    interleaved = tuple(n for size in shape for n in (1, size))
    stretched = tuple(n for count, size in zip(counts, shape) for n in (count, size))
    final = tuple(count * size for count, size in zip(counts, shape))
    return _reshape(_broadcast_to(_reshape(x, shape=interleaved), shape=stretched), shape=final)


def pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: Any = 0) -> Tensor:
    """NumPy's pad: `pad_width` is (before, after), for all axes or per axis."""
    x = x if isinstance(x, Tensor) else Tensor(xp.asarray(x))
    widths = tuple(
        (int(a), int(b)) for a, b in xp.broadcast_to(xp.asarray(pad_width), (x.ndim, 2))
    )
    if mode == "constant":
        if constant_values:
            inside = _pad(x, pad_width=widths)
            frame = xp.pad(xp.zeros(x.shape, x.dtype), widths, constant_values=constant_values)
            return inside + frame
        return _pad(x, pad_width=widths)
    # Every other mode repeats elements: which ones, NumPy's pad of the positions tells.
    for axis, (before, after) in enumerate(widths):
        if before or after:
            places = xp.pad(xp.arange(x.shape[axis]), (before, after), mode=mode)
            x = x[(slice(None),) * axis + (places,)]
    return x


def tril(x: Any, /, *, k: int = 0) -> Tensor:
    """x on and below the k-th diagonal, zero above."""
    return _tril(x, k=k)


def triu(x: Any, /, *, k: int = 0) -> Tensor:
    """x on and above the k-th diagonal, zero below."""
    return _triu(x, k=k)


def diagonal(x: Any, /, *, offset: int = 0) -> Tensor:
    """The elements x[…, i, i + offset]."""
    return _diagonal(x, offset=offset)


def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Tensor:
    """x in another dtype; its gradient comes back in x's own."""
    kind = dtype_of(dtype)
    return x if not copy and x.dtype == kind else _astype(x, dtype=kind)


def dtype_of(name: Any) -> Any:
    """The dtype of this name, or this dtype itself."""
    try:
        return xp.dtype(name)
    except TypeError:
        known = [f"{kind}{bits}" for kind in ("float", "int", "uint") for bits in (16, 32, 64)]
        known += ["int8", "uint8", "bool", "complex64", "complex128"]
        raise errors.unknown_dtype(name, known, here()) from None


def concat(xs: Sequence[Any], /, *, axis: int | None = 0) -> Tensor:
    """Arrays joined along an existing axis; flattened first where it is None."""
    if axis is None:
        return _concat(*[_reshape(x, shape=(-1,)) for x in xs], axis=0)
    return _concat(*xs, axis=axis)


def stack(xs: Sequence[Any], /, *, axis: int = 0) -> Tensor:
    """Arrays of one shape joined along a new axis."""
    return _stack(*xs, axis=axis)


def unstack(x: Any, /, *, axis: int = 0) -> tuple[Tensor, ...]:
    """The slices along an axis, as a tuple."""
    axis = axis_of("unstack", x, axis)
    return tuple(x[(*(slice(None),) * axis, i)] for i in range(x.shape[axis]))


def split(x: Any, sections: Any, axis: int = 0) -> tuple[Tensor, ...]:
    """Pieces along an axis: `sections` equal ones, or cut at the positions of a sequence."""
    axis = axis_of("split", x, axis)
    size = x.shape[axis]
    if isinstance(sections, int):
        if sections < 1 or size % sections:
            given = {"axis": axis, "sections": sections}
            raise errors.operation_failed("split", (x,), ValueError(), here(), given)
        edges = [i * (size // sections) for i in range(sections + 1)]
    else:
        edges = [0, *sections, size]
    lead = (slice(None),) * axis
    return tuple(x[(*lead, slice(a, b))] for a, b in itertools.pairwise(edges))
