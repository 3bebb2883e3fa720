"""MNIST and its relatives, from their original IDX files."""

from __future__ import annotations

import gzip
import math
import os
import zlib
from pathlib import Path

import numpy

from localgrad import errors_of_runs as errors
from localgrad.data.dataset import TensorDataset

FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
UNSIGNED_BYTE = 0x08  # the IDX format's code for the only element type that these files use


def mnist(folder: str | os.PathLike[str], classes: int = 10) -> tuple[TensorDataset, TensorDataset]:
    """The data set in `folder` in MNIST's file format, as (training set, held-out set).

    The folder holds the four original IDX files (`train-images-idx3-ubyte`, …), as they are or
    compressed with gzip (`.gz`). Images are float32 of shape (1, height, width) between 0 and 1;
    labels are int64, at least 0 and below `classes`.

    Raises a DataError that names the file for a folder without the files, a truncated or foreign
    file, images and labels that differ in number, or a label out of range.

    Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits"; the IDX
    format is described on its page.
    """
    place = Path(folder).expanduser()
    if not place.is_dir():
        raise errors.no_data_folder(place)
    paths = {part: (find(place, a), find(place, b)) for part, (a, b) in FILES.items()}
    train = load(*paths["train"], classes)
    test = load(*paths["test"], classes)
    if train.tensors[0].shape[1:] != test.tensors[0].shape[1:]:
        raise errors.foreign_data(
            paths["test"][0],
            f"its images have shape {test.tensors[0].shape[2:]}, those for training "
            f"{train.tensors[0].shape[2:]}",
        )
    return train, test


def find(folder: Path, name: str) -> Path:
    """The file called `name` in `folder`, compressed or not, also with a dot for the last dash."""
    dotted = name.replace("-idx", ".idx")
    for candidate in (name, f"{name}.gz", dotted, f"{dotted}.gz"):
        if (folder / candidate).is_file():
            return folder / candidate
    names = [file for pair in FILES.values() for file in pair]
    raise errors.no_data_file(folder, name, names)


def load(images_path: Path, labels_path: Path, classes: int) -> TensorDataset:
    """One pair of files, checked against each other."""
    images = read_idx(images_path)
    labels = read_idx(labels_path)
    if images.ndim != 3:
        raise errors.foreign_data(images_path, f"it holds {images.ndim}-d data, images are 3-d")
    if labels.ndim != 1:
        raise errors.foreign_data(labels_path, f"it holds {labels.ndim}-d data, labels are 1-d")
    if not len(images):
        raise errors.foreign_data(images_path, "it holds no images")
    if len(images) != len(labels):
        raise errors.foreign_data(
            labels_path,
            f"it holds {len(labels)} labels for the {len(images)} images in {images_path.name}",
        )
    wrong = numpy.flatnonzero(labels >= classes)
    if wrong.size:
        raise errors.label_out_of_range(
            labels_path, int(wrong[0]), int(labels[wrong[0]]), classes, wrong.size
        )
    pixels = images[:, None].astype(numpy.float32) / numpy.float32(255)
    return TensorDataset(pixels, labels.astype(numpy.int64))


def read_idx(path: Path) -> numpy.ndarray:
    """The array in an IDX file of unsigned bytes, decompressed if it is gzip."""
    content = path.read_bytes()
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (EOFError, OSError, zlib.error):
            raise errors.truncated_data(path, "its gzip stream breaks off or is damaged") from None
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] != UNSIGNED_BYTE:
        raise errors.foreign_data(path, "it does not begin like an IDX file of unsigned bytes")
    rank = content[3]
    start = 4 + 4 * rank
    if len(content) < start:
        raise errors.truncated_data(path, "it ends inside its header")
    shape = tuple(int(n) for n in numpy.frombuffer(content, ">u4", rank, 4))
    expected = math.prod(shape)
    if len(content) - start != expected:
        raise errors.truncated_data(
            path, f"its header promises {expected} bytes of data, it holds {len(content) - start}"
        )
    return numpy.frombuffer(content, numpy.uint8, expected, start).reshape(shape)
