"""Photographs that ship with scikit-image, cut into images whose pixels are labelled.

Each photograph has a part to learn from and a part held out; no pixel is in both.
"""

from __future__ import annotations

from typing import Any

import numpy

from localgrad import errors_of_runs as errors
from localgrad.data.dataset import TensorDataset

SIDE = 64  # of an image, in pixels
COUNTS = 600, 150  # images to learn from, and held out
COVERS = ("grass", "gravel", "brick")  # the classes of `land`


def tissue(seed: int = 0) -> tuple[TensorDataset, TensorDataset]:
    """Pieces of a microscope's image of the colon's glands, as (training set, held-out set).

    Images are float32 of shape (1, 64, 64), the brightness between 0 and 1; masks are int64 of
    shape (64, 64): 1 where the brown stain (DAB, on the protein looked for) lies, 2 where the blue
    one (haematoxylin, on nuclei) does, else 0. The lower third of the photograph is held out.

    The masks are not drawn by a pathologist: they are the stains, separated by colour (Ruifrok and
    Johnston, 2001), smoothed a little, and cut off at Otsu's thresholds. The images have no colour:
    what is to be learned is to see from shape and grain alone what the stains would show.

    Source: `skimage.data.immunohistochemistry` (FHL2 in colonic glands; Center for Microscopy and
    Molecular Imaging).
    """
    photograph, skimage = shipped("immunohistochemistry")
    stains = skimage.filters.gaussian(skimage.color.rgb2hed(photograph), 1, channel_axis=-1)
    blue, brown = (stains[..., i] > skimage.filters.threshold_otsu(stains[..., i]) for i in (0, 2))
    mask = numpy.where(brown, 1, numpy.where(blue, 2, 0))
    grey = skimage.color.rgb2gray(photograph).astype(numpy.float32)
    random = numpy.random.default_rng(seed)
    cut = 2 * len(grey) // 3
    parts = (slice(None, cut), slice(cut, None))
    upper, lower = (
        labelled([turned(piece(random, grey[part], mask[part]), random) for _ in range(count)])
        for part, count in zip(parts, COUNTS)
    )
    return upper, lower


def land(seed: int = 0) -> tuple[TensorDataset, TensorDataset]:
    """Grassland seen from above, with gravel roads and brick roofs, as (training, held-out) set.

    Images are float32 of shape (1, 64, 64); masks are int64 of shape (64, 64): 0 on grass, 1 on
    gravel, 2 on brick. The ground is real, photographed from above; where each kind lies is drawn
    at random, so the masks are exact. All three have the same mean brightness and contrast: only
    their grain tells them apart. The lower third of each photograph is held out.

    Source: `skimage.data.grass`, `.gravel` and `.brick`.
    """
    random = numpy.random.default_rng(seed)
    grounds = [standard(halved(shipped(name)[0])) for name in COVERS]
    cut = 2 * len(grounds[0]) // 3
    parts = (slice(None, cut), slice(cut, None))
    upper, lower = (
        labelled([landscape(random, [ground[part] for ground in grounds]) for _ in range(count)])
        for part, count in zip(parts, COUNTS)
    )
    return upper, lower


def shipped(name: str) -> tuple[numpy.ndarray, Any]:
    """A photograph of scikit-image, and the package."""
    try:
        import skimage
    except ImportError:
        raise errors.missing_package("scikit-image", "these photographs", "demo") from None
    return getattr(skimage.data, name)(), skimage


def piece(random: numpy.random.Generator, *layers: numpy.ndarray) -> list[numpy.ndarray]:
    """The same place, drawn at random, of every layer."""
    height, width = layers[0].shape
    top, left = random.integers(height - SIDE + 1), random.integers(width - SIDE + 1)
    return [layer[top : top + SIDE, left : left + SIDE] for layer in layers]


def turned(layers: list[numpy.ndarray], random: numpy.random.Generator) -> list[numpy.ndarray]:
    """The layers in one of a square's eight positions."""
    turns, mirrored = int(random.integers(4)), random.integers(2)
    layers = [numpy.rot90(layer, turns) for layer in layers]
    return [layer[:, ::-1] for layer in layers] if mirrored else layers


def landscape(
    random: numpy.random.Generator, grounds: list[numpy.ndarray]
) -> tuple[numpy.ndarray, numpy.ndarray]:
    """A road and one to three roofs, anywhere and at any angle; an image and its mask."""
    row, column = numpy.mgrid[:SIDE, :SIDE]
    mask = numpy.zeros((SIDE, SIDE), numpy.int64)
    for cover in (1, *[2] * random.integers(1, 4)):
        angle = random.uniform(0, numpy.pi)
        along, across = numpy.cos(angle), numpy.sin(angle)
        y, x = row - random.uniform(0, SIDE), column - random.uniform(0, SIDE)
        width = random.uniform(10, 16) if cover == 1 else random.uniform(14, 28)
        length = 2 * SIDE if cover == 1 else random.uniform(14, 28)
        inside = abs(along * x + across * y) < length / 2
        mask[inside & (abs(across * x - along * y) < width / 2)] = cover
    tiles = [piece(random, ground)[0] for ground in grounds]
    return numpy.choose(mask, tiles), mask


def halved(photograph: numpy.ndarray) -> numpy.ndarray:
    """At half the size: the means of 2×2 pixels."""
    height, width = photograph.shape
    return photograph.reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3))


def standard(ground: numpy.ndarray) -> numpy.ndarray:
    """With mean ½ and a deviation of 0.2."""
    return 0.5 + 0.2 * (ground - ground.mean()) / ground.std()


def labelled(pairs: list[Any]) -> TensorDataset:
    """Images with a channel, and their masks."""
    images, masks = (numpy.stack(part) for part in zip(*pairs))
    return TensorDataset(images[:, None].astype(numpy.float32), masks.astype(numpy.int64))
