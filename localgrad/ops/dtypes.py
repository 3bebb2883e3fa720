"""Dtypes: NumPy's, by the array API's names, with the default that lists of floats get."""

from __future__ import annotations

from typing import Any

import numpy

from localgrad.tensor import Tensor

bool = numpy.dtype("bool")
int8, int16 = numpy.dtype("int8"), numpy.dtype("int16")
int32, int64 = numpy.dtype("int32"), numpy.dtype("int64")
uint8, uint16 = numpy.dtype("uint8"), numpy.dtype("uint16")
uint32, uint64 = numpy.dtype("uint32"), numpy.dtype("uint64")
float16, float32, float64 = (numpy.dtype(n) for n in ("float16", "float32", "float64"))
complex64, complex128 = numpy.dtype("complex64"), numpy.dtype("complex128")

STANDARD = {
    "bool": (bool,),
    "signed integer": (int8, int16, int32, int64),
    "unsigned integer": (uint8, uint16, uint32, uint64),
    "real floating": (float32, float64),
    "complex floating": (complex64, complex128),
}
"""The array API's dtypes by kind. float16 is ours besides."""


def _raw(x: Any) -> Any:
    return x.value if isinstance(x, Tensor) else x


def result_type(*arrays_and_dtypes: Any) -> Any:
    """The dtype that an operation on these arrays, dtypes and Python scalars has.

    A Python scalar never promotes.

    >>> import localgrad as lg
    >>> lg.result_type(lg.float32, lg.float64), lg.result_type(lg.asarray([1.0]), 2.5)
    (dtype('float64'), dtype('float32'))
    """
    return numpy.result_type(*[_raw(a) for a in arrays_and_dtypes])


def can_cast(from_: Any, to: Any, /) -> Any:
    """Whether a dtype, or an array's, goes into `to` without loss.

    >>> import localgrad as lg
    >>> lg.can_cast(lg.float32, lg.float64), lg.can_cast(lg.float64, lg.float32)
    (True, False)
    """
    return numpy.can_cast(from_.dtype if hasattr(from_, "dtype") else from_, to)


def isdtype(dtype: Any, kind: Any) -> Any:
    """Whether a dtype is of a kind: "real floating", "integral", "numeric", a dtype, or a tuple.

    >>> import localgrad as lg
    >>> lg.isdtype(lg.float32, "real floating"), lg.isdtype(lg.int8, ("bool", lg.int8))
    (True, True)
    """
    return numpy.isdtype(numpy.dtype(dtype), kind)


def finfo(type: Any, /) -> Any:
    """The limits of a floating dtype, or of an array's: bits, eps, max, min, smallest_normal.

    >>> import localgrad as lg
    >>> lg.finfo(lg.float32).bits
    32
    """
    return numpy.finfo(_raw(type).dtype if hasattr(type, "dtype") else type)


def iinfo(type: Any, /) -> Any:
    """The limits of an integer dtype, or of an array's: bits, max, min.

    >>> import localgrad as lg
    >>> int(lg.iinfo(lg.int8).max)
    127
    """
    return numpy.iinfo(_raw(type).dtype if hasattr(type, "dtype") else type)


class NamespaceInfo:
    """What this namespace can do, as the array API asks it."""

    def capabilities(self) -> dict[str, Any]:
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self) -> str:
        return "cpu"

    def devices(self) -> list[str]:
        return ["cpu"]

    def default_dtypes(self, *, device: Any = None) -> dict[str, Any]:
        return {
            "real floating": float32,
            "complex floating": complex64,
            "integral": int64,
            "indexing": int64,
        }

    def dtypes(self, *, device: Any = None, kind: Any = None) -> dict[str, Any]:
        """The standard's dtypes by name, of one kind or of a tuple of kinds."""
        known = [d for family in STANDARD.values() for d in family]
        return {d.name: d for d in known if kind is None or isdtype(d, kind)}


def __array_namespace_info__() -> NamespaceInfo:
    """What this namespace can do: capabilities, devices, dtypes and their defaults.

    >>> import localgrad as lg
    >>> lg.__array_namespace_info__().default_dtypes()["real floating"]
    dtype('float32')
    """
    return NamespaceInfo()
