"""The kinds of local gradient. Each operation is declared once, as one of these.

| kind | a declaration gives |
|---|---|
| `pointwise` | forward, and one partial per argument |
| `select` | forward, and the rule by which gradients are routed |
| `reduction` | forward, and a partial shaped like the input |
| `linear` | a map and its adjoint |
| `bilinear` | forward, and an adjoint per argument, in operations |
| `contract` | an index specification |
| `axis_operator` | d, u, v of the Jacobian diag(d) + Σ u vᵀ along an axis |
| `composite` | a derivation in operations, and a fused forward and backward |
| `flat` | why the local gradient is zero |
| `custom` | forward and vjp, as a black box |
"""

from localgrad.local.axis_operator import axis_operator
from localgrad.local.bilinear import bilinear
from localgrad.local.composite import composite
from localgrad.local.contract import contract
from localgrad.local.custom import custom
from localgrad.local.flat import flat
from localgrad.local.linear import LinearMany, linear
from localgrad.local.operation import Like, Operation
from localgrad.local.pointwise import pointwise
from localgrad.local.reduction import reduction, select_reduction
from localgrad.local.select import select

__all__ = [
    "Like",
    "LinearMany",
    "Operation",
    "axis_operator",
    "bilinear",
    "composite",
    "contract",
    "custom",
    "flat",
    "linear",
    "pointwise",
    "reduction",
    "select",
    "select_reduction",
]
