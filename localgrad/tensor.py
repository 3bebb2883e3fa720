"""The Tensor: a value, where it came from, and its gradient. No mathematics lives here."""

from __future__ import annotations

import weakref
from typing import Any

import numpy

from localgrad import errors
from localgrad.graph.mutation import note_mutation
from localgrad.graph.node import Node, make_node
from localgrad.graph.record import here, state
from localgrad.graph.reverse import sweep
from localgrad.operators import Operators

ndarray = numpy.ndarray


class Tensor(Operators):
    """An array that remembers which node made it.

    `source` is None for a constant, a leaf node for a value that requires a gradient, and the
    node that computed it otherwise.

    >>> import localgrad as lg
    >>> x = lg.asarray([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    Tensor([2., 4.], dtype=float32)
    """

    __slots__ = ("__weakref__", "grad", "source", "value")
    __array_priority__ = 1000  # `ndarray + Tensor` is a Tensor

    value: ndarray
    source: Node | None
    grad: Tensor | None

    def __init__(self, value: Any, source: Node | None = None) -> None:
        self.value = value if value.__class__ is ndarray else numpy.asarray(value)
        self.source = source
        self.grad = None

    # -- what an array has ---------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape

    @property
    def ndim(self) -> int:
        return self.value.ndim

    @property
    def size(self) -> int:
        return self.value.size

    @property
    def dtype(self) -> numpy.dtype:
        return self.value.dtype

    @property
    def device(self) -> str:
        return "cpu"

    def numpy(self) -> ndarray:
        """The value as a NumPy array (the same memory, no graph)."""
        if state.observer is not None and self.source is not None:
            state.observer.cut(self.source, self.value, "detach", "numpy")
        return self.value

    def item(self) -> Any:
        """The one number this tensor holds, as a Python number."""
        if self.value.size != 1:
            raise errors.not_one_element(self.shape, here())
        return self.value.item()

    def tolist(self) -> Any:
        return self.value.tolist()

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.value.size != 1 or self.value.dtype.kind not in "iu":
            raise errors.no_whole_number(self.value, here())
        return int(self.value.item())

    def __complex__(self) -> complex:
        return complex(self.item())

    def __bool__(self) -> bool:
        if self.value.size != 1:
            raise errors.undecided_truth(self.shape, here())
        return bool(self.value)

    def __len__(self) -> int:
        if self.value.ndim == 0:
            raise errors.no_length(here())
        return len(self.value)

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        text = numpy.array2string(self.value, separator=", ", prefix="Tensor(", threshold=200)
        extra = "" if self.value.dtype == numpy.float64 else f", dtype={self.value.dtype}"
        if self.requires_grad:
            extra += ", requires_grad=True" if self.is_leaf else f", made by {self.node!r}"
        return f"{type(self).__name__}({text}{extra})"

    def _repr_html_(self) -> str:
        from localgrad.report.notebook import tensor_html

        return tensor_html(self)

    def __format__(self, specification: str) -> str:
        return format(self.item(), specification) if specification else repr(self)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> ndarray:
        return numpy.array(self.value, dtype=dtype, copy=copy)

    def __array_namespace__(self, /, *, api_version: str | None = None) -> Any:
        import localgrad

        return localgrad

    def __dlpack__(self, **options: Any) -> Any:
        return self.value.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.value.__dlpack_device__()

    def __reduce__(self) -> Any:
        """Copied and pickled, a leaf is a leaf of its own, without the gradient it has."""
        if self.node is not None:
            raise errors.copy_of_computed(self.node.op.name, self.node.where)
        return restored, (self.value, self.requires_grad)

    def to_device(self, device: str, /, *, stream: Any = None) -> Tensor:
        if device != "cpu":
            raise errors.no_device(device, here())
        return self

    # -- where it came from --------------------------------------------------------------------

    @property
    def node(self) -> Node | None:
        """The computational node that made this value; None for a leaf or a constant."""
        return None if self.source is None or self.source.op is LEAF else self.source

    @property
    def is_leaf(self) -> bool:
        return self.node is None

    @property
    def requires_grad(self) -> bool:
        return self.source is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, value: bool = True) -> Tensor:
        """Mark a leaf as something to be differentiated; returns itself."""
        if not value:
            if self.node is not None:
                raise errors.GraphError(
                    "only a leaf can stop requiring a gradient; write x.detach() for a value "
                    f"that was computed{errors._at(here())}."
                )
            self.source = None
        elif self.source is None:
            if self.value.dtype.kind not in "fc":
                raise errors.integer_leaf(self.value.dtype, here())
            self.source = leaf_node()
            self.source.watch = weakref.ref(self)
        return self

    def detach(self) -> Tensor:
        """The same value outside the graph: no gradient flows back through it."""
        if state.observer is not None and self.source is not None:
            state.observer.cut(self.source, self.value, "detach")
        return Tensor(self.value)

    def retain_grad(self) -> None:
        """Ask for `.grad` on a value that is no leaf."""
        if self.source is None:
            raise errors.no_graph(here())
        self.source.watch = weakref.ref(self)

    def backward(
        self, upstream: Any = None, retain_graph: bool = False, create_graph: bool = False
    ) -> None:
        """Add ∂self/∂leaf, times `upstream`, to `.grad` of every leaf that self depends on.

        `upstream` has this tensor's shape and may be left out for one number, where it is 1.
        With `create_graph` the gradients are themselves recorded, for second derivatives.
        """
        if self.source is None:
            raise errors.no_graph(here())
        start = upstream_for(self, upstream, create_graph)
        with _recording(create_graph):
            sweep(
                {self.source: start},
                retain_graph=retain_graph or create_graph,
                on_tensors=create_graph,
                deliver=deliver,
            )

    # -- names that people know ----------------------------------------------------------------

    __hash__ = object.__hash__

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        return dispatch.ufunc(ufunc, method, inputs, options)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return dispatch.function(function, args, kwargs)


_new = object.__new__


def made_by(node: Node | None, y: ndarray) -> Tensor:
    """Tensor(y, node), of an array: without the class's call, of which a small step has many."""
    tensor = _new(Tensor)
    tensor.value = y
    tensor.source = node
    tensor.grad = None
    return tensor


def restored(value: ndarray, requires_grad: bool) -> Tensor:
    """What `__reduce__` took apart."""
    return Tensor(value).requires_grad_(requires_grad)


def leaf_node() -> Node:
    return make_node(LEAF, (), (), LEAF_PLAN, None, {})


class _recording:
    """Recording switched for a sweep: on where the sweep itself is recorded, off elsewhere."""

    __slots__ = ("before", "enabled")

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled

    def __enter__(self) -> None:
        now = state.__dict__
        self.before, now["enabled"] = now["enabled"], self.enabled
        if now["observer"] is not None:
            now["observer"].began(self.enabled)

    def __exit__(self, kind: object, *_: object) -> None:
        now = state.__dict__
        now["enabled"] = self.before
        if now["observer"] is not None:
            now["observer"].ended(kind is not None)


def upstream_for(output: Tensor, upstream: Any, create_graph: bool) -> Any:
    """The start of a sweep, checked: an array, or a Tensor where the sweep is recorded."""
    if upstream is None:
        value = output.value
        if value.size != 1:
            raise errors.not_scalar(output.shape, here())
        start = numpy.array(1, value.dtype, ndmin=value.ndim)
        return Tensor(start) if create_graph else start
    if not isinstance(upstream, Tensor):
        upstream = Tensor(numpy.asarray(upstream, output.dtype))
    if upstream.shape != output.shape:
        raise errors.upstream_shape(output.shape, upstream.shape, here())
    if create_graph:
        return upstream
    return upstream.value


def deliver(node: Node, gradient: Any, owned: bool) -> None:
    """Add a finished sum to `.grad` of the tensor that watches its node."""
    tensor = node.watch()
    if tensor is None:
        return
    if isinstance(gradient, Tensor):
        tensor.grad = gradient if tensor.grad is None else tensor.grad + gradient
    elif tensor.grad is None:
        # A buffer that others hold too is copied: the next sweep adds into `.grad` in place.
        own = gradient if owned and gradient.__class__ is ndarray else numpy.array(gradient)
        tensor.grad = made_by(None, own)
    elif tensor.grad.source is not None:
        tensor.grad = tensor.grad + gradient
    else:
        note_mutation((tensor.grad.value,), "backward()")
        tensor.grad.value += gradient


def gradients(
    outputs: Any,
    inputs: Any,
    upstream: Any = None,
    retain_graph: bool = False,
    create_graph: bool = False,
    allow_unused: bool = False,
    *,
    fenced: bool = False,
) -> Any:
    """∂outputs/∂inputs, times upstream, summed over the outputs; leaves `.grad` alone.

    `outputs`, `inputs` and `upstream` are tensors or sequences of them; the result is a tensor
    for one input and a tuple for a sequence. An input that no output depends on raises, or gives
    None with `allow_unused`. `fenced` says that no input depends on another, so that the sweep
    need not look behind them.

    >>> import localgrad as lg
    >>> x = lg.asarray(3.0, requires_grad=True)
    >>> lg.gradients(x * x, x)
    Tensor(6., dtype=float32)
    """
    single = isinstance(inputs, Tensor)
    wanted = (inputs,) if single else tuple(inputs)
    if isinstance(outputs, Tensor):
        outputs, upstream = (outputs,), (upstream,)
    elif upstream is None:
        upstream = (None,) * len(outputs)
    starts: dict[Node, Any] = {}
    for output, start in zip(outputs, upstream):
        if output.source is None:
            continue
        begin = upstream_for(output, start, create_graph)
        known = starts.get(output.source)
        starts[output.source] = begin if known is None else known + begin
    sources = {t.source for t in wanted if t.source is not None}
    with _recording(create_graph):
        found = sweep(
            starts,
            retain_graph=retain_graph or create_graph,
            on_tensors=create_graph,
            wanted=sources,
            fence=frozenset(sources) if fenced else frozenset(),
        )
    results = []
    for index, tensor in enumerate(wanted):
        gradient = None if tensor.source is None else found.get(tensor.source)
        if gradient is None and not allow_unused:
            raise errors.unused_input(index, here())
        results.append(
            gradient if gradient is None or isinstance(gradient, Tensor) else Tensor(gradient)
        )
    return results[0] if single else tuple(results)


# Operations return Tensors, and a Tensor's operators are operations: the one circle of imports in
# the house, closed here, after the class that both sides need.
from localgrad import methods, operators, ops  # noqa: E402
from localgrad.local.operation import LEAF, LEAF_PLAN  # noqa: E402
from localgrad.ops import dispatch  # noqa: E402

operators.ops = methods.ops = ops
