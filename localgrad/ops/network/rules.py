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


def recurrence(delta: str, state: tuple[str, str], *abbreviations: tuple[str, str]) -> Formula:
    """Back through time: D is what arrives before the activations, `delta` what h takes of it.

    g[t] is the upstream of the t-th output; that of the last state is part of the last one.
    """
    return rule(
        ("x[t] ← D[t] @ w_ih", r"x_t \leftarrow D_t \, w_{ih}"),
        state,
        ("w_ih ← Σ D[t]ᵀ @ x[t]", r"w_{ih} \leftarrow \textstyle\sum_t D_t^T x_t"),
        (
            f"w_hh ← Σ {delta}[t]ᵀ @ h[t−1]",
            rf"w_{{hh}} \leftarrow \textstyle\sum_t {delta}_t^T h_{{t-1}}",
        ),
        ("b_ih ← Σ D[t]", r"b_{ih} \leftarrow \textstyle\sum_t D_t"),
        (f"b_hh ← Σ {delta}[t]", rf"b_{{hh}} \leftarrow \textstyle\sum_t {delta}_t"),
        *abbreviations,
    )


RNN = recurrence(
    "D",
    ("h ← D[1] @ w_hh", r"h \leftarrow D_1 \, w_{hh}"),
    (
        "D[t] = (g[t] + D[t+1] @ w_hh)·φ′(t)",
        r"D_t = \left(g_t + D_{t+1} \, w_{hh}\right) \varphi'_t",
    ),
)

# i, f, z, o: the input gate, the forget gate, the candidate, the output gate.
LSTM = recurrence(
    "D",
    ("h ← D[1] @ w_hh", r"h \leftarrow D_1 \, w_{hh}"),
    ("c ← C[1]·f[1]", r"c \leftarrow C_1 \, f_1"),
    ("D = (Dᵢ | D_f | D_z | Dₒ)", r"D_t = (D_i \mid D_f \mid D_z \mid D_o)"),
    ("Dᵢ = C·z·i·(1 − i)", r"D_i = C z \, i (1 - i)"),
    ("D_f = C·c[t−1]·f·(1 − f)", r"D_f = C c_{t-1} \, f (1 - f)"),
    ("D_z = C·i·(1 − z·z)", r"D_z = C i (1 - z^2)"),
    ("Dₒ = H·tanh(c)·o·(1 − o)", r"D_o = H \tanh(c) \, o (1 - o)"),
    (
        "C[t] = H[t]·o·(1 − tanh(c)²) + C[t+1]·f[t+1]",
        r"C_t = H_t \, o \left(1 - \tanh^2(c)\right) + C_{t+1} \, f_{t+1}",
    ),
    ("H[t] = g[t] + D[t+1] @ w_hh", r"H_t = g_t + D_{t+1} \, w_{hh}"),
)

# r, u, n: the reset gate, the update gate, the candidate; s is what it reads of the state.
GRU = recurrence(
    "E",
    ("h ← u[1]·H[1] + E[1] @ w_hh", r"h \leftarrow u_1 H_1 + E_1 \, w_{hh}"),
    ("D = (Dᵣ | Dᵤ | N)", r"D_t = (D_r \mid D_u \mid N)"),
    ("E = (Dᵣ | Dᵤ | N·r)", r"E_t = (D_r \mid D_u \mid N r)"),
    ("Dᵣ = N·s·r·(1 − r)", r"D_r = N s \, r (1 - r)"),
    ("Dᵤ = H·(h[t−1] − n)·u·(1 − u)", r"D_u = H (h_{t-1} - n) \, u (1 - u)"),
    ("N = H·(1 − u)·(1 − n·n)", r"N = H (1 - u) (1 - n^2)"),
    (
        "H[t] = g[t] + u[t+1]·H[t+1] + E[t+1] @ w_hh",
        r"H_t = g_t + u_{t+1} H_{t+1} + E_{t+1} \, w_{hh}",
    ),
)
