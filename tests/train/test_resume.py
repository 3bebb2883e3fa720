"""A run that is killed, really and at any moment, ends exactly as one that was left alone."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
RECIPE = str(HERE / "small_recipe.py")


def localgrad(where: Path, *arguments: str, sign: str = "SIGKILL", moment: int = 0):
    """Run the command line in a process of its own, struck by a signal at its n-th event."""
    command = [sys.executable, "-m", "tests.train.struck", sign, str(moment), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


def results(folder: Path) -> tuple[bytes, list[dict]]:
    """The trained weights, and the metrics without the time that steps took."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    for line in lines:
        line.pop("seconds", None)
    return (folder / "model.safetensors").read_bytes(), lines


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What comes out without a kill."""
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    done = localgrad(folder, "train", RECIPE, "--seed", "3", "--out", str(folder))
    assert done.returncode == 0, done.stderr
    return results(folder)


def test_two_runs_of_one_seed_are_equal_and_a_complete_run_resumes_to_the_same(
    undisturbed, tmp_path
):
    weights, lines = undisturbed
    assert len(lines) == 2 * 7 + 2
    out = ("--out", str(tmp_path))
    done = localgrad(tmp_path, "train", RECIPE, "--seed", "3", *out)
    assert done.returncode == 0, done.stderr
    assert results(tmp_path) == (weights, lines)
    (tmp_path / "model.safetensors").unlink()  # as if a kill had come before the last write
    done = localgrad(tmp_path, "train", "--resume", *out)
    assert done.returncode == 0, done.stderr
    assert results(tmp_path) == (weights, lines)


def test_killed_again_and_again_a_run_ends_as_if_nothing_had_happened(undisturbed, tmp_path):
    weights, lines = undisturbed
    # From the first write of the settings, through every kind of moment, to near the end: a step
    # is six events (its start, its line, its flush, and three of its checkpoint).
    for moment in [1, 2, 7, 13, 16, 23, 30]:
        done = localgrad(
            tmp_path, "train", RECIPE, "--seed", "3", "--out", str(tmp_path), "--resume",
            moment=moment,
        )  # fmt: skip
        assert done.returncode == -signal.SIGKILL, done.stderr
    done = localgrad(tmp_path, "train", RECIPE, "--out", str(tmp_path), "--resume")
    assert done.returncode == 0, done.stderr
    assert results(tmp_path) == (weights, lines)


def test_an_interrupted_run_stops_cleanly_and_goes_on(undisturbed, tmp_path):
    weights, lines = undisturbed
    out = ("--out", str(tmp_path))
    stopped = localgrad(tmp_path, "train", RECIPE, "--seed", "3", *out, sign="SIGINT", moment=30)
    assert stopped.returncode == 130
    assert "stopped after step" in stopped.stdout and "Traceback" not in stopped.stderr
    assert "--resume" in stopped.stdout
    again = localgrad(tmp_path, "train", "--resume", *out)
    assert again.returncode == 0 and "resumed after step" in again.stdout
    assert results(tmp_path) == (weights, lines)
