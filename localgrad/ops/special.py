"""Special functions, SciPy's by name; loaded when first used, as SciPy is."""

from __future__ import annotations

import math
from typing import Any

from localgrad.kernels import reference as xp
from localgrad.local.pointwise import Pointwise, pointwise
from localgrad.ops import draw
from localgrad.ops.activation import BELL

TWO_BY_ROOT_PI = 2 / math.sqrt(math.pi)
HALF_ROOT_PI = math.sqrt(math.pi) / 2
ROOT_TWO_PI = math.sqrt(2 * math.pi)


def unary(name: str, x: Any, doc: str, example: Any = draw.anywhere, **words: Any) -> Any:
    function = getattr(xp, name)
    return pointwise(name, lambda x: function(x), x=x, doc=doc, example=example, **words)


erf = unary(
    "erf", lambda x: xp.exp(-x * x) * TWO_BY_ROOT_PI, "2/√π · ∫ e^(-t²) dt from 0 to x."
)
erfc = unary("erfc", lambda x: xp.exp(-x * x) * -TWO_BY_ROOT_PI, "1 - erf(x).")
erfcx = unary(
    "erfcx", lambda x, y: 2 * x * y - TWO_BY_ROOT_PI, "e^(x²) · erfc(x).", draw.reals(low=-1.0)
)
erfinv = unary(
    "erfinv", lambda y: xp.exp(y * y) * HALF_ROOT_PI, "The inverse of erf.", draw.inside
)
erfcinv = unary(
    "erfcinv",
    lambda y: xp.exp(y * y) * -HALF_ROOT_PI,
    "The inverse of erfc.",
    draw.reals(low=0.2, high=1.8),
)
dawsn = unary("dawsn", lambda x, y: 1 - 2 * x * y, "e^(-x²) · ∫ e^(t²) dt from 0 to x.")
gammaln = unary("gammaln", lambda x: xp.digamma(x), "log |Γ(x)|.", draw.positive)
gamma = unary("gamma", lambda x, y: y * xp.digamma(x), "Γ(x).", draw.positive)
rgamma = unary("rgamma", lambda x, y: -y * xp.digamma(x), "1 / Γ(x).", draw.positive)
digamma = unary(
    "digamma", lambda x: xp.zeta(2, x), "Γ'(x) / Γ(x), the derivative of log Γ.", draw.positive
)
polygamma: Pointwise = pointwise(
    "polygamma",
    lambda n, x: xp.polygamma(n, x),
    n=None,
    x=lambda n, x: (-1) ** n * xp.gamma(n + 2) * xp.zeta(n + 2, x),
    doc="The n-th derivative of digamma.",
    example=lambda rng: ((1, rng.uniform(0.5, 3.0, (3, 4))), {}),
)
expit = unary("expit", lambda y: y * (1 - y), "1 / (1 + e⁻ˣ).")
logit = unary(
    "logit",
    lambda x: 1 / (x * (1 - x)),
    "log(x / (1 - x)).",
    draw.reals(low=0.1, high=0.9),
    kink="∞ at 0 and at 1",
)
log_expit = unary("log_expit", lambda x: xp.sigmoid(-x), "log(1 / (1 + e⁻ˣ)).")
ndtr = unary(
    "ndtr", lambda x: xp.exp(-0.5 * x * x) * BELL, "The normal distribution function Φ(x)."
)
ndtri = unary(
    "ndtri",
    lambda y: xp.exp(0.5 * y * y) * ROOT_TWO_PI,
    "The inverse of Φ.",
    draw.reals(low=0.1, high=0.9),
)
log_ndtr = unary(
    "log_ndtr", lambda x, y: xp.exp(-0.5 * x * x - y) * BELL, "log Φ(x), for small Φ too."
)
entr = unary(
    "entr", lambda x: -xp.log(x) - 1, "-x log x, and 0 at 0.", draw.positive, kink="∞ at 0"
)
i0 = unary("i0", lambda x: xp.i1(x), "The modified Bessel function of order 0.")
i1 = unary(
    "i1",
    lambda x, y: xp.i0(x) - xp.where(x == 0, 0.5, y / xp.where(x == 0, 1, x)),
    "The modified Bessel function of order 1.",
)
i0e = unary(
    "i0e", lambda x, y: xp.i1e(x) - xp.sign(x) * y, "e^(-|x|) · i0(x).", kink="0 at 0"
)
i1e = unary(
    "i1e",
    lambda x, y: xp.i0e(x)
    - xp.where(x == 0, 0.5, y * (xp.sign(x) + 1 / xp.where(x == 0, 1, x))),
    "e^(-|x|) · i1(x).",
    kink="1/2 at 0",
)
j0 = unary("j0", lambda x: -xp.j1(x), "The Bessel function of order 0.")
j1 = unary(
    "j1",
    lambda x, y: xp.j0(x) - xp.where(x == 0, 0.5, y / xp.where(x == 0, 1, x)),
    "The Bessel function of order 1.",
)
xlogy = pointwise(
    "xlogy",
    lambda a, b: xp.xlogy(a, b),
    a=lambda a, b: xp.log(xp.where((a == 0) & (b <= 0), 1, b)),
    b=lambda a, b: a / b,
    doc="a log b, and 0 at a = 0.",
    example=draw.ranges((0.2, 2.0), (0.3, 2.0)),
    kink="in a: 0 at a = 0 for b ≤ 0",
)
xlog1py = pointwise(
    "xlog1py",
    lambda a, b: xp.xlog1py(a, b),
    a=lambda a, b: xp.log1p(xp.where((a == 0) & (b <= -1), 0, b)),
    b=lambda a, b: a / (1 + b),
    doc="a log(1 + b), and 0 at a = 0.",
    example=draw.ranges((0.2, 2.0), (0.3, 2.0)),
    kink="in a: 0 at a = 0 for b ≤ -1",
)
rel_entr = pointwise(
    "rel_entr",
    lambda a, b: xp.rel_entr(a, b),
    a=lambda a, b: xp.log(a / b) + 1,
    b=lambda a, b: -a / b,
    doc="a log(a / b): one term of a Kullback-Leibler divergence.",
    example=draw.ranges((0.2, 2.0), (0.3, 2.0)),
)
betaln = pointwise(
    "betaln",
    lambda a, b: xp.betaln(a, b),
    a=lambda a, b: xp.digamma(a) - xp.digamma(a + b),
    b=lambda a, b: xp.digamma(b) - xp.digamma(a + b),
    doc="log |B(a, b)|, B(a, b) = Γ(a) Γ(b) / Γ(a + b).",
    example=draw.ranges((0.4, 3.0), (0.4, 3.0)),
)
gammainc = pointwise(
    "gammainc",
    lambda a, x: xp.gammainc(a, x),
    a=None,
    x=lambda a, x: xp.exp(xp.xlogy(a - 1, x) - x - xp.gammaln(a)),
    doc="The regularised lower incomplete gamma function; no gradient in a.",
    example=lambda rng: ((1.5, rng.uniform(0.3, 3.0, (3, 4))), {}),
)
zeta = pointwise(
    "zeta",
    lambda x, q: xp.zeta(x, q),
    x=None,
    q=lambda x, q: -x * xp.zeta(x + 1, q),
    doc="Σ 1 / (k + q)ˣ, Hurwitz's zeta function; no gradient in x.",
    example=lambda rng: ((2.5, rng.uniform(0.5, 3.0, (3, 4))), {}),
)
