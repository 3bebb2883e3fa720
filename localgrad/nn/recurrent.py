"""Recurrent layers: RNN, LSTM and GRU, in layers and directions, on batches or packed sequences."""

from __future__ import annotations

import math
from typing import Any

import numpy

from localgrad import errors_of_layers as errors
from localgrad import ops
from localgrad.errors import unknown_choice
from localgrad.errors_of_modules import no_forward
from localgrad.graph.record import here
from localgrad.nn import functional as F
from localgrad.nn import init
from localgrad.nn.dense import empty
from localgrad.nn.module import Module
from localgrad.nn.utils.rnn import PackedSequence, from_padded, running_steps, to_padded
from localgrad.ops.network import recurrent
from localgrad.tensor import Tensor


class RNNBase(Module):
    """What the recurrent layers share: parameters by layer and direction, and the loops."""

    mode: str
    gates: int

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if proj_size and (self.mode != "LSTM" or proj_size >= hidden_size):
            raise errors.projection(self.mode, proj_size, hidden_size, here())
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        width = proj_size or hidden_size
        for layer in range(num_layers):
            size = input_size if layer == 0 else width * self.directions
            for suffix in self.suffixes(layer):
                rows = self.gates * hidden_size
                shapes: dict[str, tuple[int, ...]] = {
                    "weight_ih": (rows, size),
                    "weight_hh": (rows, width),
                }
                if bias:
                    shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
                if proj_size:
                    shapes |= {"weight_hr": (proj_size, hidden_size)}
                for name, shape in shapes.items():
                    setattr(self, f"{name}_{suffix}", empty(shape, dtype))
        self.reset_parameters()

    @property
    def directions(self) -> int:
        """1, or 2 where sequences are also read backwards."""
        return 2 if self.bidirectional else 1

    def suffixes(self, layer: int) -> list[str]:
        """What the names of a layer's parameters end in, for each direction."""
        return [f"l{layer}", f"l{layer}_reverse"][: self.directions]

    def reset_parameters(self) -> None:
        """Draw all weights anew: uniform within 1/√hidden_size."""
        bound = 1 / math.sqrt(self.hidden_size) if self.hidden_size else 0
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def flatten_parameters(self) -> None:
        """Nothing to do here: PyTorch's programs call it for cuDNN."""

    def weights(self, suffix: str) -> Any:
        """w_ih, w_hh, b_ih and b_hh of one layer and direction."""
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        return [getattr(self, f"{name}_{suffix}", None) for name in names]

    def sequence(self, x: Any, states: Any, suffix: str, running: Any) -> Any:
        """One layer in one direction: the outputs, then the last states."""
        raise no_forward(type(self).__name__)

    def begin(self, batch: int, dtype: Any) -> list[Any]:
        """Zero states (layers · directions, batch, size)."""
        count = self.num_layers * self.directions
        return [Tensor(numpy.zeros((count, batch, self.proj_size or self.hidden_size), dtype))]

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        """(outputs of the last layer, last states of all); zero states where none are given."""
        if isinstance(input, PackedSequence):
            return self._packed(input, hx)
        if input.ndim not in (2, 3) or input.shape[-1] != self.input_size:
            raise errors.recurrent_input(self.mode, input.shape, self.input_size, here())
        given = None if hx is None else list(hx) if isinstance(hx, tuple | list) else [hx]
        x = input
        if input.ndim == 2:
            x = ops.expand_dims(x, axis=1)
            given = None if given is None else [ops.expand_dims(s, axis=1) for s in given]
        elif self.batch_first:
            x = ops.swapaxes(x, 0, 1)
        states = self.begin(x.shape[1], x.dtype) if given is None else given
        self._check(states, x.shape[1])
        y, last = self._layers(x, states, None)
        if input.ndim == 2:
            return y[:, 0], self._as_given([s[:, 0] for s in last])
        return ops.swapaxes(y, 0, 1) if self.batch_first else y, self._as_given(last)

    def _as_given(self, states: list[Any]) -> Any:
        return states[0] if len(states) == 1 else tuple(states)

    def _check(self, states: list[Any], batch: int) -> None:
        for state, own in zip(states, self.begin(batch, "float32")):
            if state.shape != own.shape:
                raise errors.recurrent_state(self.mode, state.shape, own.shape, here())

    def _packed(self, input: PackedSequence, hx: Any) -> tuple[Any, Any]:
        x = to_padded(input)
        batch = x.shape[1]
        if hx is None:
            states = self.begin(batch, x.dtype)
        else:
            states = list(hx) if isinstance(hx, tuple | list) else [hx]
            self._check(states, batch)
            if input.sorted_indices is not None:
                states = [s[:, input.sorted_indices] for s in states]
        y, last = self._layers(x, states, running_steps(input.batch_sizes))
        if input.unsorted_indices is not None:
            last = [s[:, input.unsorted_indices] for s in last]
        return input._replace(data=from_padded(y, input.batch_sizes)), self._as_given(last)

    def _layers(self, x: Any, states: list[Any], running: Any) -> tuple[Any, list[Any]]:
        """Every layer over x (time, batch, input), with dropout between them."""
        finals: list[list[Any]] = []
        for layer in range(self.num_layers):
            outputs = []
            for direction, suffix in enumerate(self.suffixes(layer)):
                own = [s[layer * self.directions + direction] for s in states]
                steps, live = x, running
                if direction:
                    steps = ops.flip(x, axis=0)
                    live = None if running is None else running[::-1]
                y, *last = self.sequence(steps, own, suffix, live)
                outputs.append(ops.flip(y, axis=0) if direction else y)
                finals.append(last)
            x = outputs[0] if len(outputs) == 1 else ops.concat(outputs, axis=-1)
            if self.dropout and layer < self.num_layers - 1:
                x = F.dropout(x, self.dropout, self.training)
        return x, [ops.stack(parts) for parts in zip(*finals)]

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        if self.proj_size:
            text += f", proj_size={self.proj_size}"
        if self.num_layers != 1:
            text += f", num_layers={self.num_layers}"
        for name, usual in (
            ("bias", True), ("batch_first", False), ("dropout", 0), ("bidirectional", False),
        ):  # fmt: skip
            if getattr(self, name) != usual:
                text += f", {name}={getattr(self, name)}"
        return text


class LSTM(RNNBase):
    """i, f, o = σ, g = tanh of w_ih x + w_hh h; c ← f c + i g; h ← o tanh c.

    Input (time, batch, input), or batch first; states (h, c), each (layers · directions, batch,
    hidden). With `proj_size` h is projected to that size (Hochreiter and Schmidhuber, 1997).
    """

    mode = "LSTM"
    gates = 4

    def begin(self, batch: int, dtype: Any) -> list[Any]:
        count = self.num_layers * self.directions
        cells = Tensor(numpy.zeros((count, batch, self.hidden_size), dtype))
        return [*super().begin(batch, dtype), cells]

    def sequence(self, x: Any, states: Any, suffix: str, running: Any) -> Any:
        weights = self.weights(suffix)
        if running is None and not self.proj_size:
            return recurrent.lstm(x, *states, *weights)
        projection = getattr(self, f"weight_hr_{suffix}", None)
        rest = (projection, running)
        return recurrent.lstm_sequence(*[x, *states, *weights, *rest])


class GRU(RNNBase):
    """r, z = σ; n = tanh(w_in x + r · w_hn h); h ← (1 − z) n + z h (Cho et al., 2014)."""

    mode = "GRU"
    gates = 3

    def sequence(self, x: Any, states: Any, suffix: str, running: Any) -> Any:
        weights = self.weights(suffix)
        if running is None:
            return recurrent.gru(x, *states, *weights)
        return recurrent.gru_sequence(*[x, *states, *weights, running])


class RNN(RNNBase):
    """h ← tanh(w_ih x + w_hh h), or relu (Elman, 1990)."""

    mode = "RNN"
    gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional,
            dtype=dtype,
        )  # fmt: skip
        if nonlinearity not in ("tanh", "relu"):
            raise unknown_choice("nonlinearity", nonlinearity, ["tanh", "relu"], here())
        self.nonlinearity = nonlinearity

    def sequence(self, x: Any, states: Any, suffix: str, running: Any) -> Any:
        weights = self.weights(suffix)
        if running is None:
            return recurrent.rnn(x, *states, *weights, nonlinearity=self.nonlinearity)
        rest = (self.nonlinearity, running)
        return recurrent.rnn_sequence(*[x, *states, *weights, *rest])


class _Cell(Module):
    """One step of a recurrent layer, for loops of one's own."""

    gates: int

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        rows = self.gates * hidden_size
        self.weight_ih = empty((rows, input_size), dtype)
        self.weight_hh = empty((rows, hidden_size), dtype)
        for name in ("bias_ih", "bias_hh"):
            self.register_parameter(name, empty((rows,), dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all weights anew: uniform within 1/√hidden_size."""
        bound = 1 / math.sqrt(self.hidden_size) if self.hidden_size else 0
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def weights(self) -> Any:
        """w_ih, w_hh, b_ih and b_hh."""
        return [self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh]

    def zeros(self, input: Any) -> Any:
        """A state to begin with."""
        return Tensor(numpy.zeros((*input.shape[:-1], self.hidden_size), input.dtype))

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        return text if self.bias else f"{text}, bias=False"


class RNNCell(_Cell):
    """h ← tanh(w_ih x + w_hh h), or relu: one step."""

    gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, dtype=dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Any, hx: Any = None) -> Any:
        h = self.zeros(input) if hx is None else hx
        return recurrent.rnn_step(*[input, h, *self.weights(), self.nonlinearity])


class LSTMCell(_Cell):
    """One step of an LSTM: (h, c) from x and (h, c)."""

    gates = 4

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        h, c = (self.zeros(input), self.zeros(input)) if hx is None else hx
        return recurrent.lstm_step(input, h, c, *self.weights())


class GRUCell(_Cell):
    """One step of a GRU."""

    gates = 3

    def forward(self, input: Any, hx: Any = None) -> Any:
        h = self.zeros(input) if hx is None else hx
        return recurrent.gru_step(input, h, *self.weights())
