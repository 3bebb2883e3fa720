"""The messages of optimisers and schedules: what is wrong, where, and how to mend it."""

from __future__ import annotations

from typing import Any

from localgrad.errors import DeclarationError, GraphError, ShapeError, _at, _describe
from localgrad.errors_of_modules import StateError


def no_parameters(optimiser: str, given: Any, where: str) -> DeclarationError:
    """An optimiser was given something else than parameters."""
    return DeclarationError(
        f"{optimiser} takes an iterable of parameters, or of groups; got {_describe(given)}"
        f"{_at(where)}.\n"
        f"  Write optim.{optimiser}(model.parameters(), lr=…). An empty iterable is often "
        "a generator that was used up, or a model with its layers in a plain list: nn.ModuleList."
    )


def not_a_leaf(optimiser: str, where: str) -> GraphError:
    """An optimiser cannot change a value that was computed."""
    return GraphError(
        f"{optimiser} can only change leaves; one of these tensors was computed{_at(where)}.\n"
        "  Give it the parameters themselves, before any operation."
    )


def parameter_twice(optimiser: str, shape: Any, where: str) -> DeclarationError:
    """One parameter in two places would be changed twice a step."""
    return DeclarationError(
        f"a parameter of shape {shape} was given to {optimiser} more than once{_at(where)}; "
        "each belongs in one group, once."
    )


def bad_number(owner: str, name: str, value: Any, allowed: str, where: str) -> DeclarationError:
    """A number that no rule can use."""
    return DeclarationError(f"{owner}: {name}={value!r} must be {allowed}{_at(where)}.")


def nesterov(where: str) -> DeclarationError:
    """Nesterov's step needs a momentum."""
    return DeclarationError(f"SGD: nesterov=True needs momentum > 0 and dampening=0{_at(where)}.")


def no_update(optimiser: str) -> DeclarationError:
    """An optimiser without a rule was stepped."""
    return DeclarationError(
        f"{optimiser} has no `update`; write `def update(self, group, parameters, values, "
        "gradients)`, which changes `values` in place."
    )


def no_optimiser_state(optimiser: str, where: str) -> StateError:
    """Something else than an optimiser's state was loaded."""
    return StateError(
        f"{optimiser}.load_state_dict takes what state_dict() returned, with 'state' and "
        f"'param_groups'{_at(where)}; nothing was loaded."
    )


def other_parameters(optimiser: str, own: Any, other: Any, where: str) -> StateError:
    """An optimiser's state for other parameters."""
    return StateError(
        f"this state is of groups of {other} parameters, {optimiser} has groups of {own}"
        f"{_at(where)}; nothing was loaded.\n"
        "  Make the optimiser with the same groups as the one that was saved."
    )


def state_shape(optimiser: str, name: str, own: Any, got: Any, where: str) -> StateError:
    """A remembered array that is not shaped like its parameter."""
    return StateError(
        f"{optimiser}: `{name}` has shape {got}, its parameter {own}{_at(where)}; "
        "nothing was loaded."
    )


def no_optimiser(schedule: str, given: Any, where: str) -> DeclarationError:
    """A schedule of something else than an optimiser."""
    return DeclarationError(
        f"{schedule} takes an optimiser first; got {type(given).__name__}{_at(where)}."
    )


def no_rate(schedule: str) -> DeclarationError:
    """A schedule that does not say its rate."""
    return DeclarationError(
        f"{schedule} has no `rate`; write `def rate(self, base, number): return ...`."
    )


def one_for_each(name: str, got: int, expected: int, where: str) -> DeclarationError:
    """A list of the wrong length."""
    return DeclarationError(f"{name}: {got} were given, {expected} are needed{_at(where)}.")


def no_total_steps(where: str) -> DeclarationError:
    """OneCycleLR has to know its end."""
    return DeclarationError(
        f"OneCycleLR needs total_steps, or epochs and steps_per_epoch{_at(where)}."
    )


def schedule_is_over(total: int, where: str) -> DeclarationError:
    """A step after the last."""
    return DeclarationError(
        f"this OneCycleLR was made for {total} steps, and all are done{_at(where)}; "
        "make it with a larger total_steps."
    )


def no_metric(where: str) -> DeclarationError:
    """ReduceLROnPlateau without something to watch."""
    return DeclarationError(
        f"ReduceLROnPlateau.step takes the metric it watches{_at(where)}: scheduler.step(loss)."
    )


def nonfinite_norm(total: float, where: str) -> GraphError:
    """Gradients that clipping cannot mend."""
    return GraphError(
        f"the gradients' norm is {total}{_at(where)}; nothing was changed.\n"
        "  with lg.Ledger() as ledger: … ledger.findings() says at which node it was born."
    )


def vector_size(got: int, expected: int, where: str) -> ShapeError:
    """A vector that is not as long as all parameters together."""
    return ShapeError(
        f"the vector has {got} elements, the parameters together {expected}{_at(where)}."
    )
