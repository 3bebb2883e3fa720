"""Cluttered scenes, composed from real handwritten digits whose masks and boxes are known."""

from __future__ import annotations

from typing import NamedTuple

import numpy

from localgrad.data.dataset import TensorDataset

SIZE = 32  # of a scene, in pixels
TILE = 16  # of a digit in it
INK = 0.35  # from this brightness on, a pixel belongs to its digit


class Scene(NamedTuple):
    """One scene and what is to be found in it."""

    image: numpy.ndarray
    digits: list[int]
    boxes: list[tuple[int, int, int, int]]  # top, left, bottom, right; the last two excluded
    mask: numpy.ndarray  # per pixel: 0 for the background, digit + 1 on a digit


def scenes(
    source: TensorDataset, count: int, digits: int = 1, clutter: int = 8, seed: int = 0
) -> list[Scene]:
    """`count` scenes of 32×32 pixels with up to `digits` whole digits, the first always there.

    `source` holds images (n, 1, height, width) and labels, such as from `digits()`; each digit is
    scaled to 16×16 pixels. The clutter is made of fragments of other digits, on a background with
    a slope of brightness and noise. The same arguments give the same scenes.
    """
    random = numpy.random.default_rng(seed)
    images, labels = (tensor.value for tensor in source.tensors)
    tiles = scaled(images, TILE)[:, 0]
    return [compose(tiles, labels, digits, clutter, random) for _ in range(count)]


def scaled(images: numpy.ndarray, side: int) -> numpy.ndarray:
    """Images (n, channels, height, width) as side×side pixels, interpolated linearly."""
    from scipy.ndimage import zoom

    _, _, height, width = images.shape
    return numpy.clip(zoom(images, (1, 1, side / height, side / width), order=1), 0, 1)


def compose(
    tiles: numpy.ndarray,
    labels: numpy.ndarray,
    digits: int,
    clutter: int,
    random: numpy.random.Generator,
) -> Scene:
    """One scene: background, then clutter, then digits that do not overlap, then noise."""
    row, column = numpy.mgrid[:SIZE, :SIZE] / SIZE
    slope = random.normal(size=2) * 0.1
    image = 0.15 + slope[0] * row + slope[1] * column
    mask = numpy.zeros((SIZE, SIZE), numpy.int64)
    for _ in range(clutter):
        fragment = tiles[random.integers(len(tiles))]
        side = int(random.integers(4, 8))
        top, left = random.integers(0, TILE - side, 2)
        piece = fragment[top : top + side, left : left + side]
        paste(image, piece * random.uniform(0.5, 1.0), *random.integers(0, SIZE - side, 2))
    found, boxes = [], []
    for position in range(int(random.integers(1, digits + 1))):
        which = int(random.integers(len(tiles)))
        place = free_place(mask, random)
        if place is None and position:
            break
        top, left = place or (0, 0)
        tile = tiles[which]
        ink = tile > INK
        paste(image, tile * random.uniform(0.7, 1.0), top, left)
        mask[top : top + TILE, left : left + TILE][ink] = labels[which] + 1
        found.append(int(labels[which]))
        boxes.append(box_of(ink, top, left))
    image = image + random.normal(size=image.shape) * 0.05
    return Scene(image.astype(numpy.float32), found, boxes, mask)


def paste(image: numpy.ndarray, piece: numpy.ndarray, top: int, left: int) -> None:
    """Ink is laid over what is there: the brighter of the two stays."""
    height, width = piece.shape
    place = image[top : top + height, left : left + width]
    numpy.maximum(place, piece, out=place)


def free_place(mask: numpy.ndarray, random: numpy.random.Generator) -> tuple[int, int] | None:
    """A corner at which a tile covers no digit, or None if some tries find none."""
    for _ in range(20):
        top, left = (int(v) for v in random.integers(0, SIZE - TILE + 1, 2))
        if not mask[top : top + TILE, left : left + TILE].any():
            return top, left
    return None


def box_of(ink: numpy.ndarray, top: int, left: int) -> tuple[int, int, int, int]:
    """The smallest box around a digit's ink."""
    rows, columns = numpy.flatnonzero(ink.any(axis=1)), numpy.flatnonzero(ink.any(axis=0))
    return (
        top + int(rows[0]),
        left + int(columns[0]),
        top + int(rows[-1]) + 1,
        left + int(columns[-1]) + 1,
    )
