"""Text, character by character."""

from __future__ import annotations

import os
import sysconfig
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy

from localgrad import errors_of_runs as errors
from localgrad.data.dataset import TensorDataset

UNKNOWN = "\N{REPLACEMENT CHARACTER}"


def standard_library(size: int = 600_000) -> str:
    """The first `size` characters of the Python standard library's own source.

    The modules are taken in the order of their names, each with the same weight: up to 12 000
    characters of it, so that no large module rules the rest.
    """
    folder = Path(sysconfig.get_paths()["stdlib"])
    parts: list[str] = []
    remaining = size
    for path in sorted(folder.glob("*.py")):
        part = path.read_text(encoding="utf-8", errors="replace")[: min(12_000, remaining)]
        parts.append(part)
        remaining -= len(part)
        if remaining <= 0:
            break
    return "".join(parts)


@dataclass(frozen=True)
class Text:
    """A text as numbers: `windows` of it to learn from, and others held out.

    `vocabulary` lists the characters that occur at least `RARE` times in the part to learn from;
    number 0 stands for every other one.
    """

    vocabulary: tuple[str, ...]
    train: TensorDataset
    held_out: TensorDataset

    def encode(self, text: str) -> numpy.ndarray:
        """The numbers of a text's characters, int64."""
        return encode(text, self.vocabulary)

    def decode(self, numbers: numpy.ndarray) -> str:
        """The characters of numbers."""
        return "".join(self.vocabulary[int(i)] for i in numbers)


RARE = 3


def characters(text: str | os.PathLike[str], length: int = 64, held_out: float = 0.1) -> Text:
    """A text, or the text in a file, as windows of `length` characters and the ones that follow.

    Example i is (inputs, targets), two int64 arrays of shape (length,): the target of each
    character is the next one. The end of the text, a share of `held_out`, is held out.

    Raises DataError for a file that is no UTF-8 text, for a text that is too short for one window
    in each part, and for a text with fewer than two different characters.

    >>> text = characters("abcd" * 100, length=8)
    >>> text.decode(text.train[0][1].numpy())
    'bcdabcda'
    """
    where = "the text"
    if isinstance(text, os.PathLike):
        where = os.fspath(text)
        text = read(Path(text))
    cut = round(len(text) * (1 - held_out))
    parts = text[:cut], text[cut:]
    if min(len(part) for part in parts) <= length:
        raise errors.short_text(where, len(text), length, held_out)
    counts = Counter(parts[0])
    known = sorted(c for c, count in counts.items() if count >= RARE and c != UNKNOWN)
    if len(known) < 2:
        raise errors.monotonous_text(where, known)
    vocabulary = (UNKNOWN, *known)
    windows = [cut_into_windows(encode(part, vocabulary), length) for part in parts]
    return Text(vocabulary, *windows)


def read(path: Path) -> str:
    if not path.is_file():
        raise errors.no_text_file(path)
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as cause:
        raise errors.foreign_data(path, f"it is no UTF-8 text (byte {cause.start})") from None


def encode(text: str, vocabulary: tuple[str, ...]) -> numpy.ndarray:
    number = {character: i for i, character in enumerate(vocabulary)}
    return numpy.array([number.get(character, 0) for character in text], numpy.int64)


def cut_into_windows(numbers: numpy.ndarray, length: int) -> TensorDataset:
    """Windows side by side; the last target of one is the first input of the next."""
    count = (len(numbers) - 1) // length
    inputs = numbers[: count * length].reshape(count, length)
    targets = numbers[1 : count * length + 1].reshape(count, length)
    return TensorDataset(inputs, targets)
