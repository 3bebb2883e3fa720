"""Checkpoints: what comes back is what was saved, and what cannot be one is said to be none."""

import math
import struct

import numpy as np
import pytest

from localgrad import Tensor
from localgrad.errors_of_runs import CheckpointError, RunError
from localgrad.train import checkpoint
from localgrad.train.metrics import Metrics, read

STATE = {
    "network": {"a.weight": Tensor(np.arange(6, dtype=np.float32).reshape(2, 3).T)},
    "optimizer": {
        "state": {0: {"step": 3, "momentum": Tensor(np.float64(0.1))}, 1: {}},
        "param_groups": [{"lr": 0.1 + 0.2, "betas": (0.9, 0.999), "maximize": False}],
    },
    "nothing": None,
    "infinite": [math.inf, -math.inf],
    "counts": np.array([1, 2], np.int64),
    "large": 2**127 + 1,
    "number": np.float64(1 / 3),
    "text": "δ",
    "empty": {},
    "none": np.zeros((0, 3), np.float16),
}


def test_what_was_saved_comes_back(tmp_path):
    path = tmp_path / "c.safetensors"
    checkpoint.save(path, STATE)
    found = checkpoint.load(path)

    def same(a, b):
        assert type(a) is type(b) or (isinstance(a, np.generic) and a.item() == b)
        if isinstance(a, dict):
            assert list(a) == list(b)
            for key in a:
                same(a[key], b[key])
        elif isinstance(a, list | tuple):
            assert len(a) == len(b)
            for x, y in zip(a, b):
                same(x, y)
        elif isinstance(a, Tensor | np.ndarray):
            a, b = np.asarray(a), np.asarray(b)
            assert a.dtype == b.dtype and a.shape == b.shape and (a == b).all()
        else:
            assert a == b

    same(STATE, found)
    assert [p.name for p in tmp_path.iterdir()] == ["c.safetensors"]


def test_a_truncated_file_is_no_checkpoint_wherever_it_is_cut(tmp_path):
    path = tmp_path / "c.safetensors"
    checkpoint.save(path, STATE)
    whole = path.read_bytes()
    for cut in {0, 1, 7, 8, 9, len(whole) // 2, len(whole) - 1}:
        path.write_bytes(whole[:cut])
        with pytest.raises(CheckpointError, match=r"c\.safetensors is truncated"):
            checkpoint.load(path)


def test_foreign_files_are_named(tmp_path):
    from safetensors.numpy import save_file

    path = tmp_path / "c.safetensors"
    save_file({"weight": np.ones(3)}, path)
    with pytest.raises(CheckpointError, match="no checkpoint of a run; it holds weight"):
        checkpoint.load(path)
    path.write_bytes(struct.pack("<Q", 2) + b"{}")
    with pytest.raises(CheckpointError, match="holds nothing"):
        checkpoint.load(path)
    path.write_bytes(b"PK\3\4" + bytes(100))
    with pytest.raises(CheckpointError, match="damaged"):
        checkpoint.load(path)
    with pytest.raises(RunError, match="there is no file"):
        checkpoint.load(tmp_path / "other.safetensors")


def test_a_kill_while_writing_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "c.safetensors"
    checkpoint.save(path, {"step": 1})

    def killed(*_):
        raise KeyboardInterrupt

    for call in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(f"localgrad.train.files.os.{call}", killed)
            with pytest.raises(KeyboardInterrupt):
                checkpoint.save(path, {"step": 2})
        assert checkpoint.load(path) == {"step": 1}
    checkpoint.save(path, {"step": 3})
    assert checkpoint.load(path) == {"step": 3}


def test_metrics_after_the_checkpoint_are_taken_back(tmp_path):
    path = tmp_path / "metrics.jsonl"
    with Metrics(path, 0) as metrics:
        for step in (1, 2, 3):
            metrics.add(step=step, loss=1 / step)
    with open(path, "a") as file:
        file.write('{"step": 4, "lo')  # a kill in the middle of a line
    assert [line["step"] for line in read(path)] == [1, 2, 3]
    with Metrics(path, 2) as metrics:
        metrics.add(step=3, loss=0.5)
    assert read(path) == [
        {"step": 1, "loss": 1.0},
        {"step": 2, "loss": 0.5},
        {"step": 3, "loss": 0.5},
    ]
