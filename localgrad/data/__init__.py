"""Data sets and loaders, with the names and defaults of `torch.utils.data`."""

from localgrad.data.collate import default_collate
from localgrad.data.dataset import (
    ConcatDataset,
    Dataset,
    Subset,
    TensorDataset,
    random_split,
)
from localgrad.data.digits import digits
from localgrad.data.loader import DataLoader
from localgrad.data.mnist import mnist

__all__ = [
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "Subset",
    "TensorDataset",
    "default_collate",
    "digits",
    "mnist",
    "random_split",
]
