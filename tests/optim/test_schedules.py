"""Every schedule against PyTorch's, step by step; states that continue."""

import warnings
from typing import Any

import pytest

import localgrad as lg
from localgrad.errors import LocalgradError

torch = pytest.importorskip("torch")

SCHEDULES = {
    "StepLR": lambda s, o: s.StepLR(o, 4, gamma=0.5),
    "MultiStepLR": lambda s, o: s.MultiStepLR(o, [3, 8, 8], gamma=0.3),
    "ExponentialLR": lambda s, o: s.ExponentialLR(o, 0.9),
    "ConstantLR": lambda s, o: s.ConstantLR(o, factor=0.25, total_iters=6),
    "LinearLR": lambda s, o: s.LinearLR(o, start_factor=0.1, total_iters=7),
    "PolynomialLR": lambda s, o: s.PolynomialLR(o, total_iters=9, power=2.0),
    "CosineAnnealingLR": lambda s, o: s.CosineAnnealingLR(o, T_max=8, eta_min=1e-3),
    "CosineAnnealingWarmRestarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 3, 2),
    "LambdaLR": lambda s, o: s.LambdaLR(o, lambda step: 1 / (step + 1)),
    "LambdaLR per group": lambda s, o: s.LambdaLR(o, [lambda step: 0.9**step, lambda step: 1.0]),
    "OneCycleLR": lambda s, o: s.OneCycleLR(o, max_lr=[0.5, 0.2], total_steps=20),
    "OneCycleLR linear": lambda s, o: s.OneCycleLR(
        o, 0.5, epochs=5, steps_per_epoch=4, anneal_strategy="linear", three_phase=True,
        pct_start=0.4, div_factor=10.0, final_div_factor=100.0,
    ),
    "SequentialLR": lambda s, o: s.SequentialLR(
        o,
        [s.LinearLR(o, 0.1, total_iters=4), s.CosineAnnealingLR(o, 10), s.ConstantLR(o, 0.5, 3)],
        milestones=[4, 12],
    ),
}  # fmt: skip


def optimisers(kind: str = "SGD", **options: Any) -> tuple[Any, Any]:
    made = []
    for library, one in ((lg, lg.nn.Parameter(lg.ones(2))), (torch, torch.ones(2))):
        other = lg.nn.Parameter(lg.ones(2)) if library is lg else torch.ones(2)
        groups = [{"params": [one]}, {"params": [other], "lr": 0.3}]
        made.append(getattr(library.optim, kind)(groups, lr=0.1, **options))
    return made[0], made[1]


def numbers(optimiser: Any) -> list[Any]:
    names = ("lr", "momentum", "betas")
    return [group[name] for group in optimiser.param_groups for name in names if name in group]


@pytest.fixture(autouse=True)
def steps_without_training() -> Any:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Detected call of `lr_scheduler")
        warnings.filterwarnings("ignore", "The epoch parameter")
        yield


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("kind", ["SGD", "AdamW"])
def test_a_schedule_agrees_with_pytorch(name: str, kind: str) -> None:
    ours, theirs = optimisers(kind, **({"momentum": 0.9} if kind == "SGD" else {}))
    mine = SCHEDULES[name](lg.optim.lr_scheduler, ours)
    other = SCHEDULES[name](torch.optim.lr_scheduler, theirs)
    for step in range(19):
        for a, b in zip(numbers(ours), numbers(theirs)):
            assert a == pytest.approx(b, rel=1e-12), step
        assert mine.get_last_lr() == pytest.approx(other.get_last_lr(), rel=1e-12)
        mine.step(), other.step()


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_state_continues(name: str) -> None:
    ours, again = optimisers(momentum=0.9)[0], optimisers(momentum=0.9)[0]
    mine = SCHEDULES[name](lg.optim.lr_scheduler, ours)
    for _ in range(6):
        mine.step()
    resumed = SCHEDULES[name](lg.optim.lr_scheduler, again)
    resumed.load_state_dict(mine.state_dict())
    again.load_state_dict(ours.state_dict())
    for _ in range(12):
        mine.step(), resumed.step()
        assert numbers(ours) == numbers(again)


@pytest.mark.parametrize(
    "options",
    [
        {"patience": 2},
        {"patience": 1, "mode": "max", "factor": 0.5, "min_lr": [0.01, 0.2]},
        {"patience": 0, "threshold": 0.05, "threshold_mode": "abs", "cooldown": 2},
    ],
)
def test_a_plateau_lowers_the_rate_as_in_pytorch(options: Any) -> None:
    ours, theirs = optimisers()
    mine = lg.optim.lr_scheduler.ReduceLROnPlateau(ours, **options)
    other = torch.optim.lr_scheduler.ReduceLROnPlateau(theirs, **options)
    for metric in [1.0, 0.9, 0.91, 0.92, 0.93, 0.5, 0.5, 0.5, 0.52, 0.5, 0.49999, 0.6, 0.7, 0.8]:
        mine.step(metric), other.step(metric)
        assert mine.get_last_lr() == pytest.approx(other.get_last_lr())


def test_what_a_schedule_cannot_use_is_refused() -> None:
    schedules, optimiser = lg.optim.lr_scheduler, optimisers()[0]
    for message, build in {
        "takes an optimiser": lambda: schedules.StepLR(lg.ones(1), 3),
        "2 are needed": lambda: schedules.LambdaLR(optimiser, [abs]),
        "epochs and steps_per_epoch": lambda: schedules.OneCycleLR(optimiser, 0.1),
        "Did you mean 'linear'": lambda: schedules.OneCycleLR(
            optimiser, 0.1, 5, anneal_strategy="liner"
        ),
        "factor=2 must be below 1": lambda: schedules.ReduceLROnPlateau(optimiser, factor=2),
        "takes the metric": lambda: schedules.ReduceLROnPlateau(optimiser).step(),
    }.items():
        with pytest.raises(LocalgradError, match=message):
            build()
    cycle = schedules.OneCycleLR(optimiser, 0.1, total_steps=3, cycle_momentum=False)
    for _ in range(3):  # PyTorch lets the step after the last one pass, too
        cycle.step()
    with pytest.raises(LocalgradError, match="all are done"):
        cycle.step()
