"""A tensor that a module owns and an optimiser changes."""

from __future__ import annotations

from typing import Any

import numpy

from localgrad.local.operation import as_raw
from localgrad.tensor import Tensor


class Parameter(Tensor):
    """A leaf that a Module finds by itself when it is assigned as an attribute.

    >>> import localgrad as lg
    >>> layer = lg.nn.Module()
    >>> layer.scale = lg.nn.Parameter(lg.asarray([1.0, 2.0]))
    >>> [name for name, _ in layer.named_parameters()]
    ['scale']
    """

    __slots__ = ()

    def __init__(self, data: Any = None, requires_grad: bool = True) -> None:
        super().__init__(numpy.zeros(0, "float32") if data is None else as_raw(data))
        if requires_grad:
            self.requires_grad_()

    @property
    def data(self) -> Tensor:
        """The same memory outside the graph; assigning replaces the value, as in PyTorch."""
        return Tensor(self.value)

    @data.setter
    def data(self, value: Any) -> None:
        self.value = as_raw(value)

    def __reduce__(self) -> Any:
        return type(self), (self.value, self.requires_grad)

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__().replace("Parameter(", "Tensor(", 1)
