"""Recurrent layers in NumPy, a whole sequence at a time: the oracle of the kernels.

x is (time, batch, input). Products with the inputs are made for all times at once; the loop over
time does what depends on the state before. Gates are in PyTorch's order.
"""

from __future__ import annotations

from typing import Any

import numpy

from localgrad.kernels.reference import sigmoid


def projected(x: Any, weight: Any, *biases: Any) -> Any:
    """x · weightᵀ + biases for all times."""
    y = (x.reshape(-1, x.shape[-1]) @ weight.T).reshape(*x.shape[:-1], weight.shape[0])
    for bias in biases:
        if bias is not None:
            y += bias
    return y


def weight_adjoint(g: Any, x: Any) -> Any:
    """Σ over times and batch of g xᵀ."""
    return g.reshape(-1, g.shape[-1]).T @ x.reshape(-1, x.shape[-1])


def bias_adjoint(g: Any, bias: Any) -> Any:
    """Σ over times and batch of g, for a bias that is there."""
    return None if bias is None else numpy.add.reduce(g.reshape(-1, g.shape[-1]), axis=0)


def lstm(
    x: Any, h: Any, c: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any
) -> tuple[tuple[Any, Any, Any], Any]:
    """(outputs, last h, last c), and what backward needs.

    i, f, o = σ, g = tanh of w_ih x + w_hh h; c ← f c + i g; h ← o tanh c.
    """
    size = h.shape[-1]
    gates = projected(x, w_ih, b_ih, b_hh)
    states = numpy.empty((len(x) + 1, *h.shape), x.dtype)
    cells = numpy.empty_like(states)
    states[0], cells[0] = h, c
    back = w_hh.T
    for t, gate in enumerate(gates):
        gate += states[t] @ back
        gate[:, : 2 * size] = sigmoid(gate[:, : 2 * size])
        gate[:, 2 * size : 3 * size] = numpy.tanh(gate[:, 2 * size : 3 * size])
        gate[:, 3 * size :] = sigmoid(gate[:, 3 * size :])
        i, f, g, o = (gate[:, k * size : (k + 1) * size] for k in range(4))
        cells[t + 1] = f * cells[t] + i * g
        states[t + 1] = o * numpy.tanh(cells[t + 1])
    outputs = (states[1:], states[-1].copy(), cells[-1].copy())
    return outputs, (gates, states, cells)


def lstm_backward(
    upstream: Any, saved: Any, x: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any
) -> list[Any]:
    """Downstreams of x, h, c, w_ih, w_hh, b_ih, b_hh; a part of `upstream` may be None."""
    gates, states, cells = saved
    to_y, to_h, to_c = upstream
    size = w_hh.shape[1]
    pulled = numpy.empty_like(gates)
    dh = numpy.zeros_like(states[0]) if to_h is None else to_h
    dc = numpy.zeros_like(states[0]) if to_c is None else to_c
    for t in range(len(x) - 1, -1, -1):
        if to_y is not None:
            dh = dh + to_y[t]
        i, f, g, o = (gates[t, :, k * size : (k + 1) * size] for k in range(4))
        squashed = numpy.tanh(cells[t + 1])
        dc = dc + dh * o * (1 - squashed * squashed)
        row = pulled[t]
        row[:, :size] = dc * g * i * (1 - i)
        row[:, size : 2 * size] = dc * cells[t] * f * (1 - f)
        row[:, 2 * size : 3 * size] = dc * i * (1 - g * g)
        row[:, 3 * size :] = dh * squashed * o * (1 - o)
        dh = row @ w_hh
        dc = dc * f
    return _collected(pulled, pulled, x, states, w_ih, b_ih, b_hh, [dh, dc])


def gru(
    x: Any, h: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any
) -> tuple[tuple[Any, Any], Any]:
    """(outputs, last h), and what backward needs.

    r, z = σ(w_ih x + w_hh h); n = tanh(w_in x + r · (w_hn h + b_hn)); h ← (1 − z) n + z h.
    """
    size = h.shape[-1]
    gates = projected(x, w_ih, b_ih)
    states = numpy.empty((len(x) + 1, *h.shape), x.dtype)
    inner = numpy.empty_like(states[1:])  # w_hn h + b_hn
    states[0] = h
    for t, gate in enumerate(gates):
        from_state = states[t] @ w_hh.T
        if b_hh is not None:
            from_state += b_hh
        gate[:, : 2 * size] = sigmoid(gate[:, : 2 * size] + from_state[:, : 2 * size])
        inner[t] = from_state[:, 2 * size :]
        r, z = gate[:, :size], gate[:, size : 2 * size]
        gate[:, 2 * size :] = numpy.tanh(gate[:, 2 * size :] + r * inner[t])
        n = gate[:, 2 * size :]
        states[t + 1] = n + z * (states[t] - n)
    return (states[1:], states[-1].copy()), (gates, states, inner)


def gru_backward(
    upstream: Any, saved: Any, x: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any
) -> list[Any]:
    """Downstreams of x, h, w_ih, w_hh, b_ih, b_hh."""
    gates, states, inner = saved
    to_y, to_h = upstream
    size = w_hh.shape[1]
    pulled, from_state = numpy.empty_like(gates), numpy.empty_like(gates)
    dh = numpy.zeros_like(states[0]) if to_h is None else to_h
    for t in range(len(x) - 1, -1, -1):
        if to_y is not None:
            dh = dh + to_y[t]
        r, z, n = (gates[t, :, k * size : (k + 1) * size] for k in range(3))
        dn = dh * (1 - z) * (1 - n * n)
        row = pulled[t]
        row[:, :size] = dn * inner[t] * r * (1 - r)
        row[:, size : 2 * size] = dh * (states[t] - n) * z * (1 - z)
        row[:, 2 * size :] = dn
        from_state[t] = row
        from_state[t, :, 2 * size :] = dn * r
        dh = dh * z + from_state[t] @ w_hh
    return _collected(pulled, from_state, x, states, w_ih, b_ih, b_hh, [dh])


def rnn(
    x: Any, h: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, nonlinearity: str
) -> tuple[tuple[Any, Any], Any]:
    """(outputs, last h), and what backward needs: h ← tanh or relu of w_ih x + w_hh h."""
    states = numpy.empty((len(x) + 1, *h.shape), x.dtype)
    states[0] = h
    back = w_hh.T
    for t, gate in enumerate(projected(x, w_ih, b_ih, b_hh)):
        gate += states[t] @ back
        states[t + 1] = numpy.tanh(gate) if nonlinearity == "tanh" else numpy.maximum(gate, 0)
    return (states[1:], states[-1].copy()), states


def rnn_backward(
    upstream: Any,
    states: Any,
    x: Any,
    w_ih: Any,
    w_hh: Any,
    b_ih: Any,
    b_hh: Any,
    nonlinearity: str,
) -> list[Any]:
    """Downstreams of x, h, w_ih, w_hh, b_ih, b_hh."""
    to_y, to_h = upstream
    pulled = numpy.empty_like(states[1:])
    dh = numpy.zeros_like(states[0]) if to_h is None else to_h
    for t in range(len(x) - 1, -1, -1):
        if to_y is not None:
            dh = dh + to_y[t]
        y = states[t + 1]
        pulled[t] = dh * (1 - y * y) if nonlinearity == "tanh" else numpy.where(y > 0, dh, 0)
        dh = pulled[t] @ w_hh
    return _collected(pulled, pulled, x, states, w_ih, b_ih, b_hh, [dh])


def _collected(
    from_input: Any,
    from_state: Any,
    x: Any,
    states: Any,
    w_ih: Any,
    b_ih: Any,
    b_hh: Any,
    begin: list[Any],
) -> list[Any]:
    """All downstreams, from the gates' gradients towards the input and towards the state."""
    return [
        (from_input.reshape(-1, from_input.shape[-1]) @ w_ih).reshape(x.shape),
        *begin,
        weight_adjoint(from_input, x),
        weight_adjoint(from_state, states[:-1]),
        bias_adjoint(from_input, b_ih),
        bias_adjoint(from_state, b_hh),
    ]
