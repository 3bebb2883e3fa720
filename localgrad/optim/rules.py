"""The optimisers. Each is one rule, applied in place to all parameters of a group at once."""

from __future__ import annotations

from typing import Any

from localgrad import kernels
from localgrad.optim.optimizer import Optimizer


class SGD(Optimizer):
    """v ← momentum·v + (1−dampening)·g; w ← w − lr·v, with g ← g + weight_decay·w before.

    With `nesterov` the step is g + momentum·v (Sutskever et al., 2013); `maximize` climbs.

    >>> import localgrad as lg
    >>> w = lg.nn.Parameter(lg.asarray([1.0]))
    >>> (w * w).sum().backward()
    >>> lg.optim.SGD([w], lr=0.25).step(); w.tolist()
    [0.5]
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def check(self, group: dict[str, Any]) -> None:
        super().check(group)
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            from localgrad import errors_of_optimisers as errors
            from localgrad.graph.record import here

            raise errors.nesterov(here())

    def update(
        self, group: dict[str, Any], parameters: list[Any], values: list[Any], gradients: list[Any]
    ) -> None:
        velocities: list[Any] | None = None
        momentum = group["momentum"]
        if momentum:
            velocities = []
            for parameter in parameters:
                state = self.state.setdefault(parameter, {})
                velocities.append(state.get("momentum_buffer"))
        kernels.sgd_step(values, gradients, velocities, group)
        if velocities is not None:
            for parameter, velocity in zip(parameters, velocities):
                self.state[parameter]["momentum_buffer"] = velocity


class _Adam(Optimizer):
    decoupled = False

    def __init__(
        self,
        params: Any,
        lr: float,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float,
        amsgrad: bool,
        maximize: bool,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "decoupled_weight_decay": self.decoupled,
        }
        super().__init__(params, defaults)

    def update(
        self, group: dict[str, Any], parameters: list[Any], values: list[Any], gradients: list[Any]
    ) -> None:
        names = ["exp_avg", "exp_avg_sq", *(["max_exp_avg_sq"] if group["amsgrad"] else [])]
        buffers = self.remembered(parameters, *names)
        steps = counted(self, parameters)
        largest = buffers[2] if group["amsgrad"] else None
        kernels.adam_step(values, gradients, buffers[0], buffers[1], largest, steps, group)


class Adam(_Adam):
    """m ← β₁m + (1−β₁)g; v ← β₂v + (1−β₂)g²; w ← w − lr · m̂ / (√v̂ + eps).

    m̂ and v̂ are m and v divided by 1−βᵗ (Kingma and Ba, 2015). `weight_decay` is added to g.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize)


class AdamW(_Adam):
    """Adam whose weight decay shrinks w by lr · weight_decay apart from g.

    Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (2019).
    """

    decoupled = True

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize)


class RMSprop(Optimizer):
    """s ← alpha·s + (1−alpha)·g²; w ← w − lr · g / (√s + eps) (Hinton, 2012).

    With `centered` the mean of g is taken from s; with momentum the step is gathered as in SGD.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def update(
        self, group: dict[str, Any], parameters: list[Any], values: list[Any], gradients: list[Any]
    ) -> None:
        counted(self, parameters)
        (squares,) = self.remembered(parameters, "square_avg")
        velocities = means = None
        if group["momentum"] > 0:
            (velocities,) = self.remembered(parameters, "momentum_buffer")
        if group["centered"]:
            (means,) = self.remembered(parameters, "grad_avg")
        kernels.rmsprop_step(values, gradients, squares, velocities, means, group)


class Adagrad(Optimizer):
    """s ← s + g²; w ← w − lr/(1 + (t−1)·lr_decay) · g / (√s + eps) (Duchi et al., 2011)."""

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def update(
        self, group: dict[str, Any], parameters: list[Any], values: list[Any], gradients: list[Any]
    ) -> None:
        fresh = [p for p in parameters if "sum" not in self.state.get(p, {})]
        (sums,) = self.remembered(parameters, "sum")
        for parameter in fresh:
            self.state[parameter]["sum"].fill(group["initial_accumulator_value"])
        steps = counted(self, parameters)
        kernels.adagrad_step(values, gradients, sums, steps, group)


def counted(optimiser: Optimizer, parameters: list[Any]) -> list[int]:
    """How many steps each parameter has seen, this one included."""
    steps = []
    for parameter in parameters:
        state = optimiser.state.setdefault(parameter, {})
        state["step"] = state.get("step", 0) + 1
        steps.append(state["step"])
    return steps
