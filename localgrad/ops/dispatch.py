"""`np.exp(tensor)` and `np.sum(tensor)`: NumPy's own functions on Tensors become operations."""

from __future__ import annotations

from typing import Any

from localgrad import errors
from localgrad.graph.record import here
from localgrad.local.operation import Operation

ALIASES = {
    "concatenate": "concat",
    "transpose": "permute_dims",
    "amax": "max",
    "amin": "min",
    "absolute": "abs",
    "true_divide": "divide",
    "power": "pow",
    "arcsin": "asin",
    "arccos": "acos",
    "arctan": "atan",
    "arcsinh": "asinh",
    "arccosh": "acosh",
    "arctanh": "atanh",
    "arctan2": "atan2",
    "left_shift": "bitwise_left_shift",
    "right_shift": "bitwise_right_shift",
    "invert": "bitwise_invert",
    "conjugate": "conj",
    "fabs": "abs",
    "rint": "round",
    "around": "round",
    "radians": "deg2rad",
    "degrees": "rad2deg",
}
"""NumPy's name of a function where the array namespace has another."""

KEYWORDS = {"ddof": "correction", "a_min": "min", "a_max": "max"}
"""NumPy's name of an option where the array namespace has another."""

REDUCTIONS = {
    "add": "sum",
    "multiply": "prod",
    "maximum": "max",
    "minimum": "min",
    "logical_and": "all",
    "logical_or": "any",
    "logaddexp": "logsumexp",
}
"""What repeating a ufunc along an axis is called."""

ROOMS = ("fft", "linalg")
"""NumPy's modules whose functions live in a room of the same name."""

ATTRIBUTES = frozenset(("ndim", "shape", "size"))

_by_ufunc: dict[Any, Any] = {}


def lookup(name: str) -> Any:
    """The function of the public namespace that NumPy or SciPy calls `name`, or None."""
    import localgrad

    known = ALIASES.get(name, name)
    names: dict[str, Any] = vars(localgrad)
    return names.get(known) or getattr(localgrad.special, name, None)


def ufunc(function: Any, method: str, inputs: Any, options: dict[str, Any]) -> Any:
    """A NumPy or SciPy ufunc met a Tensor."""
    if method == "__call__" and not options.get("out"):
        found = _by_ufunc.get(function)
        if found is None:
            found = lookup(function.__name__.lstrip("_")) or next(
                (o for o in Operation.registry if o.forward is function), None
            )
            if found is not None:
                _by_ufunc[function] = found
        if found is not None:
            dtype = options.get("dtype")
            result = found(*inputs)
            return result if dtype is None else result.astype(dtype)
    name = REDUCTIONS.get(function.__name__)
    if method == "reduce" and name is not None:
        axis = options.get("axis", 0)
        return lookup(name)(inputs[0], axis=axis, keepdims=options.get("keepdims", False))
    raise errors.no_numpy_function(f"{function.__name__}.{method}", here())


def function(function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """A NumPy function that is no ufunc met a Tensor."""
    import localgrad

    name = function.__name__
    room = function.__module__.rpartition(".")[2]
    if name in ATTRIBUTES and len(args) == 1:
        return getattr(args[0], name)
    found = getattr(getattr(localgrad, room), name, None) if room in ROOMS else lookup(name)
    if found is None:
        raise errors.no_numpy_function(name, here())
    given = {KEYWORDS.get(k, k): v for k, v in kwargs.items() if v is not None}
    if "out" in given:
        raise errors.no_numpy_function(f"{name}(…, out=…)", here())
    return found(*args, **given)
