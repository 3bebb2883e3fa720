"""The kernels where they share a process: narrower vectors, forks, other libraries, no Numba.

Each case is a small program of its own, since what it changes is settled when the kernels are
first loaded.
"""

import io
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("numba")

ROOT = Path(__file__).parent.parent

TRAIN = """
import numpy as np
import localgrad as lg
from localgrad import nn, optim

def train(steps=3):
    '''Losses of a network of many kinds of layers, from fixed weights on fixed data.'''
    lg.manual_seed(0)
    rng = np.random.default_rng(0)
    images = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1, stride=2), nn.Flatten(), nn.Linear(16 * 7 * 7, 128),
        nn.GELU(), nn.LayerNorm(128),
    )
    words, memory = nn.Embedding(20, 128), nn.LSTM(128, 64, batch_first=True)
    attention, head = nn.MultiheadAttention(64, 4, batch_first=True), nn.Linear(64, 10)
    parts = nn.ModuleList([images, words, memory, attention, head])
    optimiser = optim.Adam(parts.parameters(), lr=1e-2)
    x = lg.asarray(rng.standard_normal((16, 3, 28, 28)).astype("f4"))
    tokens, target = rng.integers(0, 20, (16, 12)), lg.asarray(rng.integers(0, 10, 16))
    losses = []
    for _ in range(steps):
        optimiser.zero_grad()
        seen = images(x)
        states, _ = memory(words(lg.asarray(tokens)) + seen[:, None])
        mixed, _ = attention(states, states, states, need_weights=False)
        loss = nn.functional.cross_entropy(head(mixed[:, -1] + states[:, -1]), target)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses
"""


def run(program: str, **environment: str) -> str:
    """What a program prints that follows `TRAIN`; it must end well."""
    done = subprocess.run(
        [sys.executable, "-c", TRAIN + textwrap.dedent(program)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def losses(program: str, **environment: str) -> list[float]:
    return [float(word) for word in run(program, **environment).split()]


@pytest.fixture(scope="module")
def expected() -> list[float]:
    """The same training on the NumPy reference."""
    return losses("print(*train())", LOCALGRAD_KERNELS="reference")


def test_the_reference_and_the_kernels_train_alike(expected: list[float]) -> None:
    found = losses("print(*train()); from localgrad.kernels import dispatch as d\n"
                   "assert d.kernels_allowed()")  # fmt: skip
    assert found == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("bits, kind, bound", [("128", "float64", 1e-13), ("256", "float32", 1e-5)])
def test_narrower_vectors(bits: str, kind: str, bound: float) -> None:
    """The register blocks and transposes of other machines, at odd sizes."""
    run(
        f"""
        from localgrad.kernels.cpu.host import host
        from localgrad.kernels.dispatch import on_the_reference
        assert host().bits == {bits} and host().lanes(4) == {bits} // 32

        def swept():
            rng = np.random.default_rng(0)
            shapes = [(2, 5, 17, 13), (16, 5, 3, 3), (19, 16, 3, 3), (16, 16, 3, 3), (77, 19),
                      (77,)]
            leaves = [lg.asarray(rng.standard_normal(s).astype("{kind}"), requires_grad=True)
                      for s in shapes]
            x, first, last, middle, weight, bias = leaves
            y = nn.functional.conv2d(x, first, padding=1)
            y = nn.functional.conv2d(y, middle, padding=1)  # by Winograd's tiles
            y = nn.functional.conv2d(y, last, padding=1)
            z = nn.functional.linear(lg.permute_dims(y, (0, 2, 3, 1)), weight, bias)
            (z * z).sum().backward()
            return [z.numpy(), *(leaf.grad.numpy() for leaf in leaves)]

        fast = swept()
        with on_the_reference():
            slow = swept()
        for a, b in zip(fast, slow):
            assert a.dtype == "{kind}" and abs(a - b).max() <= {bound} * abs(b).max()
        """,
        LOCALGRAD_VECTOR_BITS=bits,
    )


def test_without_numba_all_runs_on_the_reference(expected: list[float]) -> None:
    found = losses(
        """
        import sys
        for name in ("numba", "llvmlite"):
            sys.modules[name] = None  # an import of it fails, as where it is not installed
        print(*train())
        from localgrad.kernels import cpu
        assert not cpu.available()
        """
    )
    assert found == expected


@pytest.mark.parametrize("threads", ["1", "3"])
def test_the_number_of_threads_and_a_second_run(threads: str, expected: list[float]) -> None:
    found = losses(
        "assert lg.get_num_threads() == int(__import__('os').environ['LOCALGRAD_NUM_THREADS'])\n"
        "first, second = train(), train()\n"
        "assert first == second, (first, second)\n"
        "print(*first)",
        LOCALGRAD_NUM_THREADS=threads,
    )
    assert found == pytest.approx(expected, rel=1e-4)


def test_after_a_fork_both_processes_go_on(expected: list[float]) -> None:
    found = losses(
        """
        import os, warnings
        warnings.simplefilter("ignore")  # newer Pythons warn of any fork beside threads
        before = train()
        child = os.fork()
        if child == 0:
            os._exit(0 if train() == before else 1)
        assert train() == before
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        print(*before)
        """
    )
    assert found == pytest.approx(expected, rel=1e-4)


def test_beside_pytorch_openblas_and_scikit_learn(expected: list[float]) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    found = losses(
        """
        import torch
        from sklearn.cluster import KMeans

        def others():
            a = rng.standard_normal((300, 300)).astype("f4")
            product = torch.from_numpy(a) @ torch.from_numpy(a)
            assert np.allclose(product.numpy(), a @ a, atol=1e-2)
            KMeans(3, n_init=1, random_state=0).fit(a)

        rng = np.random.default_rng(1)
        others()
        before = train()
        others()
        assert train() == before
        others()
        print(*before)
        """
    )
    assert found == pytest.approx(expected, rel=1e-4)


def test_code_on_disk_is_forgotten_when_any_source_changes(tmp_path: Path) -> None:
    """A kernel carries copies of functions of other files, of which Numba knows nothing."""
    from localgrad.kernels.cpu.fresh import forget_stale_code

    index = tmp_path / "product.nbi"
    index.write_text("old")
    forget_stale_code(tmp_path)  # made before there was a mark
    assert not index.exists()
    index.write_text("new")
    forget_stale_code(tmp_path)
    assert index.exists()
    (tmp_path / "sources.sha256").write_text("of other sources")
    forget_stale_code(tmp_path)
    assert not index.exists()


def test_a_terminal_shows_what_is_compiled_and_only_then(tmp_path: Path) -> None:
    pty = pytest.importorskip("pty")
    program = "import localgrad as lg; lg.nn.functional.relu(lg.ones((200, 200)))"

    def shown() -> str:
        ours, theirs = pty.openpty()
        environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
        command = [sys.executable, "-c", program]
        subprocess.run(command, stderr=theirs, env=environment, check=True, cwd=ROOT)
        os.write(theirs, b"the end")
        text = b""
        while not text.endswith(b"the end"):
            text += os.read(ours, 10_000)
        os.close(ours)
        os.close(theirs)
        return text.decode()

    first = shown()
    assert "compiling kernels (once, kept on disk): relu" in first
    assert first.endswith("\r\x1b[Kthe end")
    assert shown() == "the end"


def test_beside_a_live_display_no_line_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """rich stands in for standard error meanwhile, and would leave the control codes as text."""
    from localgrad.kernels.cpu import product
    from localgrad.kernels.cpu.announce import Announcer

    class Stand(io.StringIO):
        def isatty(self) -> bool:
            return True

    def relu() -> None: ...

    relu.__module__ = product.__name__
    stand = Stand()
    monkeypatch.setattr(sys, "stderr", stand)
    compiled = SimpleNamespace(data={"dispatcher": SimpleNamespace(py_func=relu)})
    announcer = Announcer()
    announcer.on_start(compiled)
    announcer.on_end(compiled)
    assert stand.getvalue() == ""
