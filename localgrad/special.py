"""`lg.special`: SciPy's special functions with gradients, and softmax and logsumexp with them."""

from localgrad.ops.along_axis import log_softmax as log_softmax
from localgrad.ops.along_axis import softmax as softmax
from localgrad.ops.exponential import exp2 as exp2
from localgrad.ops.exponential import expm1 as expm1
from localgrad.ops.exponential import log1p as log1p
from localgrad.ops.powers import cbrt as cbrt
from localgrad.ops.reductions import logsumexp as logsumexp
from localgrad.ops.special import *  # noqa: F403
from localgrad.ops.special import digamma as psi  # noqa: F401
from localgrad.ops.special import gammaln as lgamma  # noqa: F401
from localgrad.ops.trigonometric import sinc as sinc
