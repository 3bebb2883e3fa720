"""What users make by calling a class: arguments it does not take are refused with those it does."""

from __future__ import annotations

import inspect
from functools import lru_cache
from typing import Any, TypeVar

from localgrad import errors_of_modules as errors
from localgrad.graph.record import here

Self = TypeVar("Self", bound="Constructed")


class Constructed:
    """The base of modules, optimisers, loaders and ledgers.

    Python calls `__new__` with the arguments that `__init__` is going to get. A copy and a pickle
    call it without any, so there is nothing to look at then.
    """

    def __new__(cls: type[Self], *arguments: Any, **options: Any) -> Self:
        if arguments or options:
            signature = _signature(cls)  # type: ignore[arg-type]
            try:
                signature.bind(*arguments, **options)
            except TypeError as cause:
                raise errors.wrong_arguments(
                    cls.__name__, cause, signature, options, here()
                ) from None
        return super().__new__(cls)


@lru_cache(maxsize=256)
def _signature(cls: Any) -> inspect.Signature:
    """Of its `__init__`, without `self`."""
    whole = inspect.signature(cls.__init__)
    return whole.replace(parameters=list(whole.parameters.values())[1:])
