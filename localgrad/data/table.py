"""Tables of numbers that ship with scikit-learn."""

from __future__ import annotations

import numpy

from localgrad import errors_of_runs as errors
from localgrad.data.dataset import TensorDataset
from localgrad.data.digits import stratified


def table(name: str, held_out: float = 0.25, seed: int = 0) -> tuple[TensorDataset, TensorDataset]:
    """scikit-learn's table `name` ("digits", "wine", "iris", …) as (training, held-out) set.

    Rows are float32, each column standardised by the mean and deviation of the training rows (a
    column without any spread becomes zeros); labels are int64. The
    held-out rows are drawn class by class.

    >>> train, test = table("iris")
    >>> len(train), len(test), train[0][0].shape
    (114, 36, (4,))
    """
    try:
        from sklearn import datasets
    except ImportError:
        raise errors.missing_package("scikit-learn", "its tables", "demo") from None
    rows, labels = getattr(datasets, f"load_{name}")(return_X_y=True)
    labels = labels.astype(numpy.int64)
    train, test = stratified(labels, held_out, seed)
    mean, deviation = rows[train].mean(axis=0), rows[train].std(axis=0)
    rows = ((rows - mean) / numpy.where(deviation > 0, deviation, numpy.inf)).astype(numpy.float32)
    return TensorDataset(rows[train], labels[train]), TensorDataset(rows[test], labels[test])
