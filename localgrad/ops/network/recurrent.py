"""Recurrent layers over a whole sequence. The derivation is the textbook's loop, gate by gate."""

from __future__ import annotations

from typing import Any

from localgrad import kernels, ops
from localgrad.local.composite import composite
from localgrad.ops.network import rules
from localgrad.ops.network.dense import linear


def split_gates(x: Any, count: int) -> list[Any]:
    """The gates of a cell, which lie side by side along the last axis."""
    size = x.shape[-1] // count
    return [x[..., k * size : (k + 1) * size] for k in range(count)]


def lstm_step(
    x: Any, h: Any, c: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, w_hr: Any = None
) -> tuple[Any, Any]:
    """The next (h, c) of a long short-term memory (Hochreiter and Schmidhuber, 1997)."""
    gates = split_gates(linear(x, w_ih, b_ih) + linear(h, w_hh, b_hh), 4)
    input_gate = ops.sigmoid(gates[0])
    forget_gate = ops.sigmoid(gates[1])
    candidate = ops.tanh(gates[2])
    output_gate = ops.sigmoid(gates[3])
    c = forget_gate * c + input_gate * candidate
    h = output_gate * ops.tanh(c)
    return (h if w_hr is None else linear(h, w_hr, None)), c


def gru_step(
    x: Any, h: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any
) -> Any:
    """The next h of a gated recurrent unit (Cho et al., 2014)."""
    from_input = split_gates(linear(x, w_ih, b_ih), 3)
    from_state = split_gates(linear(h, w_hh, b_hh), 3)
    reset_gate = ops.sigmoid(from_input[0] + from_state[0])
    update_gate = ops.sigmoid(from_input[1] + from_state[1])
    candidate = ops.tanh(from_input[2] + reset_gate * from_state[2])
    return (1 - update_gate) * candidate + update_gate * h


def rnn_step(
    x: Any, h: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, nonlinearity: str = "tanh"
) -> Any:
    """The next h of an Elman network (Elman, 1990)."""
    function = ops.tanh if nonlinearity == "tanh" else ops.relu
    return function(linear(x, w_ih, b_ih) + linear(h, w_hh, b_hh))


def lstm_sequence(
    x: Any, h: Any, c: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, w_hr: Any = None,
    running: Any = None,
) -> tuple[Any, Any, Any]:  # fmt: skip
    """An LSTM step by step. `running` (time, batch, 1) is false where a sequence is over."""
    outputs = []
    for t in range(x.shape[0]):
        next_h, next_c = lstm_step(x[t], h, c, w_ih, w_hh, b_ih, b_hh, w_hr)
        if running is not None:
            next_h, next_c = ops.where(running[t], next_h, h), ops.where(running[t], next_c, c)
        h, c = next_h, next_c
        outputs.append(h)
    return ops.stack(outputs), h, c


def gru_sequence(
    x: Any, h: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, running: Any = None
) -> tuple[Any, Any]:
    """A GRU step by step."""
    outputs = []
    for t in range(x.shape[0]):
        following = gru_step(x[t], h, w_ih, w_hh, b_ih, b_hh)
        h = following if running is None else ops.where(running[t], following, h)
        outputs.append(h)
    return ops.stack(outputs), h


def rnn_sequence(
    x: Any, h: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, nonlinearity: str = "tanh",
    running: Any = None,
) -> tuple[Any, Any]:  # fmt: skip
    """An Elman network step by step."""
    outputs = []
    for t in range(x.shape[0]):
        following = rnn_step(x[t], h, w_ih, w_hh, b_ih, b_hh, nonlinearity)
        h = following if running is None else ops.where(running[t], following, h)
        outputs.append(h)
    return ops.stack(outputs), h


def _arrays(gates: int, cell: bool) -> Any:
    """An `example` of a sequence of 3, batch 2, input 4, state 5."""
    states = [(2, 5), (2, 5)] if cell else [(2, 5)]
    shapes = [(3, 2, 4), *states, (5 * gates, 4), (5 * gates, 5), (5 * gates,), (5 * gates,)]
    return lambda rng: (tuple(rng.standard_normal(s) for s in shapes), {})


WEIGHTS = ("w_ih", "w_hh", "b_ih", "b_hh")

lstm = composite(
    "lstm",
    lstm_sequence,
    lambda *arrays: kernels.lstm(*arrays),
    lambda g, saved, needs, x, h, c, *weights: kernels.lstm_backward(g, saved, x, *weights),
    arguments=("x", "h", "c", *WEIGHTS),
    doc="(outputs, last h, last c) of a long short-term memory over x (time, batch, input).",
    rule=rules.LSTM,
    example=_arrays(4, True),
)
gru = composite(
    "gru",
    gru_sequence,
    lambda *arrays: kernels.gru(*arrays),
    lambda g, saved, needs, x, h, *weights: kernels.gru_backward(g, saved, x, *weights),
    arguments=("x", "h", *WEIGHTS),
    doc="(outputs, last h) of gated recurrent units over x (time, batch, input).",
    rule=rules.GRU,
    example=_arrays(3, False),
)
rnn = composite(
    "rnn",
    rnn_sequence,
    lambda x, h, w_ih, w_hh, b_ih, b_hh, nonlinearity="tanh": kernels.rnn(
        x, h, w_ih, w_hh, b_ih, b_hh, nonlinearity
    ),
    lambda g, saved, needs, x, h, w_ih, w_hh, b_ih, b_hh, nonlinearity="tanh": (
        kernels.rnn_backward(g, saved, x, w_ih, w_hh, b_ih, b_hh, nonlinearity)
    ),
    arguments=("x", "h", *WEIGHTS),
    doc="(outputs, last h) of an Elman network over x (time, batch, input).",
    rule=rules.RNN,
    example=_arrays(1, False),
)
