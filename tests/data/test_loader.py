"""Loaders against brute force, against PyTorch's, and against their own interruption."""

import json
from collections import namedtuple

import numpy as np
import pytest

from localgrad import random
from localgrad.data import (
    ConcatDataset,
    DataLoader,
    Dataset,
    Subset,
    TensorDataset,
    default_collate,
    random_split,
)
from localgrad.errors import LocalgradError


def numbers(n: int) -> TensorDataset:
    return TensorDataset(np.arange(n), np.arange(n) * 10.0)


def seen(loader: DataLoader) -> list[list[int]]:
    return [first.tolist() for first, _ in loader]


def flat(loader: DataLoader) -> list[int]:
    return [number for batch in seen(loader) for number in batch]


@pytest.mark.parametrize("size", [1, 7, 8])
@pytest.mark.parametrize("batch_size", [1, 3, 8, 20])
@pytest.mark.parametrize("drop_last", [False, True])
def test_batches_in_order_are_those_of_pytorch(size, batch_size, drop_last):
    torch_data = pytest.importorskip("torch.utils.data")
    loader = DataLoader(numbers(size), batch_size, drop_last=drop_last)
    theirs = torch_data.DataLoader(range(size), batch_size, drop_last=drop_last)
    assert seen(loader) == [b.tolist() for b in theirs]
    assert len(loader) == len(theirs)


def test_a_shuffled_epoch_holds_every_example_once_and_epochs_differ():
    random.manual_seed(3)
    loader = DataLoader(numbers(50), 8, shuffle=True)
    first, second = flat(loader), flat(loader)
    assert sorted(first) == sorted(second) == list(range(50))
    assert first != second
    random.manual_seed(3)
    assert flat(DataLoader(numbers(50), 8, shuffle=True)) == first


def test_rows_stay_together():
    for a, b in DataLoader(numbers(30), 4, shuffle=True, generator=1):
        assert (a.value * 10 == b.value).all()


@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("stop", range(6))
@pytest.mark.parametrize("own", [False, True])
def test_a_loader_goes_on_from_its_saved_state(workers, stop, own):
    def fresh() -> DataLoader:
        random.manual_seed(0)
        return DataLoader(
            numbers(23), 5, shuffle=True, num_workers=workers, generator=7 if own else None
        )

    whole = fresh()
    expected = [seen(whole), seen(whole)]

    broken = fresh()
    iterator = iter(broken)
    before = [next(iterator)[0].tolist() for _ in range(min(stop, 5))]
    state = json.loads(json.dumps([broken.state_dict(), random.get_rng_state()]))
    iterator.close()

    random.manual_seed(99)
    resumed = DataLoader(
        numbers(23), 5, shuffle=True, num_workers=workers, generator=12 if own else None
    )
    resumed.load_state_dict(state[0])
    random.set_rng_state(state[1])
    rest = [seen(resumed)]
    if 0 < stop < 5:
        assert before + rest[0] == expected[0]
        assert seen(resumed) == expected[1]
    else:  # an epoch not begun, or complete: the next one is drawn as it would have been
        assert rest[0] == expected[0 if stop == 0 else 1]


def test_fractions_and_numbers_split_without_overlap():
    data = numbers(11)
    for lengths, sizes in [([0.5, 0.5], [6, 5]), ([3, 8], [3, 8]), ([0.3, 0.3, 0.4], [4, 3, 4])]:
        parts = random_split(data, lengths, generator=0)
        assert [len(p) for p in parts] == sizes
        assert sorted(int(p[i][0]) for p in parts for i in range(len(p))) == list(range(11))


def test_subsets_and_sums_of_data_sets():
    data = numbers(10)
    part = Subset(data, [5, 2, 9])
    assert seen(DataLoader(part, 2)) == [[5, 2], [9]]
    assert seen(DataLoader(Subset(Squares(), [3, 1]), 2)) == [[3, 1]]
    both = data + part
    assert isinstance(both, ConcatDataset)
    assert [int(both[i][0]) for i in (0, 9, 10, 12, -1)] == [0, 9, 5, 9, 9]
    with pytest.raises(IndexError):
        both[13]


Point = namedtuple("Point", "x y")


def test_collation_keeps_the_structure_as_pytorch_does():
    torch_data = pytest.importorskip("torch.utils.data")
    examples = [
        {"p": Point(np.ones(2, np.float32) * i, i), "names": "ab"[i], "both": [1.5 * i, (i, i)]}
        for i in range(2)
    ]
    ours, theirs = default_collate(examples), torch_data.default_collate(examples)
    assert isinstance(ours["p"], Point)
    assert ours["names"] == theirs["names"] == ["a", "b"]
    np.testing.assert_array_equal(ours["p"].x.value, theirs["p"].x.numpy())
    np.testing.assert_array_equal(ours["p"].y.value, theirs["p"].y.numpy())
    np.testing.assert_array_equal(ours["both"][0].value, theirs["both"][0].numpy())
    np.testing.assert_array_equal(ours["both"][1][1].value, theirs["both"][1][1].numpy())


class Squares(Dataset):
    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> tuple[int, int]:
        return index, index * index


def test_a_data_set_of_ones_own():
    assert [(a.tolist(), b.tolist()) for a, b in DataLoader(Squares(), 3)] == [
        ([0, 1, 2], [0, 1, 4]),
        ([3], [9]),
    ]
    assert [a for a, _ in DataLoader(Squares(), batch_size=None)] == [0, 1, 2, 3]
    orders = [[3, 0], [1]]
    assert [a.tolist() for a, _ in DataLoader(Squares(), batch_sampler=orders)] == orders
    assert [a.tolist() for a, _ in DataLoader(Squares(), 2, sampler=[2, 1, 0])] == [[2, 1], [0]]


@pytest.mark.parametrize(
    "wrong, words",
    [
        (lambda: TensorDataset(np.ones(3), np.ones(4)), "test_loader.py"),
        (lambda: DataLoader(numbers(3), 0), "batch_size=0"),
        (lambda: DataLoader(numbers(3), shuffle=True, sampler=[0]), "Leave one"),
        (lambda: random_split(numbers(3), [1, 1]), "3 examples"),
        (lambda: default_collate([np.ones(2), np.ones(3)]), "Pad them"),
    ],
)
def test_errors_teach(wrong, words):
    with pytest.raises(LocalgradError, match=words):
        wrong()
