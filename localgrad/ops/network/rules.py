"""What the fused operations send to each argument, as people read it.

The derivation of a composite is its declaration; these lines restate what follows from it, for the
ledger and its reports; `tests/test_rules.py` restates them in NumPy beside the fused backward.
"""

from __future__ import annotations

from localgrad.local.symbol import Formula


def rule(*lines: tuple[str, str]) -> Formula:
    """One formula from lines of (text, LaTeX): an argument's downstream, or an abbreviation."""
    texts, formulas = zip(*lines)
    return Formula(",  ".join(texts), r",\quad ".join(formulas))


W, B = r"\mathrm{weight}", r"\mathrm{bias}"

LINEAR = rule(
    ("x ← g @ weight", rf"x \leftarrow g \, {W}"),
    ("weight ← gᵀ @ x", rf"{W} \leftarrow g^T x"),
    ("bias ← Σ g", rf"{B} \leftarrow \sum g"),
)

# Padding p, stride s, dilation d: the output's place j saw the input's place s·j + d·k − p.
CONVOLUTION = rule(
    (
        "x[n, c, i] ← Σ g[n, o, j]·weight[o, c, k] over o and s·j + d·k − p = i",
        rf"x_{{n c i}} \leftarrow \sum_{{o,\; s j + d k - p = i}} g_{{n o j}} \, {W}_{{o c k}}",
    ),
    (
        "weight[o, c, k] ← Σ g[n, o, j]·x[n, c, s·j + d·k − p] over n and j",
        rf"{W}_{{o c k}} \leftarrow \sum_{{n,\, j}} g_{{n o j}} \, x_{{n c,\; s j + d k - p}}",
    ),
    ("bias[o] ← Σ g[n, o, j] over n and j", rf"{B}_o \leftarrow \sum_{{n,\, j}} g_{{n o j}}"),
)


def normalisation(fixed: tuple[tuple[str, str], ...] = ()) -> Formula:
    """The rule of (x − mean)/σ · weight + bias."""
    return rule(
        (
            "x ← (h − mean(h) − z·mean(h·z))/σ",
            r"x \leftarrow \frac{h - \mathrm{mean}(h) - z \, \mathrm{mean}(h z)}{\sigma}",
        ),
        *fixed,
        ("weight ← Σ g·z", rf"{W} \leftarrow \sum g \, z"),
        ("bias ← Σ g", rf"{B} \leftarrow \sum g"),
        ("h = g·weight", rf"h = g \, {W}"),
        ("z = (x − mean(x))/σ", r"z = \frac{x - \mathrm{mean}(x)}{\sigma}"),
        ("σ = √(var(x) + eps)", r"\sigma = \sqrt{\mathrm{var}(x) + \varepsilon}"),
    )


LAYER_NORM = normalisation()
BATCH_NORM = normalisation(
    (
        (
            "x ← h/σ where mean and variance are fixed",
            r"x \leftarrow \frac{h}{\sigma} \text{ where mean and variance are fixed}",
        ),
    )
)

ATTENTION = rule(
    ("v ← Pᵀ @ g", r"v \leftarrow P^T g"),
    ("q ← scale·D @ k", r"q \leftarrow \mathrm{scale} \, D \, k"),
    ("k ← scale·Dᵀ @ q", r"k \leftarrow \mathrm{scale} \, D^T q"),
    (
        "P = softmax(scale·q @ kᵀ + mask)",
        r"P = \operatorname{softmax}(\mathrm{scale} \, q \, k^T + \mathrm{mask})",
    ),
    ("D = P·(E − Σ P·E)", r"D = P \left(E - \textstyle\sum P \, E\right)"),
    ("E = g @ vᵀ", r"E = g \, v^T"),
)

CROSS_ENTROPY = rule(
    (
        "x ← g·(softmax(x)·Σ q − q)/n",
        r"x \leftarrow g \, \frac{\operatorname{softmax}(x) \sum q - q}{n}",
    ),
    (
        "q = weight[target]·onehot(target), smoothed",
        rf"q = {W}_{{\mathrm{{target}}}} \, \mathrm{{onehot}}(\mathrm{{target}})"
        r"\text{, smoothed}",
    ),
    (
        "n = Σ weight[target] for a mean, else 1",
        rf"n = \sum {W}_{{\mathrm{{target}}}} \text{{ for a mean, else }} 1",
    ),
)

MAX_POOL = rule(
    (
        "x[i] ← Σ g[j] over the windows j whose largest element is x[i]",
        r"x_i \leftarrow \sum_{j:\; i = \operatorname{argmax}_j x} g_j",
    ),
)
