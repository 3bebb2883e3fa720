"""Windows of text and composed scenes: what they hold, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

from localgrad.data import TensorDataset, characters, scenes, standard_library
from localgrad.data.text import UNKNOWN
from localgrad.errors_of_runs import DataError


def test_each_target_is_the_character_that_follows():
    text = "the quick brown fox jumps over the lazy dog. " * 20
    found = characters(text, length=10, held_out=0.2)
    whole = "".join(found.decode(x.numpy()) for x, _ in (found.train[i] for i in range(5)))
    assert whole == text[:50]
    for i in range(len(found.train)):
        inputs, targets = (found.decode(v.numpy()) for v in found.train[i])
        assert inputs[1:] == targets[:-1]
        assert targets == text[10 * i + 1 : 10 * i + 11]
    assert len(found.held_out) == (180 - 1) // 10


def test_rare_characters_become_unknown():
    found = characters("ab" * 100 + "é" + "ab" * 100, length=8)
    assert found.vocabulary == (UNKNOWN, "a", "b")
    assert found.decode(found.encode("aéb")) == f"a{UNKNOWN}b"


def test_the_standard_library_is_there_and_stays_the_same():
    text = standard_library(50_000)
    assert len(text) == 50_000 and "import" in text
    assert standard_library(50_000) == text
    assert standard_library(20_000) == text[:20_000]


@pytest.mark.parametrize(
    "content, words",
    [
        ("a" * 5000, "has 1 character that occurs"),
        ("", "0 characters"),
        ("short", "5 characters"),
    ],
)
def test_texts_that_teach_nothing_are_refused(content, words):
    with pytest.raises(DataError, match=words):
        characters(content)


def test_files_that_are_no_text_are_refused(tmp_path):
    with pytest.raises(DataError, match="there is no text file"):
        characters(tmp_path / "none.txt")
    path: Path = tmp_path / "binary.txt"
    path.write_bytes(b"abc\xff\xfe" * 1000)
    with pytest.raises(DataError, match=r"binary\.txt.*byte 3"):
        characters(path)


@pytest.fixture
def bright():
    """Ten classes of images: class k has k + 1 bright rows."""
    images = np.zeros((10, 1, 12, 12), np.float32)
    for k in range(10):
        images[k, 0, : k + 1] = 1
    return TensorDataset(images, np.arange(10))


def test_boxes_hold_the_ink_and_masks_the_class(bright):
    for scene in scenes(bright, 30, digits=3, seed=1):
        assert scene.image.shape == scene.mask.shape == (32, 32)
        assert 1 <= len(scene.digits) == len(scene.boxes) <= 3
        covered = np.zeros_like(scene.mask)
        for digit, (top, left, bottom, right) in zip(scene.digits, scene.boxes):
            inside = scene.mask[top:bottom, left:right]
            assert (inside[0] == digit + 1).any() and (inside[-1] == digit + 1).any()
            assert abs((bottom - top) - 16 * (digit + 1) / 12) <= 2
            covered[top:bottom, left:right] = 1
        assert not scene.mask[covered == 0].any()


def test_scenes_are_drawn_from_their_seed(bright):
    a, b, c = (scenes(bright, 3, seed=seed)[2].image for seed in (5, 5, 6))
    assert (a == b).all() and (a != c).any()
