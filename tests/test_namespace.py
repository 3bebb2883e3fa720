"""The public face: the array API's names, its calls against NumPy's, and dtype rules."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import localgrad as lg


def words(text: str) -> list[str]:
    return text.split()


STANDARD = words(
    """
e inf nan newaxis pi astype can_cast finfo iinfo isdtype result_type
arange asarray empty empty_like eye from_dlpack full full_like linspace meshgrid ones ones_like
tril triu zeros zeros_like
bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64 complex64 complex128
broadcast_arrays broadcast_to abs acos acosh add asin asinh atan atan2 atanh bitwise_and
bitwise_left_shift bitwise_invert bitwise_or bitwise_right_shift bitwise_xor ceil clip conj
copysign cos cosh divide equal exp expm1 floor floor_divide greater greater_equal hypot imag
isfinite isinf isnan less less_equal log log1p log2 log10 logaddexp logical_and logical_not
logical_or logical_xor maximum minimum multiply negative nextafter not_equal positive pow real
reciprocal remainder round sign signbit sin sinh square sqrt subtract tan tanh trunc
take take_along_axis matmul matrix_transpose tensordot vecdot
concat expand_dims flip moveaxis permute_dims repeat reshape roll squeeze stack tile unstack
argmax argmin count_nonzero nonzero searchsorted where
unique_all unique_counts unique_inverse unique_values argsort sort
cumulative_prod cumulative_sum max mean min prod std sum var all any diff
__array_namespace_info__ __array_api_version__
"""
)
LINALG = words(
    """
cholesky cross det diagonal eigh eigvalsh inv matmul matrix_norm matrix_power matrix_rank
matrix_transpose outer pinv qr slogdet solve svd svdvals tensordot trace vecdot vector_norm
"""
)
FFT = words(
    """
fft ifft fftn ifftn rfft irfft rfftn irfftn hfft ihfft fftfreq rfftfreq fftshift ifftshift
"""
)
CONTRACT = words(
    """
tensor gradients no_grad enable_grad manual_seed grad value_and_grad vjp jvp jacobian hessian hvp
per_example_gradients checkpoint check_gradients GradientMismatch pointwise linear custom
nn optim data save load Ledger linalg fft special
"""
)


@pytest.mark.parametrize("name", [*STANDARD, *CONTRACT])
def test_public_name(name: str) -> None:
    assert hasattr(lg, name)
    assert name in dir(lg)


@pytest.mark.parametrize(("room", "names"), [("linalg", LINALG), ("fft", FFT)])
def test_rooms_of_the_standard(room: str, names: list[str]) -> None:
    assert [n for n in names if not hasattr(getattr(lg, room), n)] == []


def test_unknown_name() -> None:
    with pytest.raises(AttributeError, match="softpuls"):
        lg.softpuls  # noqa: B018


def test_a_tensor_names_its_namespace() -> None:
    xp = lg.asarray([1.0]).__array_namespace__()
    assert xp is lg
    info = xp.__array_namespace_info__()
    assert info.default_dtypes()["real floating"] == lg.float32
    assert set(info.dtypes(kind="real floating")) == {"float32", "float64"}
    assert set(info.dtypes(kind=("bool", "complex floating"))) == {
        "bool",
        "complex64",
        "complex128",
    }
    assert info.devices() == ["cpu"]


def test_import_loads_nothing_heavy() -> None:
    heavy = words("scipy numba llvmlite torch rich typer jinja2 sklearn pandas safetensors")
    code = f"import sys, localgrad; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# -- calls as the standard spells them, against NumPy ----------------------------------------------

M = np.array([[3.0, -1.0, 2.0], [0.5, 2.5, -2.0]])
I = np.array([[6, 1, 3], [0, 2, 5]])  # noqa: E741
CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("sum", (M,), {"axis": 0, "keepdims": True}),
    ("sum", (I,), {}),
    ("sum", (M,), {"dtype": np.float32}),
    ("sum", (M > 0,), {"axis": (0, 1)}),
    ("mean", (M,), {"axis": -1}),
    ("prod", (I,), {"axis": 1}),
    ("max", (I,), {"axis": 1, "keepdims": True}),
    ("min", (M,), {}),
    ("var", (M,), {"axis": 1, "correction": 1.0}),
    ("std", (M,), {"axis": 0}),
    ("any", (M > 2,), {"axis": 0}),
    ("all", (M > 2,), {}),
    ("argmax", (M,), {"axis": 1, "keepdims": True}),
    ("argmin", (M,), {}),
    ("count_nonzero", (I,), {"axis": 0}),
    ("cumulative_sum", (M,), {"axis": 1, "include_initial": True}),
    ("cumulative_prod", (I,), {"axis": 0}),
    ("sort", (M,), {"axis": 0}),
    ("argsort", (M,), {"axis": 1}),
    ("searchsorted", (np.array([1.0, 2.0, 3.0]), M), {"side": "right"}),
    ("clip", (M, -1, 1.5), {}),
    ("where", (M > 0, M, 0.0), {}),
    ("floor_divide", (M, 0.7), {}),
    ("remainder", (I, 4), {}),
    ("bitwise_and", (I, 3), {}),
    ("bitwise_invert", (I,), {}),
    ("bitwise_left_shift", (I, 2), {}),
    ("round", (M * 1.26,), {}),
    ("floor", (I,), {}),
    ("sign", (M,), {}),
    ("pow", (I, 2), {}),
    ("isnan", (M,), {}),
    ("logaddexp", (M, M[0]), {}),
    ("concat", ([M, M],), {"axis": 1}),
    ("flip", (M,), {"axis": 1}),
    ("roll", (M,), {"shift": 1, "axis": 0}),
    ("repeat", (M, 2), {"axis": 1}),
    ("tile", (M, (2, 1)), {}),
    ("diff", (M,), {"n": 2}),
    ("take", (M, np.array([1, 0])), {"axis": 1}),
    ("expand_dims", (M,), {"axis": 1}),
    ("permute_dims", (M, (1, 0)), {}),
    ("tril", (M,), {"k": -1}),
    ("tensordot", (M, M), {"axes": ((1,), (1,))}),
    ("vecdot", (M, M), {}),
    ("full", ((2, 2), 3), {}),
    ("eye", (3, 4), {"k": 1, "dtype": np.float64}),
    ("linspace", (0.0, 1.0, 5), {"dtype": np.float64}),
    ("arange", (2, 10, 3), {}),
]


@pytest.mark.parametrize(("name", "arguments", "options"), CALLS)
def test_call_of_the_standard(name: str, arguments: Any, options: Any) -> None:
    theirs = {"cumulative_sum": cumulative, "cumulative_prod": cumulative}.get(name)
    numpys = {"bitwise_invert": "invert", "bitwise_left_shift": "left_shift", "pow": "power"}
    function = theirs or getattr(np, {**numpys, "concat": "concatenate"}.get(name, name))
    if name in ("var", "std"):
        expected = function(*arguments, axis=options["axis"], ddof=options.get("correction", 0))
    elif name == "cumulative_prod":
        expected = np.cumprod(*arguments, **options)
    else:
        renamed = {"permute_dims": "transpose", "vecdot": "vecdot"}.get(name)
        expected = (getattr(np, renamed) if renamed else function)(*arguments, **options)
    found = getattr(lg, name)(*arguments, **options)
    assert isinstance(found, lg.Tensor)
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found.value, expected, rtol=1e-13)


def cumulative(x: Any, axis: int, include_initial: bool) -> Any:
    assert include_initial
    return np.concatenate([np.zeros((x.shape[0], 1)), np.cumsum(x, axis)], axis=axis)


# -- dtypes ----------------------------------------------------------------------------------------


def test_dtype_rules() -> None:
    single, double = lg.asarray([1.0, 2.0]), lg.asarray(np.array([1.0, 2.0]))
    half = lg.asarray([1.0], dtype=lg.float16)
    assert single.dtype == lg.float32
    assert double.dtype == lg.float64
    assert (single + double).dtype == lg.float64
    for x in (single, double, half):
        for y in (
            x + 1,
            x * 2.5,
            2.5 / x,
            x**2,
            x**0.5,
            lg.maximum(x, 0.0),
            lg.where(x > 0, x, 0.0),
        ):
            assert y.dtype == x.dtype
        for f in (lg.exp, lg.sigmoid, lg.softmax, lg.gelu, lg.mean, lg.std, lg.special.erf, lg.elu):
            assert f(x).dtype == x.dtype
    assert lg.exp(1.0).dtype == lg.add(1.0, 2).dtype == lg.float32
    assert lg.add(1, 2).dtype == lg.int64
    assert lg.asarray([1, 2]).dtype == lg.int64
    assert lg.asarray([True]).dtype == lg.bool
    assert lg.asarray([1j]).dtype == lg.complex64
    assert (lg.asarray([1, 2]) / 2).dtype == lg.float64
    assert lg.sum(lg.asarray([1, 2], dtype=lg.int8)).dtype == lg.int64
    assert lg.zeros(2).dtype == lg.ones(2).dtype == lg.linspace(0, 1, 3).dtype == lg.float32
    assert lg.full(2, 1).dtype == lg.int64
    assert lg.full(2, 1.0).dtype == lg.float32


def test_gradients_have_the_dtype_of_their_argument() -> None:
    a = lg.asarray([1.0, 2.0], requires_grad=True)
    b = lg.asarray(np.array([3.0, 4.0]), requires_grad=True)
    (a * b).sum().backward()
    assert a.grad.dtype == lg.float32
    assert b.grad.dtype == lg.float64
