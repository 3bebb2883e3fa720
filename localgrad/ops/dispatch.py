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
}
"""NumPy's name of a function where the array namespace has another."""

_by_ufunc: dict[Any, Operation] = {}


def lookup(name: str) -> Any:
    """The function of the public namespace that NumPy calls `name`, or None."""
    import localgrad

    return getattr(localgrad, ALIASES.get(name, name), None) or getattr(
        localgrad.special, name, None
    )


def ufunc(function: Any, method: str, inputs: Any, options: dict[str, Any]) -> Any:
    """A NumPy or SciPy ufunc met a Tensor."""
    if method == "__call__" and not options.get("out"):
        found = _by_ufunc.get(function)
        if found is None:
            found = next(
                (o for o in Operation.registry if o.forward is function), None
            ) or lookup(function.__name__)
            if found is not None:
                _by_ufunc[function] = found
        if found is not None:
            dtype = options.get("dtype")
            result = found(*inputs)
            return result if dtype is None else result.astype(dtype)
    if method == "reduce":
        name = {"add": "sum", "multiply": "prod", "maximum": "max", "minimum": "min"}.get(
            function.__name__
        )
        if name is not None:
            axis = options.get("axis", 0)
            return lookup(name)(inputs[0], axis=axis, keepdims=options.get("keepdims", False))
    raise errors.no_numpy_function(f"{function.__name__}.{method}", here())


def function(function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """A NumPy function that is no ufunc met a Tensor."""
    found = lookup(function.__name__)
    if function.__module__ == "numpy.linalg":
        import localgrad

        found = getattr(localgrad.linalg, function.__name__, None)
    if found is None:
        raise errors.no_numpy_function(function.__name__, here())
    given = {k: v for k, v in kwargs.items() if v is not None}
    if "out" in given:
        raise errors.no_numpy_function(f"{function.__name__}(…, out=…)", here())
    return found(*args, **given)
