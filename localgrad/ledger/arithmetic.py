"""The bookkeeper's arithmetic, on plain numbers: share, cosine, gain, balance.

Whoever measured the arrays (NumPy here, torch there) hands over squares and inner products in
double precision; what they mean is decided in this one place.
"""

from __future__ import annotations

import math

from localgrad.ledger.model import EdgeRecord, NodeRecord

# The spacing of numbers just above 1.
ROUNDING = {
    "float16": 2.0**-10,
    "bfloat16": 2.0**-7,
    "float32": 2.0**-23,
    "float64": 2.0**-52,
    "complex64": 2.0**-23,
    "complex128": 2.0**-52,
}
_ROUNDING_ERRORS = 16  # a sum this many roundings from zero counts as zero


def rounding(dtype: str) -> float:
    """The relative rounding error of a dtype, by its NumPy or PyTorch name.

    >>> rounding("torch.bfloat16") == 2 ** -7
    True
    """
    return ROUNDING.get(dtype.removeprefix("torch."), 2.0**-23)


def norm(square: float) -> float:
    """√⟨g, g⟩, with NaN where the square is one."""
    return math.sqrt(square) if square >= 0 else math.nan


def rms(square: float, size: int) -> float:
    """√(⟨g, g⟩ / size); 0 for an empty array."""
    return norm(square / size) if size else 0.0


def cancels(total: float, norms: float, dtype: str) -> bool:
    """Whether contributions whose norms add up to ``norms`` left nothing but rounding."""
    return norms > 0 and total <= remainder(norms, dtype)


def remainder(norms: float, dtype: str) -> float:
    """The most that rounding leaves of a sum that is zero, of terms whose norms are ``norms``."""
    return _ROUNDING_ERRORS * rounding(dtype) * norms


def share(inner: float, square: float) -> float | None:
    """⟨gᵢ, g⟩ / ⟨g, g⟩: what part of the sum this contribution is; they sum to 1.

    >>> share(6.0, 8.0)
    0.75
    """
    ratio = inner / square if square else math.nan
    return ratio if math.isfinite(ratio) else None


def cosine(inner: float, norm_a: float, norm_b: float) -> float | None:
    """⟨a, b⟩ / (‖a‖ ‖b‖), within [-1, 1]; None where one of them is zero or not finite."""
    product = norm_a * norm_b
    if not product or not math.isfinite(product) or not math.isfinite(inner):
        return None
    return max(-1.0, min(1.0, inner / product))


def gain(downstream_rms: float | None, upstream_rms: float | None) -> float | None:
    """rms(downstream) / rms(upstream): what one node did to the gradient's size."""
    if downstream_rms is None or not upstream_rms:
        return None
    ratio = downstream_rms / upstream_rms
    return None if math.isnan(ratio) else ratio


def reconcile(
    edges: list[EdgeRecord], inners: list[float], total_square: float, dtype: str
) -> None:
    """Write share, cosine and ``cancels`` on the edges that arrived at one node.

    inners: ⟨gᵢ, g⟩ of each edge. total_square: ⟨g, g⟩ of the recorded sum g.
    """
    total = norm(total_square)
    none_left = cancels(total, sum(edge.norm or 0.0 for edge in edges), dtype)
    for edge, inner in zip(edges, inners, strict=True):
        edge.cancels = none_left and len(edges) > 1
        edge.share = None if edge.cancels else share(inner, total_square)
        edge.cosine = None if edge.cancels else cosine(inner, edge.norm or 0.0, total)


def balance(difference_square: float, norms: float) -> float:
    """‖Σgᵢ − g‖ / Σ‖gᵢ‖: zero within rounding when the books are right."""
    difference = norm(difference_square)
    if not norms:
        return 0.0 if difference == 0 else math.inf
    return difference / norms


def tolerated(node: NodeRecord, allowed_roundings: float) -> float:
    """The largest balance that rounding explains at ``node``."""
    return allowed_roundings * rounding(node.dtype) * math.sqrt(max(len(node.arrived), 1))
