"""What every optimiser has in common: parameter groups, state by parameter, saving and loading."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any

import numpy

from localgrad import errors_of_optimisers as errors
from localgrad.construction import Constructed
from localgrad.graph.mutation import note_mutation
from localgrad.graph.record import enable_grad, here
from localgrad.local.operation import as_raw
from localgrad.nn.parameter import Parameter
from localgrad.tensor import Tensor


class Optimizer(Constructed):
    """The base of the optimisers: subclass it, and write `update` for one group.

    `param_groups` are dictionaries of parameters and numbers (`lr`, …), which may be changed
    between steps; `state` holds, by parameter, what the rule remembers.
    """

    param_groups: list[dict[str, Any]]
    state: dict[Any, dict[str, Any]]

    def __init__(self, params: Any, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self.state = {}
        self.param_groups = []
        iterable = isinstance(params, Iterable) and not isinstance(params, Tensor)
        groups: list[Any] = list(params) if iterable else []
        if not groups:
            raise errors.no_parameters(type(self).__name__, params, here())
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters with numbers of their own; what is not given is the optimiser's."""
        given = param_group["params"]
        members = [given] if isinstance(given, Tensor) else list(given)
        if members and isinstance(members[0], tuple):  # named_parameters()
            members = [parameter for _, parameter in members]
        known = {id(p) for group in self.param_groups for p in group["params"]}
        for member in members:
            if not isinstance(member, Tensor):
                raise errors.no_parameters(type(self).__name__, member, here())
            if not member.is_leaf:
                raise errors.not_a_leaf(type(self).__name__, here())
            if id(member) in known:
                raise errors.parameter_twice(type(self).__name__, member.shape, here())
            known.add(id(member))
        group = {**self.defaults, **param_group, "params": members}
        self.check(group)
        self.param_groups.append(group)

    def check(self, group: dict[str, Any]) -> None:
        """Numbers that no rule can use are refused before anything is trained."""
        for name in ("lr", "momentum", "weight_decay", "eps", "alpha", "lr_decay"):
            value = group.get(name, 0)
            if not hasattr(value, "__float__") or not value >= 0:
                raise errors.bad_number(type(self).__name__, name, value, "0 or more", here())
        for value in group.get("betas", ()):
            if not 0 <= value < 1:
                raise errors.bad_number(
                    type(self).__name__, "betas", value, "from 0 to below 1", here()
                )

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if set_to_none:
                    parameter.grad = None
                elif parameter.grad is not None:
                    parameter.grad = Tensor(numpy.zeros_like(parameter.grad.value))

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change every parameter that has a gradient; returns what `closure` returns."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        groups = [[p for p in group["params"] if p.grad is not None] for group in self.param_groups]
        written = [[p.value for p in members] for members in groups]
        if any(written):
            note_mutation(list(chain(*written)), f"{type(self).__name__}.step()")
        for group, members, values in zip(self.param_groups, groups, written):
            if members:
                self.update(group, members, values, [p.grad.value for p in members])
        return loss

    def update(
        self,
        group: dict[str, Any],
        parameters: list[Parameter],
        values: list[Any],
        gradients: list[Any],
    ) -> None:
        """Change `values` in place: the arrays of the group's parameters that have gradients."""
        raise errors.no_update(type(self).__name__)

    def remembered(self, parameters: list[Any], *names: str) -> list[list[Any]]:
        """For each name, the arrays that the parameters' states hold under it; zeros at first."""
        try:
            rows = [self.state[parameter] for parameter in parameters]
            return [[row[name] for row in rows] for name in names]
        except KeyError:  # a parameter's first step
            for parameter in parameters:
                state = self.state.setdefault(parameter, {})
                for name in names:
                    if name not in state:
                        state[name] = numpy.zeros_like(parameter.value)
            return self.remembered(parameters, *names)

    # -- saving and loading --------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """State and groups with parameters numbered, in PyTorch's form."""
        numbers: dict[int, int] = {}
        groups = []
        for group in self.param_groups:
            for parameter in group["params"]:
                numbers.setdefault(id(parameter), len(numbers))
            groups.append(
                {**group, "params": [numbers[id(parameter)] for parameter in group["params"]]}
            )
        state = {
            numbers[id(parameter)]: {
                name: Tensor(value) if isinstance(value, numpy.ndarray) else value
                for name, value in entries.items()
            }
            for parameter, entries in self.state.items()
        }
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a state that `state_dict` returned. Nothing changes unless all fits."""
        name = type(self).__name__
        if not hasattr(state_dict, "keys") or {"state", "param_groups"} - set(state_dict.keys()):
            raise errors.no_optimiser_state(name, here())
        groups = state_dict["param_groups"]
        own = [len(group["params"]) for group in self.param_groups]
        other = [len(group["params"]) for group in groups]
        if own != other:
            raise errors.other_parameters(name, own, other, here())
        parameters = {
            number: parameter
            for group, mine in zip(groups, self.param_groups)
            for number, parameter in zip(group["params"], mine["params"])
        }
        state = {}
        for key, entries in state_dict["state"].items():
            parameter = parameters[int(key)]
            state[parameter] = {k: self._entry(k, v, parameter) for k, v in entries.items()}
        self.state = state
        for group, mine in zip(groups, self.param_groups):
            mine.update({k: v for k, v in group.items() if k != "params"})
            mine.update({k: tuple(v) for k, v in mine.items() if k == "betas"})

    def _entry(self, key: str, value: Any, parameter: Any) -> Any:
        if key == "step":
            return int(value)
        if value is None or not hasattr(value, "shape"):
            return value
        array = as_raw(value)
        if array.shape != parameter.shape:
            raise errors.state_shape(
                type(self).__name__, key, parameter.shape, array.shape, here()
            )
        return numpy.array(array, parameter.dtype)

    def __repr__(self) -> str:
        lines = []
        for number, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {number}")
            lines += [f"    {k}: {v}" for k, v in sorted(group.items()) if k != "params"]
        return f"{type(self).__name__} (\n" + "\n".join(lines) + "\n)"
