"""When a number becomes a finding. Every threshold is documented here and can be set."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from difflib import get_close_matches
from typing import Any


def _threshold(default: float, meaning: str) -> Any:
    return field(default=default, metadata={"meaning": meaning})


@dataclass(slots=True, frozen=True)
class Thresholds:
    """``Ledger(model, thresholds={"vanishing": 1e-6})`` sets one and leaves the others.

    >>> Thresholds().vanishing
    0.0001
    >>> Thresholds.read({"vanishing": 1e-6}).vanishing
    1e-06
    """

    vanishing: float = _threshold(
        1e-4,
        "gradient norm at a layer, relative to the largest nearer to the loss, below which"
        " it vanishes",
    )
    vanishing_error: float = _threshold(1e-8, "the same, below which vanishing is an error")
    vanishing_in_time: float = _threshold(
        1e-8, "the same from one unrolled time step to another, where decay is part of the design"
    )
    exploding: float = _threshold(
        1e4,
        "gradient norm at a layer, relative to the smallest nearer to the loss, above which"
        " it explodes",
    )
    exploding_error: float = _threshold(1e8, "the same, above which exploding is an error")
    exploding_gain: float = _threshold(
        1e4, "norm sent back / norm that arrived, above which a single operation explodes"
    )
    exploding_update: float = _threshold(
        1e4, "norm of a parameter's gradient / norm of the parameter, above which it explodes"
    )
    dead_units: float = _threshold(
        0.5, "share of units that are zero for the entire batch, above which a layer is dying"
    )
    dead_units_error: float = _threshold(0.95, "the same, above which the layer is dead")
    saturated_units: float = _threshold(
        0.5, "share of units whose local gradient is almost zero, above which a layer saturates"
    )
    saturated_local: float = _threshold(
        0.01, "local gradient / its largest possible value, below which an element is saturated"
    )
    saturated_batch: float = _threshold(
        0.95, "share of the batch in which a unit's elements must be saturated to count the unit"
    )
    fewest_examples: float = _threshold(
        8, "examples a unit must have been seen on before it can be called dead or saturated"
    )
    cancelling: float = _threshold(
        1e-3, "‖sum of contributions‖ / sum of their norms, below which they cancel"
    )
    imbalance: float = _threshold(
        64,
        "‖Σ contributions − upstream‖ / Σ‖contribution‖, in units of the dtype's rounding"
        " times the square root of the number of contributions, above which the sum is wrong",
    )
    mismatch: float = _threshold(
        1e-3, "relative difference between a node's backward and its own forward (in the audit)"
    )

    @classmethod
    def read(cls, given: dict[str, float] | Thresholds | None) -> Thresholds:
        """Return the thresholds with those in ``given`` replaced; an unknown name raises."""
        if isinstance(given, Thresholds):
            return given
        if not given:
            return _DEFAULTS
        known = [item.name for item in fields(cls)]
        for name in given:
            if name not in known:
                close = get_close_matches(name, known, 1)
                hint = f"; did you mean {close[0]!r}?" if close else f"; known: {known}"
                raise ValueError(f"there is no threshold {name!r}{hint}")
        return cls(**given)

    def as_dict(self) -> dict[str, float]:
        """Return the thresholds by name, as the ledger's JSON holds them."""
        return asdict(self)


_DEFAULTS = Thresholds()


def table() -> str:
    """Return the Markdown table of ``docs/ledger.md``."""
    rows = ["| threshold | default | meaning |", "|---|---|---|"]
    rows += [
        f"| `{item.name}` | {item.default:g} | {item.metadata['meaning']} |"
        for item in fields(Thresholds)
    ]
    return "\n".join(rows)
