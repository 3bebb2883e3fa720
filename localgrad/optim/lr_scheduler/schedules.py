"""How the learning rate changes from step to step.

A schedule is a function of its step count and of the rates the optimiser began with; calling
`step()` moves on by one and writes `lr` into every parameter group.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from localgrad import errors_of_optimisers as errors
from localgrad.graph.record import here
from localgrad.optim.optimizer import Optimizer


class LRScheduler:
    """The base: `rate(base, group)` says the learning rate at step `last_epoch`."""

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        if not isinstance(optimizer, Optimizer):
            raise errors.no_optimiser(type(self).__name__, optimizer, here())
        self.optimizer = optimizer
        for group in optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self.step()

    def rate(self, base: float, number: int) -> float:
        """The learning rate of group `number` at step `last_epoch`."""
        raise errors.no_rate(type(self).__name__)

    def step(self, epoch: int | None = None) -> None:
        """Move on by one step (or to step `epoch`), and set the learning rates."""
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        self.apply()

    def apply(self) -> None:
        """Write the rates of step `last_epoch` into the groups."""
        for number, (group, base) in enumerate(zip(self.optimizer.param_groups, self.base_lrs)):
            group["lr"] = self.rate(base, number)

    def get_last_lr(self) -> list[float]:
        """The rates as they stand."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """The numbers to continue from."""
        return {
            name: value
            for name, value in self.__dict__.items()
            if name != "optimizer" and not callable(value) and not name.startswith("_")
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a state that `state_dict` returned."""
        known = self.state_dict()
        self.__dict__.update({k: v for k, v in state_dict.items() if k in known})


class LambdaLR(LRScheduler):
    """base · lr_lambda(step); one function, or one for each group."""

    def __init__(self, optimizer: Optimizer, lr_lambda: Any, last_epoch: int = -1) -> None:
        several = isinstance(lr_lambda, list | tuple)
        count = len(optimizer.param_groups)
        self._factors: list[Callable[[int], float]] = (
            list(lr_lambda) if several else [lr_lambda] * count
        )
        if len(self._factors) != count:
            raise errors.one_for_each("lr_lambda", len(self._factors), count, here())
        super().__init__(optimizer, last_epoch)

    def rate(self, base: float, number: int) -> float:
        return base * self._factors[number](self.last_epoch)


class StepLR(LRScheduler):
    """base · gamma^⌊step / step_size⌋."""

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def rate(self, base: float, number: int) -> float:
        return base * self.gamma ** (self.last_epoch // self.step_size)


class MultiStepLR(LRScheduler):
    """base · gamma^(how many milestones are past)."""

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Iterable[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:
        self.milestones = sorted(Counter(milestones).elements())
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def rate(self, base: float, number: int) -> float:
        return base * self.gamma ** bisect_right(self.milestones, self.last_epoch)


class ConstantLR(LRScheduler):
    """base · factor for `total_iters` steps, then base."""

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 1 / 3,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        self.factor = factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def rate(self, base: float, number: int) -> float:
        return base * (self.factor if self.last_epoch < self.total_iters else 1)


class LinearLR(LRScheduler):
    """base · a factor that goes from start_factor to end_factor in `total_iters` steps."""

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 < start_factor <= 1:
            raise errors.bad_number(
                "LinearLR", "start_factor", start_factor, "above 0 and at most 1", here()
            )
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def rate(self, base: float, number: int) -> float:
        done = min(self.last_epoch, self.total_iters) / self.total_iters
        return base * (self.start_factor + (self.end_factor - self.start_factor) * done)


class ExponentialLR(LRScheduler):
    """base · gamma^step."""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def rate(self, base: float, number: int) -> float:
        return base * self.gamma**self.last_epoch


class PolynomialLR(LRScheduler):
    """base · (1 − step / total_iters)^power."""

    def __init__(
        self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1
    ) -> None:
        self.total_iters = total_iters
        self.power = power
        super().__init__(optimizer, last_epoch)

    def rate(self, base: float, number: int) -> float:
        return base * (1 - min(self.last_epoch, self.total_iters) / self.total_iters) ** self.power


class CosineAnnealingLR(LRScheduler):
    """eta_min + ½ (base − eta_min) (1 + cos(π · step / T_max)) (Loshchilov and Hutter, 2017)."""

    def __init__(
        self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def rate(self, base: float, number: int) -> float:
        turn = math.cos(math.pi * self.last_epoch / self.T_max)
        return self.eta_min + 0.5 * (base - self.eta_min) * (1 + turn)


class CosineAnnealingWarmRestarts(LRScheduler):
    """Cosine annealing that begins anew after T_0 steps, then T_0·T_mult, and so on."""

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        self.T_0 = T_0
        self.T_mult = T_mult
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def rate(self, base: float, number: int) -> float:
        length, since = self.T_0, self.last_epoch
        while since >= length:
            since -= length
            length *= self.T_mult
        return self.eta_min + 0.5 * (base - self.eta_min) * (1 + math.cos(math.pi * since / length))


class SequentialLR(LRScheduler):
    """One schedule after another: the next begins at each of `milestones`."""

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: Sequence[LRScheduler],
        milestones: Sequence[int],
        last_epoch: int = -1,
    ) -> None:
        if len(milestones) != len(schedulers) - 1:
            raise errors.one_for_each("milestones", len(milestones), len(schedulers) - 1, here())
        self._schedulers = list(schedulers)
        self.milestones = list(milestones)
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"]
        self.optimizer = optimizer
        self.last_epoch = last_epoch + 1
        self._schedulers[0].step(0)

    def step(self, epoch: int | None = None) -> None:
        """Move on by one step."""
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        number = bisect_right(self.milestones, self.last_epoch)
        begun = number > 0 and self.milestones[number - 1] == self.last_epoch
        self._schedulers[number].step(0 if begun else None)

    def state_dict(self) -> dict[str, Any]:
        inner = [scheduler.state_dict() for scheduler in self._schedulers]
        return {**super().state_dict(), "schedulers": inner}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict({k: v for k, v in state_dict.items() if k != "schedulers"})
        for scheduler, state in zip(self._schedulers, state_dict["schedulers"]):
            scheduler.load_state_dict(state)
