"""Every operation on every form of input: no axes, one element, none, views, three precisions;
and what it keeps in memory for backward."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

import localgrad as lg
from localgrad.local.operation import parameters_of
from tests.op_cases import OPERATIONS, Case, downstreams, identifier, raw

EXPLAINED = [op for op in OPERATIONS if op.example is not None]
ELEMENTWISE = [
    op
    for op in EXPLAINED
    if op.kind in ("pointwise", "select", "flat")
    and ".network." not in op.module
    and "axis" not in op.options
    and Case(op).call()[0].shape == (3, 4)
]
operation = pytest.mark.parametrize("op", EXPLAINED, ids=identifier)
elementwise = pytest.mark.parametrize("op", ELEMENTWISE, ids=identifier)


def test_elementwise_operations_were_found() -> None:
    assert len(ELEMENTWISE) > 100


@elementwise
def test_without_axes_and_with_one_element(op: Any) -> None:
    """The first element alone, as () and as (1, 1), gives what it gave among the others."""
    whole = Case(op)
    upstreams = [lg.asarray(np.full((3, 4), 0.75))]
    (y,) = whole.call()
    found = raw(downstreams(whole, upstreams)[3], whole.points)
    for shape in ((), (1, 1)):
        case = Case(op, change=lambda v, s=shape: v.flat[0].reshape(s).copy())
        (y_alone,) = case.call()
        assert y_alone.shape == shape
        assert isinstance(y_alone.value, np.ndarray)
        np.testing.assert_allclose(y_alone.value.flat[0], y.value.flat[0], rtol=1e-14)
        alone = raw(downstreams(case, [lg.asarray(np.full(shape, 0.75))])[3], case.points)
        for one, all_of_it, point in zip(alone, found, whole.points):
            assert one.shape == shape
            if point.shape == (3, 4):  # where it was broadcast, contributions were added
                np.testing.assert_allclose(one.flat[0], all_of_it.flat[0], rtol=1e-13)


@elementwise
def test_without_elements(op: Any) -> None:
    case = Case(op, change=lambda v: v[..., :0])
    (y,) = case.call()
    assert y.size == 0
    for gradient, point in zip(downstreams(case)[3], case.points):
        assert gradient is None or gradient.shape == point.shape


REDUCING = [op for op in EXPLAINED if op.kind in ("reduction", "axis operator")]


@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:Degrees of freedom")
@pytest.mark.parametrize("op", REDUCING, ids=identifier)
def test_reductions_of_no_elements(op: Any) -> None:
    """Over no elements there is an identity, or a NaN, or an error that says so: never a crash."""
    with np.errstate(all="ignore"):
        x = lg.asarray(np.zeros((0, 3)), requires_grad=True)
        try:
            y = op(x, axis=0)
        except lg.ShapeError as error:
            assert op.name in str(error)
            return
        y.sum().backward()
    assert x.grad.shape == (0, 3)


@operation
def test_views_with_negative_strides(op: Any) -> None:
    """Memory layout changes nothing: neither values nor gradients."""
    plain = Case(op)
    turned = Case(op, change=lambda v: np.flip(np.flip(v).copy()))
    for a, b in zip(plain.call(), turned.call()):
        np.testing.assert_allclose(b.value, a.value, rtol=1e-12, atol=1e-13)
    _, _, upstreams, expected = downstreams(plain)
    backwards = [lg.asarray(np.flip(np.flip(u.value).copy())) for u in upstreams]
    for a, b in zip(expected, downstreams(turned, backwards)[3]):
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_allclose(b.value, a.value, rtol=1e-12, atol=1e-13)


SINGLE_OR_MORE = {"inv", "solve", "det", "slogdet", "cholesky", "eigh", "eigvalsh", "qr", "svd"}
SINGLE_OR_MORE |= {"svdvals", "pinv", "matrix_power", "matrix_exp", "nextafter"}
"""LAPACK has no half precision; the last bit of float32 is not that of float64."""


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
@operation
def test_precisions(op: Any, dtype: str) -> None:
    """The result has the precision of NumPy's forward, a gradient that of its argument."""
    if dtype == "float16" and op.name in SINGLE_OR_MORE:
        return
    close = {"float64": 1e-12, "float32": 2e-4, "float16": 6e-2}[dtype]
    case = Case(op, np.dtype(dtype))
    exact = Case(op, arguments=([widened(v) for v in case.values], case.options))
    outputs, expected = case.call(), exact.call()
    for y, z in zip(outputs, expected):
        if y.dtype.kind == "f" and not case.options.get("dtype") and is_real(case):
            assert y.dtype == dtype
        if y.dtype.kind in "fc":
            np.testing.assert_allclose(y.value, z.value, rtol=close, atol=close)
    upstreams = [lg.asarray(np.ones(y.shape, y.dtype)) for y in outputs if y.dtype.kind in "fc"]
    wider = [lg.asarray(widened(u.value)) for u in upstreams]
    found, reference = downstreams(case, upstreams)[3], downstreams(exact, wider)[3]
    for gradient, precise, point in zip(found, reference, case.points):
        if gradient is not None:
            assert gradient.dtype == point.dtype
            scale = abs(precise.value).max(initial=1)
            np.testing.assert_allclose(gradient.value, precise.value, close, close * scale)


def is_real(case: Case) -> bool:
    return all(p.dtype.kind == "f" for p in case.points)


def widened(value: Any) -> Any:
    if getattr(getattr(value, "dtype", None), "kind", "") not in "fc" or not hasattr(
        value, "dtype"
    ):
        return value
    return value.astype(np.complex128 if value.dtype.kind == "c" else np.float64)


DECLARING = [op for op in EXPLAINED if op.kind in ("pointwise", "select", "reduction")]


@pytest.mark.parametrize("op", DECLARING, ids=identifier)
def test_keeps_what_its_partials_name(op: Any) -> None:
    """An argument's memory outlives the call exactly where a partial names that argument."""
    case = Case(op)
    for moving in case.moving:
        partial = op.partials[moving]
        named = parameters_of(partial)
        for place, name in enumerate(op.arguments):
            if not hasattr(case.values[place], "dtype"):
                continue
            values = [v.copy() if hasattr(v, "copy") else v for v in case.values]
            arguments: list[Any] = list(values)
            arguments[moving] = lg.asarray(values[moving], requires_grad=True) * 1.0
            if place != moving:
                arguments[place] = lg.asarray(values[place])
            watched = weakref.ref(
                arguments[place].value if isinstance(arguments[place], lg.Tensor) else values[place]
            )
            y = op(*arguments, **case.options)
            if y.source is None:
                continue
            if watched() is not None and np.shares_memory(watched(), y.value):
                continue  # the output is a view
            assert set(y.source.retained) == set(named) - set(op.given_names())
            del arguments, values
            gc.collect()
            alive = watched() is not None
            assert alive == (name in named), f"{op.name} keeps {name}: {alive}"
