"""Handwritten digits that ship with scikit-learn: real data without a download."""

from __future__ import annotations

import numpy

from localgrad import errors_of_runs as errors
from localgrad.data.dataset import TensorDataset


def digits(held_out: float = 0.2, seed: int = 0) -> tuple[TensorDataset, TensorDataset]:
    """1797 handwritten digits of 8×8 pixels, as (training set, held-out set).

    Images are float32 of shape (1, 8, 8) between 0 and 1; labels are int64 from 0 to 9. The
    held-out examples are drawn class by class, so that both sets have every class in proportion;
    the same `seed` gives the same split.

    Source: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits" (UCI, 1998), as
    distributed with scikit-learn, which has to be installed (`pip install localgrad[demo]`).

    >>> train, test = digits()
    >>> len(train), len(test), train[0][0].shape
    (1438, 359, (1, 8, 8))
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise errors.missing_package("scikit-learn", "its digits", "demo") from None
    images, labels = load_digits(return_X_y=True)
    pixels = (images / 16).astype(numpy.float32).reshape(-1, 1, 8, 8)
    labels = labels.astype(numpy.int64)
    train, test = stratified(labels, held_out, seed)
    return (
        TensorDataset(pixels[train], labels[train]),
        TensorDataset(pixels[test], labels[test]),
    )


def stratified(
    labels: numpy.ndarray, held_out: float, seed: int
) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Indices of the examples to learn from and of those held out, each class in proportion."""
    random = numpy.random.default_rng(seed)
    kept, left = [], []
    for label in numpy.unique(labels):
        members = random.permutation(numpy.flatnonzero(labels == label))
        cut = round(len(members) * held_out)
        left.append(members[:cut])
        kept.append(members[cut:])
    return random.permutation(numpy.concat(kept)), random.permutation(numpy.concat(left))
