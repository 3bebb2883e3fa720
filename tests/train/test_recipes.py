"""Every recipe learns: each parameter gets a gradient, and one batch is learned in a few steps."""

import gzip
import importlib
import json
import struct
from pathlib import Path

import numpy as np
import pytest

import localgrad as lg
from localgrad import data
from localgrad.data import DataLoader
from localgrad.errors_of_runs import DataError
from localgrad.train import accuracy, box_overlap, catalogue, overlap
from localgrad.train.recipes.lecun1989 import Network as Lecun


def idx_folder(folder: Path, side: int) -> Path:
    """A folder in MNIST's format: noise, and a bright row whose place tells the class."""
    random = np.random.default_rng(0)
    for part, count in (("train", 70), ("t10k", 20)):
        images = random.integers(0, 128, (count, side, side), dtype=np.uint8)
        for i in range(count):
            images[i, i % 10 * side // 10] = 255
        head = struct.pack(">BBBBIII", 0, 0, 8, 3, count, side, side)
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(
            gzip.compress(head + images.tobytes())
        )
        labels = (np.arange(count) % 10).astype(np.uint8)
        head = struct.pack(">BBBBI", 0, 0, 8, 1, count)
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(head + labels.tobytes())
    return folder


def first_steps(name: str, source: Path | None, steps: int = 14) -> list[float]:
    """The losses of a few steps on one batch."""
    lg.manual_seed(0)
    recipe = catalogue.recipe(name)
    train, held_out = recipe.data(source)
    assert len(train) > len(held_out) > 0
    network = recipe.network(train)
    optimizer = recipe.optimizer(network, recipe.lr / 2)
    batch = next(iter(DataLoader(train, 16)))
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss, scores = recipe.loss(network, batch)
        loss.backward()
        losses.append(loss.item())
        for parameter, value in network.named_parameters():
            assert value.grad is not None and np.isfinite(value.grad.numpy()).all(), parameter
        optimizer.step()
    assert recipe.score in scores and all(type(s) is float for s in scores.values())
    network.eval()
    with lg.no_grad():
        recipe.loss(network, next(iter(DataLoader(held_out, 4))))
    return losses


@pytest.mark.parametrize("name", catalogue.names())
def test_a_recipe_learns_its_first_batch(name, tmp_path):
    source = idx_folder(tmp_path, 28) if name == "mnist" else None
    losses = first_steps(name, source)
    assert min(losses[-2:]) < 0.9 * losses[0]


@pytest.mark.parametrize("name", ["digits", "lecun1989", "vit", "resnet", "autoencoder"])
def test_image_recipes_take_other_images(name, tmp_path):
    losses = first_steps(name, idx_folder(tmp_path, 12), steps=2)
    assert all(np.isfinite(losses))


@pytest.mark.parametrize("pictures", ["tissue", "land"])
def test_unet_takes_photographs(pictures):
    losses = first_steps("unet", Path(pictures))
    assert min(losses[-2:]) < 0.9 * losses[0]


def test_every_recipe_says_what_it_does_and_what_to_expect():
    for name in catalogue.names():
        recipe = catalogue.recipe(name)
        assert recipe.summary().endswith(".") and len(recipe.summary()) < 90
        assert recipe.expected and recipe.reference and recipe.minutes > 0, name


MEASURED = Path(__file__).parents[2] / "benchmarks" / "results" / "recipes.json"


@pytest.mark.parametrize("name", catalogue.names())
def test_what_a_recipe_promises_is_what_was_measured(name):
    recipe = catalogue.recipe(name)
    found = json.loads(MEASURED.read_text())[name]
    scores, (model, simple) = list(found["scores"].values()), found["reference"]
    assert len(scores) == 3
    assert_written(recipe.expected, sorted(scores)[1])
    assert recipe.reference.startswith(f"{model} ")
    assert_written(recipe.reference.removeprefix(model), simple)
    assert found["seconds"] / 60 <= 5
    assert recipe.minutes == pytest.approx(found["seconds"] / 60, abs=0.006)
    worst = min(scores) if recipe.higher_is_better else max(scores)
    assert (worst > simple) == recipe.higher_is_better, "it beats the simple model with any seed"


def test_the_page_shows_what_was_measured(monkeypatch):
    monkeypatch.syspath_prepend(MEASURED.parents[1])
    script = importlib.import_module("recipes")
    text = script.PAGE.read_text(encoding="utf-8")
    assert script.page(text, script.results()) == text
    for entry in script.entries():
        assert len(script.results()[entry]["scores"]) == 3, entry


def assert_written(text, value):
    """A number as it is written, `97.6 %` or `0.0105`, rounded to its last digit."""
    digits = text.replace("%", "").strip()
    written = float(digits) / (100 if "%" in text else 1)
    last = 10.0 ** -len(digits.partition(".")[2]) / (100 if "%" in text else 1)
    assert written == pytest.approx(value, abs=0.51 * last)


@pytest.mark.parametrize("name", ["lenet", "resnet", "densenet", "inception", "digits", "vit"])
def test_images_that_are_too_small_are_refused(name, tmp_path):
    with pytest.raises(DataError, match="the images have 6×6 pixels"):
        catalogue.recipe(name).data(idx_folder(tmp_path, 6))


def test_text_with_one_character_and_unknown_tables_are_refused(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("a" * 10_000)
    with pytest.raises(DataError, match="at least two"):
        catalogue.recipe("transformer").data(path)
    with pytest.raises(DataError, match="Did you mean wine"):
        catalogue.recipe("tabular").data(Path("wines"))
    with pytest.raises(DataError, match="Did you mean tissue"):
        catalogue.recipe("unet").data(Path("tisue"))


def test_the_network_of_1989_has_the_papers_numbers():
    network = Lecun()
    units = 16 * 16 + 12 * 8 * 8 + 12 * 4 * 4 + 30 + 10
    assert units == 1256
    assert sum(p.size for p in network.parameters()) == 9760


def test_scores_by_hand():
    logits = lg.asarray([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]])
    assert accuracy(logits, lg.asarray([1, 1, 1])) == pytest.approx(2 / 3)
    found = np.array([[0, 3, 3], [0, 2, 0]])
    wanted = np.array([[0, 3, 1], [4, 2, 0]])
    assert overlap(found, wanted) == 2 / 4
    boxes = np.array([[0.0, 0, 2, 2], [0, 0, 1, 1]]), np.array([[1.0, 1, 3, 3], [0, 0, 1, 1]])
    assert box_overlap(*boxes) == pytest.approx((1 / 7 + 1) / 2)


def test_a_column_without_spread_becomes_zeros():
    train, _ = data.table("digits")  # the first pixel is blank in every image
    rows = train.tensors[0].numpy()
    assert np.isfinite(rows).all() and (rows[:, 0] == 0).all()
