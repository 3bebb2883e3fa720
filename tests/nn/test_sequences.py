"""Recurrent layers, attention and transformers against PyTorch."""

from typing import Any

import numpy as np
import pytest
import torch

import localgrad as lg
from localgrad.errors import LocalgradError
from tests.nn.twins import TOLERANCE, compare, compare_calls, leaves, twins, weighted

RANDOM = np.random.default_rng(0)


def normal(*shape: int) -> Any:
    return RANDOM.standard_normal(shape)


LAYERS = {
    "LSTM": (lambda nn: nn.LSTM(3, 4), normal(5, 2, 3)),
    "LSTM with all": (
        lambda nn: nn.LSTM(3, 4, 2, batch_first=True, bidirectional=True), normal(2, 5, 3),
    ),
    "LSTM of one sequence": (lambda nn: nn.LSTM(3, 4, bias=False), normal(5, 3)),
    "LSTM with projections": (
        lambda nn: nn.LSTM(3, 4, 2, proj_size=2, bidirectional=True), normal(5, 2, 3),
    ),
    "GRU": (lambda nn: nn.GRU(3, 4), normal(5, 2, 3)),
    "GRU with all": (
        lambda nn: nn.GRU(3, 4, 2, batch_first=True, bidirectional=True), normal(2, 5, 3),
    ),
    "GRU without bias": (lambda nn: nn.GRU(3, 4, bias=False), normal(5, 2, 3)),
    "RNN": (lambda nn: nn.RNN(3, 4), normal(5, 2, 3)),
    "RNN with relu": (
        lambda nn: nn.RNN(3, 4, 2, nonlinearity="relu", bidirectional=True), normal(5, 2, 3),
    ),
    "LSTM cell": (lambda nn: nn.LSTMCell(3, 4), normal(2, 3)),
    "GRU cell": (lambda nn: nn.GRUCell(3, 4), normal(2, 3), normal(2, 4)),
    "RNN cell": (lambda nn: nn.RNNCell(3, 4, nonlinearity="relu"), normal(3)),
    "encoder layer": (
        lambda nn: nn.TransformerEncoderLayer(6, 2, 8, 0.0), normal(5, 2, 6),
    ),
    "encoder layer, norm first": (
        lambda nn: nn.TransformerEncoderLayer(
            6, 2, 8, 0.0, "gelu", batch_first=True, norm_first=True, bias=False
        ),
        normal(2, 5, 6),
    ),
    "decoder layer": (
        lambda nn: nn.TransformerDecoderLayer(6, 3, 8, 0.0), normal(4, 2, 6), normal(5, 2, 6),
    ),
    "transformer": (
        lambda nn: nn.Transformer(6, 2, 2, 2, 8, 0.0, batch_first=True),
        normal(2, 5, 6), normal(2, 4, 6),
    ),
    "attention": (
        lambda nn: nn.MultiheadAttention(6, 2), normal(5, 2, 6), normal(4, 2, 6), normal(4, 2, 6),
    ),
    "attention with all": (
        lambda nn: nn.MultiheadAttention(
            6, 3, bias=False, add_bias_kv=True, add_zero_attn=True, kdim=4, vdim=5,
            batch_first=True,
        ),
        normal(2, 5, 6), normal(2, 4, 4), normal(2, 4, 5),
    ),
    "attention without batch": (
        lambda nn: nn.MultiheadAttention(6, 2), normal(5, 6), normal(4, 6), normal(4, 6),
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_agrees_with_pytorch(name: str) -> None:
    build, *arguments = LAYERS[name]
    ours, theirs = twins(build)
    compare_calls(ours, theirs, arguments, (ours, theirs))


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_states_go_in_and_come_out(kind: str) -> None:
    ours, theirs = twins(lambda nn: getattr(nn, kind)(3, 4, 2))
    states = [normal(2, 2, 4), normal(2, 2, 4)] if kind == "LSTM" else [normal(2, 2, 4)]

    def called(module: Any) -> Any:
        if kind == "LSTM":
            return lambda x, h, c: module(x, (h, c))
        return module

    compare_calls(called(ours), called(theirs), [normal(5, 2, 3), *states], (ours, theirs))


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_second_derivatives_take_the_derivation(kind: str) -> None:
    layer = getattr(lg.nn, kind)(2, 3).double()
    lg.check_gradients(lambda x: layer(x)[0].sum(), lg.asarray(normal(3, 2, 2)), order=2)


@pytest.mark.parametrize("sort", [True, False])
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_packed_sequences(kind: str, sort: bool) -> None:
    lengths = [5, 4, 1] if sort else [1, 5, 4]
    ours, theirs = twins(lambda nn: getattr(nn, kind)(3, 4, 2, bidirectional=True))

    def called(module: Any, library: Any) -> Any:
        tools = library.nn.utils.rnn

        def call(x: Any) -> Any:
            packed = tools.pack_padded_sequence(x, lengths, enforce_sorted=sort)
            y, states = module(packed)
            padded, counts = tools.pad_packed_sequence(y, padding_value=0.5, total_length=6)
            assert counts.tolist() == lengths
            return padded, states

        return call

    compare_calls(called(ours, lg), called(theirs, torch), [normal(5, 3, 3)], (ours, theirs))


def test_packing_is_undone_by_padding() -> None:
    tools = lg.nn.utils.rnn
    sequences = [lg.asarray(normal(n, 2), requires_grad=True) for n in (2, 4, 3)]
    packed = tools.pack_sequence(sequences, enforce_sorted=False)
    other = torch.nn.utils.rnn.pack_sequence(
        [torch.tensor(s.numpy()) for s in sequences], enforce_sorted=False
    )
    assert np.array_equal(packed.data.numpy(), other.data.numpy())
    assert packed.batch_sizes.tolist() == other.batch_sizes.tolist()
    padded, lengths = tools.pad_packed_sequence(packed, batch_first=True)
    assert lengths.tolist() == [2, 4, 3]
    for row, sequence in zip(padded, sequences):
        assert np.array_equal(row.numpy()[: len(sequence)], sequence.numpy())
    padded.sum().backward()
    assert all((s.grad.numpy() == 1).all() for s in sequences)


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("batch_first", [False, True])
def test_padding_on_either_side(side: str, batch_first: bool) -> None:
    options = {"batch_first": batch_first, "padding_value": 7.0, "padding_side": side}
    compare_calls(
        lambda *parts: lg.nn.utils.rnn.pad_sequence(parts, **options),
        lambda *parts: torch.nn.utils.rnn.pad_sequence(parts, **options),
        [normal(n, 2) for n in (2, 4, 3)],
    )
    with pytest.raises(LocalgradError, match="right"):
        lg.nn.utils.rnn.pad_sequence([lg.ones((2, 2))], padding_side="both")


@pytest.mark.parametrize("batch_first", [False, True])
def test_sequences_come_out_as_they_went_in(batch_first: bool) -> None:
    tools = lg.nn.utils.rnn
    sequences = [lg.asarray(normal(n, 2), requires_grad=True) for n in (2, 4, 3)]
    padded = tools.pad_sequence(sequences, batch_first)
    packed = tools.pack_sequence(sequences, enforce_sorted=False)
    unpadded = tools.unpad_sequence(padded, [2, 4, 3], batch_first)
    for back in (unpadded, tools.unpack_sequence(packed)):
        for before, after in zip(sequences, back):
            assert np.array_equal(before.numpy(), after.numpy())
        sum(part.sum() for part in back).backward()
    assert all((s.grad.numpy() == 2).all() for s in sequences)


def test_dropout_between_layers_is_on_in_training_alone() -> None:
    lg.manual_seed(0)
    layer = lg.nn.LSTM(3, 4, 2, dropout=0.5)
    x = lg.asarray(normal(5, 2, 3), dtype=lg.float32)
    assert not np.array_equal(layer(x)[0].numpy(), layer(x)[0].numpy())
    layer.eval()
    assert np.array_equal(layer(x)[0].numpy(), layer(x)[0].numpy())


ATTENTION = {
    "plain": {},
    "causal": {"is_causal": True},
    "scaled": {"scale": 0.3},
    "truth mask": {"attn_mask": RANDOM.random((4, 5)) < 0.7},
    "added mask": {"attn_mask": normal(2, 1, 4, 5)},
    "nothing to see": {"attn_mask": np.zeros((4, 5), bool)},
}


@pytest.mark.parametrize("name", ATTENTION)
def test_scaled_dot_product_attention(name: str) -> None:
    options = ATTENTION[name]

    def called(library: Any, wrap: Any) -> Any:
        given = {k: wrap(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
        function = library.nn.functional.scaled_dot_product_attention
        return lambda q, k, v: function(q, k, v, **given)

    arguments = [normal(2, 3, 4, 6), normal(2, 3, 5, 6), normal(2, 3, 5, 2)]
    compare_calls(called(lg, lg.asarray), called(torch, torch.tensor), arguments)


def test_a_learned_mask_has_a_gradient() -> None:
    arguments = [normal(2, 4, 6), normal(2, 5, 6), normal(2, 5, 3), normal(4, 5)]
    compare_calls(
        lg.nn.functional.scaled_dot_product_attention,
        torch.nn.functional.scaled_dot_product_attention,
        arguments,
    )


def test_groups_of_heads_share_keys() -> None:
    arguments = [normal(2, 4, 3, 6), normal(2, 2, 5, 6), normal(2, 2, 5, 3)]
    compare_calls(
        lambda q, k, v: lg.nn.functional.scaled_dot_product_attention(q, k, v, enable_gqa=True),
        lambda q, k, v: torch.nn.functional.scaled_dot_product_attention(q, k, v, enable_gqa=True),
        arguments,
    )


def test_dropout_of_attention_weights_keeps_the_mean() -> None:
    lg.manual_seed(0)
    q = lg.asarray(np.zeros((400, 5, 4)), requires_grad=True)
    v = lg.asarray(np.ones((400, 5, 2)), requires_grad=True)
    y = lg.nn.functional.scaled_dot_product_attention(q, q, v, dropout_p=0.4)
    assert abs(y.numpy().mean() - 1) < 0.03
    y.sum().backward()
    assert abs(v.grad.numpy().mean() - 1) < 0.03


def test_masks_of_multi_head_attention() -> None:
    ours, theirs = twins(lambda nn: nn.MultiheadAttention(6, 2, batch_first=True))
    x = [normal(3, 4, 6)]
    hidden = np.zeros((3, 5), bool)
    hidden[1, 3:] = True
    for mask in (np.triu(np.ones((4, 5), bool), 1), normal(6, 4, 5)):
        results = []
        for module, wrap, library in ((ours, lg.asarray, lg), (theirs, torch.tensor, torch)):
            mine, other = leaves([*x, normal(3, 5, 6) * 0 + 0.1])
            q, k = mine if library is lg else other
            padding = hidden if mask.dtype == bool else hidden * -1e9
            y, weights = module(
                q, k, k, key_padding_mask=wrap(padding), attn_mask=wrap(mask),
                average_attn_weights=False,
            )  # fmt: skip
            weighted([y, weights], library).backward()
            results.append((y, weights, q.grad, k.grad))
        for a, b in zip(*results):
            b = b.detach().numpy()
            np.testing.assert_allclose(a.numpy(), b, rtol=TOLERANCE, atol=TOLERANCE)


def test_weights_need_not_be_returned() -> None:
    layer = lg.nn.MultiheadAttention(6, 2).double()
    x = lg.asarray(normal(5, 2, 6))
    with_weights, weights = layer(x, x, x)
    without, nothing = layer(x, x, x, need_weights=False)
    assert nothing is None
    assert weights.shape == (2, 5, 5)
    np.testing.assert_allclose(with_weights.numpy(), without.numpy(), rtol=1e-12)


def test_a_causal_decoder_does_not_see_the_future() -> None:
    layer = lg.nn.TransformerEncoder(lg.nn.TransformerEncoderLayer(6, 2, 8, 0.0), 2)
    mask = lg.nn.Transformer.generate_square_subsequent_mask(4)
    x = normal(4, 1, 6).astype("f4")
    first = layer(lg.asarray(x), mask, is_causal=True).numpy()
    x[3] += 1
    again = layer(lg.asarray(x), mask, is_causal=True).numpy()
    np.testing.assert_allclose(first[:3], again[:3], rtol=1e-6)
    assert not np.allclose(first[3], again[3])


def test_positions() -> None:
    x = lg.ones((2, 7, 6))
    y = lg.nn.SinusoidalPositions(6)(x).numpy() - 1
    assert y[0, 3, 0] == pytest.approx(np.sin(3), rel=1e-5)
    assert y[1, 3, 3] == pytest.approx(np.cos(3 / 10000 ** (2 / 6)), rel=1e-5)
    learned = lg.nn.LearnedPositions(7, 6)
    learned(x).sum().backward()
    assert (learned.weight.grad.numpy() == 2).all()
    with pytest.raises(LocalgradError, match="longer than the 5 positions"):
        lg.nn.SinusoidalPositions(6, max_len=5)(x)


def test_what_does_not_fit_is_refused() -> None:
    lstm, tools = lg.nn.LSTM(3, 4), lg.nn.utils.rnn
    x = lg.ones((5, 2, 3))
    for message, call in {
        r"takes \(time, batch, 3\)": lambda: lstm(lg.ones((5, 2, 4))),
        r"a state of shape \(1, 2, 5\)": lambda: lstm(x, (lg.ones((1, 2, 5)), lg.ones((1, 2, 4)))),
        "only an LSTM projects": lambda: lg.nn.LSTM(3, 4, proj_size=4),
        "shared evenly among 4 heads": lambda: lg.nn.MultiheadAttention(6, 4),
        "not both": lambda: lg.nn.functional.scaled_dot_product_attention(
            x, x, x, np.ones((2, 2), bool), is_causal=True
        ),
        "only says what attn_mask is": lambda: lg.nn.MultiheadAttention(3, 1)(
            x, x, x, is_causal=True
        ),
        "from longest to shortest": lambda: tools.pack_padded_sequence(x, [2, 3]),
        "from 1 to the longest": lambda: tools.pack_padded_sequence(x, [6, 3]),
        "Did you mean 'relu'": lambda: lg.nn.TransformerEncoderLayer(4, 2, activation="rely"),
    }.items():
        with pytest.raises(LocalgradError, match=message):
            call()


def test_compare_runs_in_evaluation_too() -> None:
    compare(lambda nn: nn.GRU(3, 4, 2, dropout=0.0), normal(5, 2, 3))
