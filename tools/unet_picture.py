"""Draw what the U-Net finds: docs/pictures/unet.png.

python tools/unet_picture.py        trains the recipe on its three kinds of pictures; some minutes
"""

from pathlib import Path
from typing import Any

import numpy
from PIL import Image

import localgrad as lg
from localgrad.data import DataLoader
from localgrad.train import catalogue

PICTURE = Path(__file__).parents[1] / "docs" / "pictures" / "unet.png"
COLUMNS, SIDE, GAP = 4, 96, 4  # groups of image, mask, prediction; pixels
COLOURS = numpy.array(
    [
        (245, 245, 245), (31, 119, 180), (255, 127, 14), (44, 160, 44), (214, 39, 40),
        (148, 103, 189), (140, 86, 75), (227, 119, 194), (127, 127, 127), (188, 189, 34),
        (23, 190, 207),
    ],
    numpy.uint8,
)  # fmt: skip


def trained(pictures: Path | None) -> tuple[Any, Any]:
    """The recipe's network after its epochs, and the held-out pictures."""
    lg.manual_seed(0)
    recipe = catalogue.recipe("unet")
    train, held_out = recipe.data(pictures)
    network = recipe.network(train)
    batches = DataLoader(train, recipe.batch_size, shuffle=True)
    optimizer = recipe.optimizer(network, recipe.lr)
    schedule = recipe.scheduler(optimizer, recipe.epochs * len(batches))
    for _ in range(recipe.epochs):
        for batch in batches:
            optimizer.zero_grad()
            recipe.loss(network, batch)[0].backward()
            optimizer.step()
            schedule.step()
    return network.eval(), held_out


def row(pictures: Path | None) -> numpy.ndarray:
    """Held-out images, each with its mask and what the network finds."""
    network, held_out = trained(pictures)
    tiles = []
    for i in range(COLUMNS):
        image, mask = (part.numpy() for part in held_out[i])
        with lg.no_grad():
            found = network(lg.asarray(image[None])).numpy()[0].argmax(0)
        grey = numpy.clip(image[0] * 255, 0, 255).astype(numpy.uint8)
        tiles += [numpy.repeat(grey[..., None], 3, 2), COLOURS[mask], COLOURS[found]]
    return numpy.concatenate([framed(tile) for tile in tiles], axis=1)


def framed(tile: numpy.ndarray) -> numpy.ndarray:
    scaled = Image.fromarray(tile).resize((SIDE, SIDE), Image.Resampling.NEAREST)
    return numpy.pad(numpy.asarray(scaled), ((GAP, 0), (GAP, 0), (0, 0)), constant_values=255)


if __name__ == "__main__":
    rows = [row(pictures) for pictures in (None, Path("tissue"), Path("land"))]
    Image.fromarray(numpy.concatenate(rows)).save(PICTURE, optimize=True)
