"""The kernels that measure on PyTorch's own threads, against NumPy in double precision."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("numba")

from localgrad.kernels.cpu.team import Team  # noqa: E402
from localgrad.torch.statistics import Meter, _library  # noqa: E402


@pytest.fixture(params=[1, 2, 3])
def meter(request: Any) -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield Meter()
    torch.set_num_threads(before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [0, 1, 4095, 40_000, 1_000_001])
def test_moments_are_those_of_double_precision(meter: Any, size: int, dtype: Any) -> None:
    torch.manual_seed(0)
    x = torch.relu(torch.randn(size, dtype=dtype))
    wide = x.double().numpy()
    stats = meter.stats(meter.add(x))
    assert stats.size == size
    assert stats.norm == pytest.approx(float(np.linalg.norm(wide)), rel=1e-6)
    assert stats.mean is None or stats.mean == pytest.approx(wide.mean(), rel=1e-6)
    assert stats.zeros == np.count_nonzero(wide == 0)
    assert meter.add_many([x, x[: size // 2]])[1] == 2
    assert meter.stats(2).zeros == np.count_nonzero(wide[: size // 2] == 0)


@pytest.mark.parametrize("value", [math.nan, math.inf, 3e30, 1e-30])
def test_what_single_precision_would_lose_is_counted_again(meter: Any, value: float) -> None:
    x = torch.ones(50_000)
    x[1::2] = value
    stats = meter.stats(meter.add(x))
    assert stats.nonfinite == (0 if math.isfinite(value) else 25_000)
    if math.isfinite(value):
        wide = np.linalg.norm(x.double().numpy())
        assert stats.norm == pytest.approx(float(wide), rel=1e-6)


@pytest.mark.parametrize("size", [5, 50_000])
def test_a_join_tells_what_its_sum_is_missing(meter: Any, size: int) -> None:
    torch.manual_seed(0)
    parts = [torch.randn(size, dtype=torch.float64) for _ in range(3)]
    missing = torch.randn(size, dtype=torch.float64)
    total = sum(parts) + missing
    rows, row, number = meter.join(parts, total)
    assert meter.numbers[number] == pytest.approx(float(missing @ missing))
    assert meter.square(row) == pytest.approx(float(total @ total))
    for own, part in zip(rows, parts):
        assert meter.square(own) == pytest.approx(float(part @ part))
        assert meter.inner(own) == pytest.approx(float(part @ total))


def test_layouts_are_read_as_they_lie(meter: Any) -> None:
    x = torch.randn(40, 30, 50)
    for view in (x.permute(2, 0, 1), x[:, ::2], x[:, :1].expand(40, 30, 50), x[3], x.mT):
        norm = float(view.double().norm())
        assert meter.stats(meter.add(view)).norm == pytest.approx(norm, rel=1e-6)
    a, b = x.mT, torch.randn(40, 50, 30)
    rows, _, number = meter.join([a, b], a + b)
    assert meter.numbers[number] == pytest.approx(0, abs=1e-9)
    assert meter.inner(rows[0]) == pytest.approx(float((a * (a + b)).sum()), rel=1e-4)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_units_that_are_zero_everywhere_are_counted(meter: Any, layout: Any) -> None:
    x = torch.rand(6, 5, 7, 8)
    x[:, 1] = 0
    x[:, 3] = 0
    x[5, 3, 6, 7] = math.nan
    assert meter.zero_units(x.to(memory_format=layout), 1) == 1
    assert meter.zero_units(x[0].reshape(5, 56).mT.contiguous(), 1) == 2


def test_the_openmp_of_pytorch_is_found() -> None:
    if "OpenMP" not in torch.__config__.parallel_info():
        pytest.skip("this PyTorch runs without OpenMP")
    assert Team(_library()).found


def test_without_openmp_the_caller_does_the_work() -> None:
    """In a process of its own, because the threads to launch on are chosen once."""
    import subprocess
    import sys

    code = (
        "import torch; from localgrad.torch import statistics as s; "
        "s._library = lambda: 'no such library'; m = s.Meter(); m._threads = 4; "
        "x = torch.ones(100_000); print(m.stats(m.add(x)).norm ** 2, m._team is not None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    square, kernels = done.stdout.split()
    assert float(square) == pytest.approx(100_000) and kernels == "True"
