"""Runs and their files: what is resumed, what is taken back, what is refused."""

import json

import pytest

import localgrad as lg
from localgrad.errors import LocalgradError
from localgrad.errors_of_runs import RunError
from localgrad.train import run
from localgrad.train.metrics import Metrics, read
from localgrad.train.run import Settings


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


def settings(recipe="digits") -> Settings:
    return Settings(recipe, epochs=1, batch_size=8, lr=0.1, seed=0, data=None, created="now")


def test_runs_are_found_by_folder_by_name_and_by_recipe(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first, second = run.start(None, settings()), run.start(None, settings())
    assert first.folder != second.folder
    assert run.open_run(first.folder) == first
    assert run.open_run(first.folder.relative_to("runs")).folder == first.folder
    assert run.open_run(run.Path("digits")).folder in (first.folder, second.folder)
    assert run.newest("mlp") is None
    with pytest.raises(RunError, match=r"holds no run.*Did you mean digits-"):
        run.open_run(run.Path(first.folder.name[:-3]))


def test_a_run_is_not_overwritten(tmp_path):
    run.start(tmp_path, settings())
    with pytest.raises(RunError, match="--resume"):
        run.start(tmp_path, settings("mlp"))
    assert run.open_run(tmp_path).settings.recipe == "digits"


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"recipe": "x"}', "\x00"])
def test_foreign_settings_are_refused(tmp_path, content):
    (tmp_path / "settings.json").write_text(content)
    with pytest.raises(RunError, match="was not written by"):
        run.open_run(tmp_path)


def test_settings_of_another_format_are_refused(tmp_path):
    run.start(tmp_path, settings())
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": "localgrad-run/99"}))
    with pytest.raises(RunError, match="was not written by"):
        run.open_run(tmp_path)


def test_a_truncated_or_foreign_checkpoint_is_refused(tmp_path):
    from localgrad.train.training import Training

    begun = run.start(tmp_path, settings("mlp"))
    training = Training(begun)
    training.save()
    whole = begun.checkpoint.read_bytes()
    before = training.network.state_dict()["1.weight"].numpy().copy()
    for cut in (0, 7, 9, len(whole) // 2, len(whole) - 1):
        begun.checkpoint.write_bytes(whole[:cut])
        with pytest.raises(LocalgradError, match=r"checkpoint\.safetensors"):
            training.restore()
    lg.save({"weight": lg.asarray([1.0])}, begun.checkpoint)
    with pytest.raises(RunError, match="no checkpoint of a run; it holds weight"):
        training.restore()
    assert (training.network.state_dict()["1.weight"].numpy() == before).all()
    begun.checkpoint.write_bytes(whole)
    assert training.restore()
