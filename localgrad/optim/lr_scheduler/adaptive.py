"""The one-cycle policy, which also moves momentum, and the schedule that watches a metric."""

from __future__ import annotations

import math
from typing import Any

from localgrad import errors_of_optimisers as errors
from localgrad.errors import unknown_choice
from localgrad.graph.record import here
from localgrad.optim.lr_scheduler.schedules import LRScheduler
from localgrad.optim.optimizer import Optimizer


class OneCycleLR(LRScheduler):
    """Up from max_lr/div_factor to max_lr, then down to a fraction of where it began.

    Momentum, where the optimiser has one, goes the other way (Smith and Topin, 2018).
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: Any,
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: Any = 0.85,
        max_momentum: Any = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise errors.no_total_steps(here())
            total_steps = epochs * steps_per_epoch
        if anneal_strategy not in ("cos", "linear"):
            raise unknown_choice(
                "anneal_strategy", anneal_strategy, ["cos", "linear"], here()
            )
        self.total_steps = total_steps
        self.anneal_strategy = anneal_strategy
        self.cycle_momentum = cycle_momentum
        count = len(optimizer.param_groups)
        self.max_lrs = _for_each("max_lr", max_lr, count)
        self.lows = [rate / div_factor for rate in self.max_lrs]
        self.ends = [low / final_div_factor for low in self.lows]
        self.base_momenta = _for_each("base_momentum", base_momentum, count)
        self.max_momenta = _for_each("max_momentum", max_momentum, count)
        top = pct_start * total_steps - 1
        self.turns = [top, 2 * top] if three_phase else [top]
        self.turns.append(total_steps - 1)
        if last_epoch == -1:
            for group, low in zip(optimizer.param_groups, self.lows):
                group["lr"] = group["initial_lr"] = low
        super().__init__(optimizer, last_epoch)

    def between(self, corners: list[float]) -> float:
        """The value at this step on the way along `corners`, one of them at each turn."""
        begin = 0.0
        for end, low, high in zip(self.turns, corners, corners[1:]):
            if self.last_epoch <= end or end == self.turns[-1]:
                part = (self.last_epoch - begin) / (end - begin)
                if self.anneal_strategy == "linear":
                    return low + (high - low) * part
                return high + (low - high) / 2 * (1 + math.cos(math.pi * part))
            begin = end
        return corners[-1]

    def rate(self, base: float, number: int) -> float:
        low, top, end = self.lows[number], self.max_lrs[number], self.ends[number]
        return self.between([low, top, low, end] if len(self.turns) == 3 else [low, top, end])

    def apply(self) -> None:
        """Write the rates and momenta of step `last_epoch` into the groups."""
        if self.last_epoch > self.total_steps:
            raise errors.schedule_is_over(self.total_steps, here())
        super().apply()
        if not self.cycle_momentum:
            return
        for number, group in enumerate(self.optimizer.param_groups):
            low, high = self.base_momenta[number], self.max_momenta[number]
            corners = [high, low, high, high] if len(self.turns) == 3 else [high, low, high]
            if "betas" in group:
                group["betas"] = (self.between(corners), *group["betas"][1:])
            elif "momentum" in group:
                group["momentum"] = self.between(corners)


def _for_each(name: str, value: Any, count: int) -> list[float]:
    values = list(value) if isinstance(value, list | tuple) else [value] * count
    if len(values) != count:
        raise errors.one_for_each(name, len(values), count, here())
    return values


class ReduceLROnPlateau(LRScheduler):
    """lr · factor when a metric has not improved for more than `patience` steps."""

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: Any = 0,
        eps: float = 1e-8,
    ) -> None:
        if factor >= 1:
            raise errors.bad_number("ReduceLROnPlateau", "factor", factor, "below 1", here())
        for name, value, known in (
            ("mode", mode, ["min", "max"]),
            ("threshold_mode", threshold_mode, ["rel", "abs"]),
        ):
            if value not in known:
                raise unknown_choice(name, value, known, here())
        self.optimizer = optimizer
        self.mode = mode
        self.factor = factor
        self.patience = patience
        self.threshold = threshold
        self.threshold_mode = threshold_mode
        self.cooldown = cooldown
        self.min_lrs = _for_each("min_lr", min_lr, len(optimizer.param_groups))
        self.eps = eps
        self.last_epoch = 0
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = 0
        self.cooldown_counter = 0

    def is_better(self, metric: float) -> bool:
        """Whether a metric improves on the best by more than the threshold."""
        sign = -1 if self.mode == "min" else 1
        if self.threshold_mode == "rel":
            if math.isinf(self.best):
                return sign * metric > sign * self.best
            return sign * metric > sign * self.best * (1 + sign * self.threshold)
        return sign * metric > sign * self.best + self.threshold

    def step(self, metrics: Any = None, epoch: int | None = None) -> None:  # type: ignore[override]
        """Look at this step's metric, and lower the rates if it has stalled."""
        if metrics is None:
            raise errors.no_metric(here())
        metric = float(metrics)
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        if self.is_better(metric):
            self.best = metric
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            for group, least in zip(self.optimizer.param_groups, self.min_lrs):
                lower = max(group["lr"] * self.factor, least)
                if group["lr"] - lower > self.eps:
                    group["lr"] = lower
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0
