"""Linear algebra: both modes and second order against finite differences, values against NumPy."""

import numpy as np
import pytest

import localgrad as lg
from localgrad import linalg

RNG = np.random.default_rng(0)
SQUARE = RNG.standard_normal((3, 3)) + 3 * np.eye(3)
POSITIVE = SQUARE @ SQUARE.T + np.eye(3)
TALL = RNG.standard_normal((4, 3))
COLUMNS = RNG.standard_normal((3, 2))


def reduced_svd(x: lg.Tensor) -> tuple:
    u, s, vh = linalg.svd(x, full_matrices=False)
    return u**2, s, vh**2  # squares: the signs of singular vectors are arbitrary


CASES = {
    "inv": (linalg.inv, (SQUARE,)),
    "inv of a batch": (linalg.inv, (np.stack([SQUARE, POSITIVE]),)),
    "det": (linalg.det, (SQUARE,)),
    "slogdet": (lambda x: linalg.slogdet(x).logabsdet, (SQUARE,)),
    "solve": (linalg.solve, (SQUARE, COLUMNS)),
    "solve a vector": (linalg.solve, (SQUARE, COLUMNS[:, 0])),
    "cholesky": (linalg.cholesky, (POSITIVE,)),
    "cholesky upper": (lambda x: linalg.cholesky(x, upper=True), (POSITIVE,)),
    "eigh": (lambda x: (linalg.eigh(x)[0], linalg.eigh(x)[1] ** 2), (POSITIVE,)),
    "eigvalsh": (linalg.eigvalsh, (POSITIVE,)),
    "qr": (lambda x: tuple(linalg.qr(x)), (TALL,)),
    "svd": (reduced_svd, (TALL,)),
    "svd of a wide matrix": (reduced_svd, (TALL.T.copy(),)),
    "svdvals": (linalg.svdvals, (TALL,)),
    "pinv": (linalg.pinv, (TALL,)),
    "matrix_power": (lambda x: linalg.matrix_power(x, -3), (SQUARE,)),
    "nuclear norm": (lambda x: linalg.matrix_norm(x, ord="nuc"), (SQUARE,)),
    "spectral norm": (lambda x: linalg.matrix_norm(x, ord=2), (SQUARE,)),
    "column norm": (lambda x: linalg.matrix_norm(x, ord=1), (SQUARE,)),
    "frobenius norm": (linalg.matrix_norm, (SQUARE,)),
    "norm": (linalg.norm, (SQUARE,)),
    "vector norm 3": (lambda x: linalg.vector_norm(x, ord=3, axis=0), (SQUARE,)),
    "trace": (linalg.trace, (SQUARE,)),
    "cross": (linalg.cross, (SQUARE, POSITIVE)),
    "vecdot": (linalg.vecdot, (SQUARE, POSITIVE)),
    "tensordot": (lambda a, b: linalg.tensordot(a, b, axes=1), (TALL, SQUARE)),
}


@pytest.mark.parametrize("name", CASES)
def test_gradients(name: str) -> None:
    function, arguments = CASES[name]
    report = lg.check_gradients(function, *arguments)
    assert max(row.error for row in report.rows) < 1e-8


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        ("inv", SQUARE),
        ("det", SQUARE),
        ("slogdet", SQUARE),
        ("cholesky", POSITIVE),
        ("eigh", POSITIVE),
        ("eigvalsh", POSITIVE),
        ("qr", TALL),
        ("svd", TALL),
        ("svdvals", TALL),
        ("pinv", TALL),
        ("matrix_rank", TALL),
        ("norm", TALL),
        ("trace", SQUARE),
    ],
)
def test_values(name: str, argument: np.ndarray) -> None:
    ours = getattr(linalg, name)(argument)
    theirs = getattr(np, name)(argument) if name == "trace" else getattr(np.linalg, name)(argument)
    for a, b in zip(
        ours if isinstance(ours, tuple) else (ours,),
        theirs if isinstance(theirs, tuple) else (theirs,),
    ):
        np.testing.assert_allclose(a.numpy(), b, atol=1e-12)


def test_numpy_functions_dispatch() -> None:
    x = lg.asarray(SQUARE, requires_grad=True)
    np.linalg.det(x).backward()
    np.testing.assert_allclose(x.grad.numpy(), np.linalg.det(SQUARE) * np.linalg.inv(SQUARE).T)


def test_norm_at_zero_has_gradient_zero() -> None:
    x = lg.zeros(3, requires_grad=True)
    linalg.vector_norm(x).backward()
    assert x.grad.tolist() == [0.0, 0.0, 0.0]


def test_an_element_of_zero_has_gradient_zero_where_powers_are_small() -> None:
    x = lg.asarray(np.array([0.0, 4.0, 1.0]), requires_grad=True)
    y = linalg.vector_norm(x, ord=0.5)
    y.backward()
    assert y.item() == 9.0
    np.testing.assert_allclose(x.grad.numpy(), [0.0, 1.5, 3.0])


def test_a_wide_qr_says_that_it_has_no_gradient() -> None:
    with pytest.raises(lg.GraphError, match="qr.*wide"):
        linalg.qr(lg.asarray(TALL.T.copy(), requires_grad=True))
