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
from localgrad.data.photographs import land, tissue
from localgrad.data.scenes import Scene, scaled, scenes
from localgrad.data.table import table
from localgrad.data.text import Text, characters, standard_library

__all__ = [
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "Scene",
    "Subset",
    "TensorDataset",
    "Text",
    "characters",
    "default_collate",
    "digits",
    "land",
    "mnist",
    "random_split",
    "scaled",
    "scenes",
    "standard_library",
    "table",
    "tissue",
]
