"""The messages about data sets, runs and the command line: what is wrong, where, how to mend it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from localgrad.errors import LocalgradError, ShapeError, _at


class DataError(LocalgradError, ValueError):
    """Data that cannot be what it is said to be."""


class RunError(LocalgradError, RuntimeError):
    """A run, a recipe or a command that cannot be carried out."""


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint with the known names closest to `name`; an empty string if none is close."""
    near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    return f" Did you mean {' or '.join(near)}?" if near else ""


# -- data ------------------------------------------------------------------------------------------


def missing_package(package: str, purpose: str, extra: str) -> DataError:
    """An optional package is needed and not installed."""
    return DataError(
        f"{purpose} come with {package}, which is not installed.\n"
        f"  Install it: pip install {package} (or pip install 'localgrad[{extra}]')."
    )


def no_data_folder(folder: Path) -> DataError:
    """The folder that should hold the data is none."""
    problem = "is a file, not a folder" if folder.exists() else "does not exist"
    return DataError(
        f"{folder} {problem}.\n"
        "  Name the folder that holds MNIST's four IDX files, such as train-images-idx3-ubyte.gz."
    )


def no_data_file(folder: Path, name: str, names: Sequence[str]) -> DataError:
    """A folder without one of the files it should hold."""
    present = sorted(p.name for p in folder.iterdir())
    seen = ", ".join(present[:6]) + (", …" if len(present) > 6 else "") if present else "nothing"
    return DataError(
        f"{folder} has no {name} (nor {name}.gz); it holds {seen}.\n"
        f"  MNIST's format is four files: {', '.join(names)}, each as it is or as .gz."
    )


def truncated_data(path: Path, problem: str) -> DataError:
    """A data file that is not complete."""
    return DataError(f"{path} is damaged: {problem}.\n  Fetch or unpack the file again.")


def foreign_data(path: Path, problem: str) -> DataError:
    """A data file of another kind than it should be."""
    return DataError(f"{path} does not fit: {problem}.\n  Check that it is the file you meant.")


def label_out_of_range(path: Path, index: int, label: int, classes: int, count: int) -> DataError:
    """A label that no class has."""
    others = f" ({count} labels are out of range)" if count > 1 else ""
    return DataError(
        f"{path}: label {label} of example {index} is not below {classes}{others}.\n"
        f"  Labels count from 0 to {classes - 1}. For data with more classes: "
        f"mnist(folder, classes={label + 1})."
    )


def unequal_lengths(shapes: Sequence[tuple[int, ...]], where: str) -> ShapeError:
    """Tensors of one data set that count different numbers of examples."""
    return ShapeError(
        f"the tensors of a data set must have the same length along axis 0, these have shapes "
        f"{', '.join(map(str, shapes)) or '(none given)'}{_at(where)}."
    )


def split_lengths(lengths: list[Any], size: int, where: str) -> DataError:
    """Parts that do not add up to the whole."""
    return DataError(
        f"random_split: {lengths} sum to {sum(lengths)}, the data set has {size} examples"
        f"{_at(where)}.\n  Give numbers that sum to {size}, or fractions that sum to 1: [0.8, 0.2]."
    )


def ragged_batch(shapes: Sequence[tuple[int, ...]], where: str) -> ShapeError:
    """Examples of different shapes, which cannot be stacked."""
    return ShapeError(
        f"a batch has examples of shapes {', '.join(map(str, shapes))}, which cannot be stacked"
        f"{_at(where)}.\n  Pad them to one shape, in the data set or in collate_fn."
    )


def shuffle_and_sampler(where: str) -> DataError:
    """Two orders at once."""
    return DataError(
        f"shuffle=True and a sampler each decide the order{_at(where)}.\n  Leave one of them out."
    )


def not_positive(name: str, value: Any, where: str) -> DataError:
    """A count that must be at least one."""
    return DataError(f"{name}={value!r} must be at least 1{_at(where)}.")
