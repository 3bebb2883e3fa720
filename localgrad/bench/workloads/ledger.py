"""What recording costs: training steps with a ledger open, over the same steps without one."""

from __future__ import annotations

from typing import Any

from localgrad.bench.training import Builder, Training, images, with_localgrad
from localgrad.bench.workload import Running, Workload
from localgrad.bench.workloads import gpt


def digits(nn: Any) -> Any:
    """A convolutional network for 8×8 digits."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(1024, 128),
        nn.ReLU(),
        nn.Linear(128, 10),
    )


TRAININGS = {
    "digits": Training(
        digits,
        {
            "0.weight": (32, 1, 3, 3),
            "0.bias": (32,),
            "2.weight": (64, 32, 3, 3),
            "2.bias": (64,),
            "6.weight": (128, 1024),
            "6.bias": (128,),
            "8.weight": (10, 128),
            "8.bias": (10,),
        },
        ("Adam", {"lr": 1e-3}),
        lambda: images((64, 1, 8, 8), 10),
    ),
    "transformer": gpt.TRAINING,
}


def at(level: str) -> Builder:
    """A step recorded at that level; not at all for "plain"."""

    def record(model: Any) -> Any:
        import localgrad as lg

        return lg.Ledger(model, level=level)

    def build(case: str) -> Running:
        return with_localgrad(TRAININGS[case], None if level == "plain" else record)(case)

    return build


WORKLOAD = Workload(
    "ledger",
    "a training step recorded by the ledger, over the plain step",
    {f"localgrad {level}": at(level) for level in ("plain", "norms", "edges")},
    reference="localgrad plain",
    targets={"localgrad norms": 1.15, "localgrad edges": 1.40},
    cases=tuple(TRAININGS),
)
