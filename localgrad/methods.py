"""A Tensor's methods by the names that NumPy's and PyTorch's users type.

Each is an operation of `localgrad.ops` with the tensor as its first argument. Where the two
houses spell an option differently (`axis` and `dim`, `keepdims` and `keepdim`, `correction` and
`ddof`), both are taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from localgrad.tensor import Tensor


ops: Any = None  # the namespace of operations, set by `tensor` once both sides exist

SPELLINGS = {"dim": "axis", "keepdim": "keepdims", "ddof": "correction"}


def method(name: str, *positional: str) -> Any:
    """A method that is the operation `name`; `positional` names options given by place."""

    def call(self: Any, *arguments: Any, **options: Any) -> Any:
        if positional:
            options = {**dict(zip(positional, arguments)), **options}
            arguments = ()
        if not options.keys().isdisjoint(SPELLINGS):
            options = {SPELLINGS.get(k, k): v for k, v in options.items()}
        return getattr(ops, name)(self, *arguments, **options)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"`lg.{name}(x, …)`"
    return call


def along(name: str) -> Any:
    """A method that takes an axis, and whether to keep it, by place or by name."""
    return method(name, "axis", "keepdims")


def one_or_many(arguments: tuple[Any, ...]) -> Any:
    """`f((2, 3))` and `f(2, 3)` mean the same."""
    single = len(arguments) == 1 and isinstance(arguments[0], tuple | list)
    return tuple(arguments[0]) if single else arguments


class Methods:
    """What can be typed behind a dot."""

    __slots__ = ()

    # -- element by element --------------------------------------------------------------------

    abs = absolute = method("abs")
    add, subtract, sub = method("add"), method("subtract"), method("subtract")
    multiply, mul = method("multiply"), method("multiply")
    divide, div = method("divide"), method("divide")
    remainder, fmod = method("remainder"), method("fmod")
    negative, neg = method("negative"), method("negative")
    pow, sqrt, rsqrt, square = method("pow"), method("sqrt"), method("rsqrt"), method("square")
    reciprocal, sign = method("reciprocal"), method("sign")
    exp, exp2, expm1 = method("exp"), method("exp2"), method("expm1")
    log, log2, log10, log1p = method("log"), method("log2"), method("log10"), method("log1p")
    sin, cos, tan = method("sin"), method("cos"), method("tan")
    asin, acos, atan = method("asin"), method("acos"), method("atan")
    sinh, cosh, tanh = method("sinh"), method("cosh"), method("tanh")
    asinh, acosh, atanh = method("asinh"), method("acosh"), method("atanh")
    floor, ceil, trunc, round = method("floor"), method("ceil"), method("trunc"), method("round")
    clip, clamp = method("clip"), method("clip")
    maximum, minimum = method("maximum"), method("minimum")
    sigmoid, relu = method("sigmoid"), method("relu")
    isnan, isinf, isfinite = method("isnan"), method("isinf"), method("isfinite")
    eq, ne, lt = method("equal"), method("not_equal"), method("less")
    le, gt, ge = method("less_equal"), method("greater"), method("greater_equal")
    logical_and, logical_or = method("logical_and"), method("logical_or")
    logical_not, logical_xor = method("logical_not"), method("logical_xor")
    conj, conjugate, angle = method("conj"), method("conj"), method("angle")

    @property
    def real(self) -> Tensor:
        """The real part."""
        return ops.real(self)

    @property
    def imag(self) -> Tensor:
        """The imaginary part."""
        return ops.imag(self)

    def where(self, condition: Any, other: Any) -> Tensor:
        """This tensor's elements where the condition holds, else those of `other`."""
        return ops.where(condition, self, other)

    def masked_fill(self, mask: Any, value: Any) -> Tensor:
        """`value` where the mask is true; these places receive no gradient."""
        return ops.where(mask, value, self)

    # -- many elements to one ------------------------------------------------------------------

    sum, mean, prod = along("sum"), along("mean"), along("prod")
    max, amax, min, amin = along("max"), along("max"), along("min"), along("min")
    var, std, logsumexp = along("var"), along("std"), along("logsumexp")
    any, all = along("any"), along("all")
    argmax, argmin, count_nonzero = along("argmax"), along("argmin"), along("count_nonzero")
    cumsum, cumprod = along("cumulative_sum"), along("cumulative_prod")
    median, softmax, log_softmax = along("median"), along("softmax"), along("log_softmax")

    def norm(self, ord: Any = 2, axis: Any = None, keepdims: Any = False) -> Tensor:
        """The vector norm: of all elements where no axis is named."""
        return ops.vector_norm(self, ord=ord, axis=axis, keepdims=keepdims)

    # -- order ---------------------------------------------------------------------------------

    def sort(self, axis: int = -1, descending: Any = False) -> Tensor:
        """The elements in order along an axis; a new tensor, as in PyTorch."""
        return ops.sort(self, axis=axis, descending=descending)

    def argsort(self, axis: int = -1, descending: Any = False) -> Tensor:
        """The positions of the elements in order along an axis."""
        return ops.argsort(self, axis=axis, descending=descending)

    topk, nonzero, unique = method("topk"), method("nonzero"), method("unique_values")

    # -- shape ---------------------------------------------------------------------------------

    def reshape(self, *shape: Any) -> Tensor:
        """The same elements in another shape; -1 stands for what is left."""
        return ops.reshape(self, one_or_many(shape))

    view = reshape

    def view_as(self, other: Any) -> Tensor:
        """The same elements in the shape of `other`."""
        return ops.reshape(self, other.shape)

    def permute(self, *axes: Any) -> Tensor:
        """The axes in this order."""
        return ops.permute_dims(self, one_or_many(axes))

    def transpose(self, *axes: Any) -> Tensor:
        """Two axes exchanged, as in PyTorch; with none, all in reverse order, as in NumPy."""
        axes = one_or_many(axes)
        return ops.swapaxes(self, *axes) if len(axes) == 2 else ops.permute_dims(self, axes or None)

    def t(self) -> Tensor:
        """A matrix transposed; a vector is left as it is."""
        return ops.permute_dims(self, None)

    def ravel(self) -> Tensor:
        """All elements in one row."""
        return ops.reshape(self, (-1,))

    def expand(self, *shape: Any) -> Tensor:
        """Stretched to a larger shape; -1 keeps an axis, as in PyTorch."""
        wanted = one_or_many(shape)
        have = (1,) * (len(wanted) - self.ndim) + self.shape  # type: ignore[attr-defined]
        return ops.broadcast_to(self, tuple(h if w == -1 else w for h, w in zip(have, wanted)))

    def expand_as(self, other: Any) -> Tensor:
        """Stretched to the shape of `other`."""
        return ops.broadcast_to(self, other.shape)

    def unsqueeze(self, axis: int) -> Tensor:
        """A new axis of size one at this place."""
        return ops.expand_dims(self, axis=axis)

    def flip(self, *axes: Any) -> Tensor:
        """In reverse order along these axes; along all where none is named."""
        return ops.flip(self, axis=one_or_many(axes) or None)

    def roll(self, shift: Any, axis: Any = None) -> Tensor:
        """Moved along an axis, what falls off returning at the other end."""
        return ops.roll(self, shift, axis=axis)

    def swapaxes(self, first: int, second: int) -> Tensor:
        """Two axes exchanged."""
        return ops.swapaxes(self, first, second)

    squeeze, flatten = along("squeeze"), method("flatten")
    split, unbind, diagonal = method("split"), along("unstack"), method("diagonal")
    tril, triu, tile, take = method("tril"), method("triu"), method("tile"), method("take")

    # -- products ------------------------------------------------------------------------------

    matmul, mm, bmm, mv = method("matmul"), method("matmul"), method("matmul"), method("matmul")
    dot, outer = method("dot"), method("outer")

    # -- precision and memory ------------------------------------------------------------------

    def astype(self, dtype: Any, copy: Any = True) -> Tensor:
        """In another dtype; the gradient comes back in this one."""
        return ops.astype(self, dtype, copy=copy)

    def to(self, dtype: Any = None) -> Tensor:
        """In another dtype, by PyTorch's name; "cpu", the one device there is, changes nothing."""
        if isinstance(dtype, str) and dtype.partition(":")[0] in ("cuda", "mps", "xpu", "gpu"):
            return self.to_device(dtype)  # type: ignore[attr-defined]
        if dtype in (None, "cpu"):
            return self  # type: ignore[return-value]
        return ops.astype(self, dtype, copy=False)

    def float(self) -> Tensor:
        """In float32."""
        return ops.astype(self, "float32", copy=False)

    def double(self) -> Tensor:
        """In float64."""
        return ops.astype(self, "float64", copy=False)

    def half(self) -> Tensor:
        """In float16."""
        return ops.astype(self, "float16", copy=False)

    def long(self) -> Tensor:
        """In int64."""
        return ops.astype(self, "int64", copy=False)

    def bool(self) -> Tensor:
        """Which elements are not zero."""
        return ops.astype(self, "bool", copy=False)

    def clone(self) -> Tensor:
        """A copy that stays joined to the graph."""
        return ops.positive(self)

    def contiguous(self) -> Tensor:
        """This tensor: every operation takes any memory layout."""
        return self  # type: ignore[return-value]

    cpu = contiguous

    def dim(self) -> int:
        """How many axes there are."""
        return self.ndim  # type: ignore[attr-defined]

    def numel(self) -> int:
        """How many elements there are."""
        return self.size  # type: ignore[attr-defined]

    # -- in place ------------------------------------------------------------------------------

    def add_(self, other: Any, alpha: Any = 1) -> Tensor:
        """x += alpha · other."""
        return ops.update(self, "+=", ops.add, other if alpha == 1 else other * alpha)

    def sub_(self, other: Any, alpha: Any = 1) -> Tensor:
        """x -= alpha · other."""
        return ops.update(self, "-=", ops.subtract, other if alpha == 1 else other * alpha)

    def mul_(self, other: Any) -> Tensor:
        """x *= other."""
        return ops.update(self, "*=", ops.multiply, other)

    def div_(self, other: Any) -> Tensor:
        """x /= other."""
        return ops.update(self, "/=", ops.divide, other)

    def clamp_(self, min: Any = None, max: Any = None) -> Tensor:
        """Every element kept between the bounds, in place."""
        return self.copy_(ops.clip(self, min, max))

    def copy_(self, other: Any) -> Tensor:
        """The elements of `other`, written here."""
        ops.assign(self, ..., other)
        return self  # type: ignore[return-value]

    def fill_(self, value: Any) -> Tensor:
        """Every element set to `value`."""
        return self.copy_(value)

    def zero_(self) -> Tensor:
        """Every element set to 0."""
        return self.copy_(0)
