"""The machine under the figures: what it is, and how fast its matrix products run."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

_PACKAGES = ("localgrad", "numpy", "numba", "llvmlite", "scipy", "torch", "jax", "jaxlib")
_FEATURES = ("amx_bf16", "avx512f", "avx2", "fma", "asimd")


def describe() -> dict[str, Any]:
    """Processor, cores, its vector features, system, Python and package versions, peak."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "features": [f for f in _FEATURES if f in _cpuinfo().split()],
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES if _version(name)},
        "gflops": measured_peak() / 1e9,
        "when": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
    }


def measured_peak() -> float:
    """Float32 operations a second of large matrix products, the best of several.

    Run in a process of its own, since a thread pool once started stays beside whatever follows.
    """
    return _apart("_matmul_rate")


def measured_bandwidth() -> float:
    """Bytes a second that copies of large arrays read and write, all cores at once."""
    return _apart("_copy_rate")


def _apart(function: str) -> float:
    code = f"from {__name__} import {function}; print({function}())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)


def _matmul_rate(size: int = 2048, repeats: int = 12) -> float:
    import numpy

    a = numpy.random.default_rng(0).random((size, size), dtype=numpy.float32)
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        a @ a
        times.append(time.perf_counter() - start)
    return 2 * size**3 / min(times)


def _copy_rate(size: int = 1 << 26, repeats: int = 12) -> float:
    import numpy

    cores = os.cpu_count() or 1
    pairs = [(numpy.ones(size, numpy.uint8), numpy.ones(size, numpy.uint8)) for _ in range(cores)]
    times = []
    with ThreadPoolExecutor(cores) as pool:
        for _ in range(repeats):
            start = time.perf_counter()
            list(pool.map(lambda pair: numpy.copyto(*pair), pairs))  # leaves the interpreter free
            times.append(time.perf_counter() - start)
    return 2 * size * cores / min(times)


def _cpuinfo() -> str:
    path = Path("/proc/cpuinfo")
    return path.read_text() if path.exists() else ""


def _processor() -> str:
    for line in _cpuinfo().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""
