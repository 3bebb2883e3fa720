"""The likelihood of a yes or no, whose derivative is not its formula's where that is 0/0."""

from __future__ import annotations

from typing import Any

from localgrad.kernels import reference as xp
from localgrad.local.pointwise import pointwise

LEAST_LOG = -100
LEAST_VARIANCE = 1e-12


def held_log(p: Any) -> Any:
    """log p, but −100 at least: an impossible thing that happened costs a hundred, not ∞."""
    return xp.where(p == 0, LEAST_LOG, xp.maximum(xp.log(xp.where(p == 0, 1, p)), LEAST_LOG))


def held_log_of_rest(p: Any) -> Any:
    """log(1 − p), but −100 at least."""
    return xp.where(p == 1, LEAST_LOG, xp.maximum(xp.log1p(-xp.where(p == 1, 0, p)), LEAST_LOG))


binary_cross_entropy = pointwise(
    "binary_cross_entropy",
    lambda x, target: -(target * held_log(x) + (1 - target) * held_log_of_rest(x)),
    x=lambda x, target: (x - target) / xp.maximum(x * (1 - x), LEAST_VARIANCE),
    target=lambda x: held_log_of_rest(x) - held_log(x),
    doc=(
        "−(t log p + (1−t) log(1−p)), the logarithms held at −100 and p (1−p) at 10⁻¹², as PyTorch "
        "does: a probability that is exactly 0 or 1 has a large gradient, not NaN."
    ),
    example=lambda rng: ((rng.uniform(0.1, 0.9, (3, 4)), rng.uniform(0.1, 0.9, (3, 4))), {}),
)
