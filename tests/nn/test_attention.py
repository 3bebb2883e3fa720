"""Attention and transformer layers against PyTorch: outputs, gradients, weights both ways."""

import numpy as np
import pytest

import localgrad as lg
from localgrad import nn
from localgrad.ops.network.attention import attention

torch = pytest.importorskip("torch")


RNG = np.random.default_rng(0)


def arrays(*shapes: tuple[int, ...]) -> list[np.ndarray]:
    return [RNG.standard_normal(s) for s in shapes]


@pytest.mark.parametrize("mask", ["none", "causal", "bool", "float", "dead row"])
def test_scaled_dot_product_attention(mask: str) -> None:
    data = arrays((2, 3, 5, 4), (2, 3, 6, 4), (2, 3, 6, 7))
    options, theirs_options = {}, {}
    if mask == "causal":
        options = theirs_options = {"is_causal": True}
    elif mask != "none":
        chosen = RNG.random((5, 6)) < 0.6
        chosen[:, 0] = True
        if mask == "dead row":
            chosen[2] = False
        given = RNG.standard_normal((5, 6)) if mask == "float" else chosen
        options, theirs_options = {"attn_mask": given}, {"attn_mask": torch.tensor(given)}
    ours = [lg.asarray(a, requires_grad=True) for a in data]
    theirs = [torch.tensor(a, requires_grad=True) for a in data]
    y = nn.functional.scaled_dot_product_attention(*ours, **options)
    z = torch.nn.functional.scaled_dot_product_attention(*theirs, **theirs_options)
    np.testing.assert_allclose(y.numpy(), z.detach().numpy(), atol=1e-12)
    upstream = RNG.standard_normal(y.shape)
    y.backward(upstream)
    z.backward(torch.tensor(upstream))
    for a, b in zip(ours, theirs):
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), atol=1e-12)


def test_a_learned_bias_has_a_gradient() -> None:
    data = arrays((2, 5, 4), (2, 6, 4), (2, 6, 7), (5, 6))
    ours = [lg.asarray(a, requires_grad=True) for a in data]
    theirs = [torch.tensor(a, requires_grad=True) for a in data]
    nn.functional.scaled_dot_product_attention(*ours).sum().backward()
    torch.nn.functional.scaled_dot_product_attention(*theirs).sum().backward()
    for a, b in zip(ours, theirs):
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), atol=1e-12)


def test_second_order() -> None:
    data = arrays((3, 4), (3, 4), (3, 2))
    report = lg.check_gradients(
        lambda q, k, v: nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True), *data
    )
    assert max(row.error for row in report.rows) < 1e-8


MODULES = {
    "plain": ({"embed_dim": 8, "num_heads": 2}, {}),
    "batch first": ({"embed_dim": 8, "num_heads": 4, "batch_first": True}, {}),
    "other widths": ({"embed_dim": 8, "num_heads": 2, "kdim": 5, "vdim": 6}, {}),
    "appended": ({"embed_dim": 8, "num_heads": 2, "add_bias_kv": True, "add_zero_attn": True}, {}),
    "no bias": ({"embed_dim": 8, "num_heads": 2, "bias": False}, {}),
    "no weights": ({"embed_dim": 8, "num_heads": 2}, {"need_weights": False}),
    "each head": ({"embed_dim": 8, "num_heads": 2}, {"average_attn_weights": False}),
    "masks": ({"embed_dim": 8, "num_heads": 2}, {"attn_mask": True, "key_padding_mask": True}),
}


def twin(ours: nn.Module, theirs: "torch.nn.Module") -> None:
    """The same float64 weights on both sides, loaded by PyTorch's names."""
    ours.double()
    theirs.double()
    ours.load_state_dict({k: lg.asarray(v.numpy().copy()) for k, v in theirs.state_dict().items()})
    assert list(ours.state_dict()) == list(theirs.state_dict())


def compare(ours: nn.Module, theirs: "torch.nn.Module", y: lg.Tensor, z: "torch.Tensor") -> None:
    np.testing.assert_allclose(y.numpy(), z.detach().numpy(), atol=1e-10)
    upstream = RNG.standard_normal(y.shape)
    y.backward(upstream)
    z.backward(torch.tensor(upstream))
    for (name, a), (_, b) in zip(ours.named_parameters(), theirs.named_parameters()):
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), atol=1e-9, err_msg=name)


@pytest.mark.parametrize("name", MODULES)
def test_multihead_attention(name: str) -> None:
    made, called = MODULES[name]
    ours, theirs = nn.MultiheadAttention(**made), torch.nn.MultiheadAttention(**made)
    twin(ours, theirs)
    width, kdim, vdim = 8, made.get("kdim", 8), made.get("vdim", 8)
    lead = (3, 5) if made.get("batch_first") else (5, 3)
    query, key, value = arrays((*lead, width), (*lead, kdim), (*lead, vdim))
    options, theirs_options = dict(called), dict(called)
    if "attn_mask" in called:
        hidden = np.triu(np.ones((5, 5), bool), 1)
        padding = np.zeros((3, 5), bool)
        padding[1, 3:] = True
        options |= {"attn_mask": hidden, "key_padding_mask": padding}
        theirs_options |= {
            "attn_mask": torch.tensor(hidden), "key_padding_mask": torch.tensor(padding),
        }  # fmt: skip
    y, shown = ours(*[lg.asarray(a) for a in (query, key, value)], **options)
    z, expected = theirs(*[torch.tensor(a) for a in (query, key, value)], **theirs_options)
    compare(ours, theirs, y, z)
    if expected is None:
        assert shown is None
    else:
        np.testing.assert_allclose(shown.numpy(), expected.detach().numpy(), atol=1e-12)


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_encoder_and_decoder_layers(norm_first: bool, activation: str) -> None:
    made = {
        "d_model": 8, "nhead": 2, "dim_feedforward": 16, "dropout": 0.0,
        "activation": activation, "norm_first": norm_first, "batch_first": True,
    }  # fmt: skip
    x, memory = arrays((2, 5, 8), (2, 4, 8))
    hidden = np.triu(np.ones((5, 5), bool), 1)
    ours, theirs = nn.TransformerEncoderLayer(**made), torch.nn.TransformerEncoderLayer(**made)
    twin(ours, theirs)
    compare(
        ours, theirs, ours(lg.asarray(x), src_mask=hidden),
        theirs(torch.tensor(x), src_mask=torch.tensor(hidden)),
    )  # fmt: skip
    ours, theirs = nn.TransformerDecoderLayer(**made), torch.nn.TransformerDecoderLayer(**made)
    twin(ours, theirs)
    compare(
        ours, theirs, ours(lg.asarray(x), lg.asarray(memory), tgt_mask=hidden),
        theirs(torch.tensor(x), torch.tensor(memory), tgt_mask=torch.tensor(hidden)),
    )  # fmt: skip


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
def test_the_entire_transformer() -> None:
    made = {
        "d_model": 8, "nhead": 2, "num_encoder_layers": 2, "num_decoder_layers": 2,
        "dim_feedforward": 16, "dropout": 0.0,
    }  # fmt: skip
    ours, theirs = nn.Transformer(**made), torch.nn.Transformer(**made)
    twin(ours, theirs)
    src, tgt = arrays((4, 2, 8), (5, 2, 8))
    hidden = np.triu(np.ones((5, 5), bool), 1)
    compare(
        ours, theirs, ours(lg.asarray(src), lg.asarray(tgt), tgt_mask=hidden),
        theirs(torch.tensor(src), torch.tensor(tgt), tgt_mask=torch.tensor(hidden)),
    )  # fmt: skip


def test_positions_follow_their_formula() -> None:
    table = nn.SinusoidalPositions(6, max_len=10)(lg.zeros((1, 4, 6))).numpy()[0]
    for t in range(4):
        for i in range(3):
            rate = 10000.0 ** (-2 * i / 6)
            assert table[t, 2 * i] == pytest.approx(np.sin(t * rate), abs=1e-6)
            assert table[t, 2 * i + 1] == pytest.approx(np.cos(t * rate), abs=1e-6)


def test_errors_teach() -> None:
    with pytest.raises(lg.ShapeError, match="8 cannot be shared evenly among 3"):
        nn.MultiheadAttention(8, 3)
    x = lg.ones((1, 2, 4))
    with pytest.raises(lg.LocalgradError, match="give attn_mask or is_causal=True, not both"):
        nn.functional.scaled_dot_product_attention(
            x, x, x, attn_mask=np.ones((2, 2), bool), is_causal=True
        )


def test_a_query_that_may_look_nowhere_sends_zeros_in_any_order() -> None:
    """PyTorch's weights of such a row are zero; its own second derivatives are, too."""
    mask = np.ones((3, 4), bool)
    mask[1] = False
    drawn = np.random.default_rng(0)
    arrays = [drawn.standard_normal((n, 2)) for n in (3, 4, 4)]
    ours = [lg.asarray(a, requires_grad=True) for a in arrays]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    y = lg.nn.functional.scaled_dot_product_attention(*ours, attn_mask=lg.asarray(mask))
    other = torch.nn.functional.scaled_dot_product_attention(
        *theirs, attn_mask=torch.tensor(mask)
    )
    first = lg.gradients((y * y).sum(), ours, create_graph=True)
    expected = torch.autograd.grad((other * other).sum(), theirs, create_graph=True)
    second = lg.gradients(sum((g * g).sum() for g in first), ours)
    beyond = torch.autograd.grad(sum((g * g).sum() for g in expected), theirs)
    for a, b in zip((y, *first, *second), (other, *expected, *beyond)):
        np.testing.assert_allclose(a.numpy(), b.detach().numpy(), atol=1e-10)


@pytest.mark.parametrize("length", [4, 64])  # by NumPy, by a kernel
@pytest.mark.parametrize("road", [attention, attention.derivation])
def test_a_causal_query_does_not_see_a_nan_that_comes_later(length: int, road) -> None:
    drawn = np.random.default_rng(0)
    q, k, v = (lg.asarray(drawn.standard_normal((length, 16))) for _ in range(3))
    k.value[-1] = np.nan
    y = road(q, k, v, causal=True).numpy()
    assert np.isfinite(y[:-1]).all() and np.isnan(y[-1]).all()


def test_no_keys_at_all() -> None:
    q, k = lg.ones((2, 3, 4)), lg.ones((2, 0, 4))
    y = lg.nn.functional.scaled_dot_product_attention(q, k, k)
    np.testing.assert_array_equal(y.numpy(), np.zeros((2, 3, 4)))
