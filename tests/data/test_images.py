"""Digits and MNIST's file format: values, splits, and what is said about damaged files."""

import builtins
import gzip
import struct

import numpy as np
import pytest

from localgrad.data import digits, mnist
from localgrad.errors_of_runs import DataError

NAMES = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
]


def idx(array: np.ndarray) -> bytes:
    head = struct.pack(">BBBB", 0, 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(np.uint8).tobytes()


@pytest.fixture
def folder(tmp_path):
    """Twelve training and five test images of 4×6 pixels, half of the files compressed."""
    random = np.random.default_rng(0)
    for name in NAMES:
        count = 12 if name.startswith("train") else 5
        images = "images" in name
        array = random.integers(0, 256 if images else 10, (count, 4, 6) if images else (count,))
        content = idx(array)
        if images:
            (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (tmp_path / name).write_bytes(content)
    return tmp_path


def test_files_in_both_forms_are_read(folder):
    train, test = mnist(folder)
    assert [t.shape for t in train.tensors] == [(12, 1, 4, 6), (12,)]
    assert [t.shape for t in test.tensors] == [(5, 1, 4, 6), (5,)]
    images, labels = (t.value for t in train.tensors)
    assert images.dtype == np.float32 and labels.dtype == np.int64
    random = np.random.default_rng(0)
    raw = random.integers(0, 256, (12, 4, 6))
    np.testing.assert_allclose(images[:, 0], raw / 255, rtol=1e-6)
    np.testing.assert_array_equal(labels, random.integers(0, 10, (12,)))


def replace(folder, name, content):
    (folder / f"{name}.gz").unlink(missing_ok=True)
    (folder / name).write_bytes(content)


@pytest.mark.parametrize("cut", [0, 3, 10, 16, 100])
def test_a_truncated_file_is_named(folder, cut):
    whole = idx(np.zeros((12, 4, 6)))
    replace(folder, NAMES[0], whole[:cut])
    with pytest.raises(DataError, match=NAMES[0]):
        mnist(folder)


@pytest.mark.parametrize("cut", [5, 20, -8, -1])
def test_a_broken_gzip_file_is_named(folder, cut):
    path = folder / f"{NAMES[0]}.gz"
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DataError, match="breaks off or is damaged"):
        mnist(folder)


def test_a_damaged_gzip_file_is_named(folder):
    path = folder / f"{NAMES[0]}.gz"
    content = bytearray(path.read_bytes())
    content[-6] ^= 255  # the checksum
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match="breaks off or is damaged"):
        mnist(folder)


@pytest.mark.parametrize(
    "name, content, words",
    [
        (NAMES[0], b"PK\3\4 something else", "does not begin like an IDX file"),
        (NAMES[0], idx(np.zeros(12)), "1-d data"),
        (NAMES[0], idx(np.zeros((0, 4, 6))), "no images"),
        (NAMES[0], idx(np.zeros((12, 4, 6))) + b"x", "promises 288 bytes"),
        (NAMES[1], idx(np.zeros((12, 1))), "2-d data"),
        (NAMES[1], idx(np.zeros(11)), "11 labels for the 12 images"),
        (NAMES[1], idx(np.full(12, 10)), "label 10 of example 0 is not below 10"),
        (NAMES[2], idx(np.zeros((5, 4, 4))), "shape \\(4, 4\\)"),
    ],
)
def test_files_that_do_not_fit_are_named(folder, name, content, words):
    replace(folder, name, content)
    with pytest.raises(DataError, match=words) as caught:
        mnist(folder)
    assert name in str(caught.value)


def test_a_folder_without_the_files_says_what_it_holds(tmp_path, folder):
    (folder / NAMES[3]).unlink()
    with pytest.raises(DataError, match=f"no {NAMES[3]}"):
        mnist(folder)
    with pytest.raises(DataError, match="does not exist"):
        mnist(tmp_path / "nowhere")
    with pytest.raises(DataError, match="is a file"):
        mnist(folder / NAMES[1])
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds nothing"):
        mnist(tmp_path / "empty")


def test_digits_are_scikit_learns_and_both_parts_have_every_class():
    datasets = pytest.importorskip("sklearn.datasets")
    train, test = digits()
    images = np.concatenate([train.tensors[0].value, test.tensors[0].value])
    labels = np.concatenate([train.tensors[1].value, test.tensors[1].value])
    theirs, their_labels = datasets.load_digits(return_X_y=True)
    rows = {(r.tobytes(), int(label)) for r, label in zip(theirs, their_labels)}
    ours = {
        (r.astype(np.float64).tobytes(), int(label))
        for r, label in zip(images.reshape(-1, 64) * 16, labels)
    }
    assert rows == ours and len(images) == 1797
    share = np.bincount(test.tensors[1].value) / np.bincount(labels)
    assert abs(share - 0.2).max() < 0.01
    again, other = digits()[0], digits(seed=1)[0]
    assert (again.tensors[0].value == train.tensors[0].value).all()
    assert (other.tensors[0].value != train.tensors[0].value).any()


def test_without_scikit_learn_digits_say_what_to_install(monkeypatch):
    real = builtins.__import__

    def absent(name, *args):
        if name.startswith("sklearn"):
            raise ImportError(name)
        return real(name, *args)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(DataError, match="pip install scikit-learn"):
        digits()
