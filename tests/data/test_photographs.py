"""Photographs cut into labelled images: what is held out, and what the masks say."""

from typing import Any

import numpy as np
import pytest

from localgrad.data import land, photographs, tissue
from localgrad.errors_of_runs import DataError

skimage = pytest.importorskip("skimage")


def pixels(part: Any) -> tuple[np.ndarray, np.ndarray]:
    images, masks = (tensor.numpy() for tensor in part.tensors)
    return images, masks


@pytest.mark.parametrize("make", [tissue, land])
def test_images_and_masks_are_drawn_alike_each_time(make):
    parts = make()
    for part, again, count in zip(parts, make(), photographs.COUNTS):
        images, masks = pixels(part)
        assert images.shape == (count, 1, 64, 64) and images.dtype == np.float32
        assert masks.shape == (count, 64, 64) and masks.dtype == np.int64
        assert set(np.unique(masks)) == {0, 1, 2}
        assert all((a == b).all() for a, b in zip(pixels(again), (images, masks)))


@pytest.mark.parametrize("make", [tissue, land])
def test_no_pixel_is_both_learned_from_and_held_out(make, monkeypatch):
    rows = np.repeat(np.arange(512.0)[:, None], 512, axis=1)  # a pixel's value tells its row
    coloured = np.stack([rows] * 3, axis=-1) / 600
    monkeypatch.setattr(
        photographs, "shipped", lambda name: (rows if make is land else coloured, skimage)
    )
    train, held_out = (pixels(part)[0] for part in make())
    assert train.max() < held_out.min()


def test_the_masks_of_land_are_exact(monkeypatch):
    monkeypatch.setattr(
        photographs,
        "shipped",
        lambda name: (np.full((512, 512), float(photographs.COVERS.index(name))), skimage),
    )
    monkeypatch.setattr(photographs, "standard", lambda ground: ground)
    for part in land():
        images, masks = pixels(part)
        assert (images[:, 0] == masks).all()


def test_stains_are_told_apart_by_their_colour(monkeypatch):
    brown, blue, white = (160, 90, 30), (90, 110, 190), (240, 240, 240)
    photograph = np.zeros((512, 512, 3), np.uint8)
    photograph[:] = white
    photograph[:, 100:200], photograph[:, 300:400] = brown, blue
    monkeypatch.setattr(photographs, "shipped", lambda name: (photograph, skimage))
    images, masks = pixels(tissue()[0])
    grey = {c: skimage.color.rgb2gray(np.uint8([[c]]))[0, 0] for c in (white, brown, blue)}
    for colour, label in ((white, 0), (brown, 1), (blue, 2)):
        seen = masks[np.isclose(images[:, 0], grey[colour])]
        assert (seen == label).mean() > 0.95  # smoothing moves the edges


def test_a_missing_package_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "skimage", None)
    with pytest.raises(DataError, match=r"pip install scikit-image"):
        land()
