"""Fourier transforms against NumPy's values and PyTorch's gradients."""

import numpy as np
import pytest

import localgrad as lg

torch = pytest.importorskip("torch")

CASES = [
    ("fft", {}),
    ("fft", {"n": 4}),
    ("fft", {"n": 9, "norm": "ortho"}),
    ("ifft", {"norm": "forward"}),
    ("rfft", {}),
    ("rfft", {"n": 7}),
    ("irfft", {}),
    ("irfft", {"n": 7}),
    ("irfft", {"n": 8, "norm": "ortho"}),
    ("hfft", {}),
    ("ihfft", {}),
    ("fftn", {}),
    ("ifftn", {}),
    ("rfftn", {}),
    ("irfftn", {}),
    ("fftshift", {}),
    ("ifftshift", {}),
]


def argument(name: str, rng: np.random.Generator) -> np.ndarray:
    real = rng.standard_normal((3, 6))
    return real if name in ("rfft", "rfftn", "ihfft") else real + 1j * rng.standard_normal((3, 6))


@pytest.mark.parametrize(("name", "options"), CASES)
def test_values_and_gradients(name: str, options: dict) -> None:
    rng = np.random.default_rng(0)
    x = argument(name, rng)
    ours = lg.asarray(x, requires_grad=True)
    theirs = torch.tensor(x, requires_grad=True)
    y = getattr(lg.fft, name)(ours, **options)
    expected = getattr(np.fft, name)(x, **options)
    assert y.shape == expected.shape
    np.testing.assert_allclose(y.numpy(), expected, atol=1e-12)
    z = getattr(torch.fft, name)(theirs, **options)
    upstream = rng.standard_normal(expected.shape)
    if np.iscomplexobj(expected):
        upstream = upstream + 1j * rng.standard_normal(expected.shape)
    y.backward(upstream)
    z.backward(torch.tensor(upstream))
    np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.resolve_conj().numpy(), atol=1e-12)


def test_frequencies() -> None:
    np.testing.assert_allclose(lg.fft.fftfreq(5, d=0.5).numpy(), np.fft.fftfreq(5, 0.5), rtol=1e-6)
    np.testing.assert_allclose(lg.fft.rfftfreq(6).numpy(), np.fft.rfftfreq(6), rtol=1e-6)
