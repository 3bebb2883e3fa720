"""What simple models reach on the recipes' data: the scores that the recipes should beat.

Each takes the recipe's own training and held-out sets, so the splits are the same.
"""

from __future__ import annotations

import math
import warnings
from collections import Counter, defaultdict
from typing import Any

import numpy

from localgrad.train import overlap
from localgrad.train.recipe import Recipe


def reference(name: str, recipe: Recipe, train: Any, held_out: Any) -> tuple[str, float]:
    """The name of the simple model, and its score on the held-out examples."""
    if recipe.score == "bits per character":
        return "5-gram model", ngram_bits(train, held_out, order=5)
    found = {
        "autoencoder": principal_components,
        "unet": pixel_forest,
        "multitask": forest,  # a linear model sees nothing of a digit that may stand anywhere
    }
    return found.get(name, logistic_regression)(train, held_out)


def arrays(part: Any) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Flat inputs and the first kind of target."""
    inputs, targets = (tensor.numpy() for tensor in part.tensors[:2])
    return inputs.reshape(len(inputs), -1), targets


def logistic_regression(train: Any, held_out: Any) -> tuple[str, float]:
    from sklearn.linear_model import LogisticRegression

    inputs, labels = arrays(train)
    model = LogisticRegression(max_iter=2000 if inputs.shape[1] < 500 else 100)
    with warnings.catch_warnings():  # a hundred steps come close enough on large images
        warnings.simplefilter("ignore")
        model.fit(inputs, labels)
    return "logistic regression", float(model.score(*arrays(held_out)))


def forest(train: Any, held_out: Any) -> tuple[str, float]:
    """A random forest on the raw pixels."""
    from sklearn.ensemble import ExtraTreesClassifier

    model = ExtraTreesClassifier(500, n_jobs=2, random_state=0).fit(*arrays(train))
    return "random forest", float(model.score(*arrays(held_out)))


def principal_components(train: Any, held_out: Any) -> tuple[str, float]:
    """The mean squared error of images rebuilt from eight principal components."""
    from sklearn.decomposition import PCA

    model = PCA(8).fit(arrays(train)[0])
    images = arrays(held_out)[0]
    rebuilt = model.inverse_transform(model.transform(images))
    return "8 principal components", float(numpy.mean((rebuilt - images) ** 2))


def pixel_forest(train: Any, held_out: Any) -> tuple[str, float]:
    """A random forest that sees the 9×9 pixels around each pixel."""
    from sklearn.ensemble import RandomForestClassifier

    patches, masks = patches_of(train)
    chosen = numpy.random.default_rng(0).permutation(len(masks))[:60_000]
    model = RandomForestClassifier(40, min_samples_leaf=2, n_jobs=2, random_state=0)
    model.fit(patches[chosen], masks[chosen])
    patches, masks = patches_of(held_out)
    return "random forest on 9×9 patches", overlap(model.predict(patches), masks)


def patches_of(part: Any) -> tuple[numpy.ndarray, numpy.ndarray]:
    """What surrounds each pixel of at most some 300,000, and the pixel's class."""
    images, masks = (tensor.numpy() for tensor in part.tensors)
    images, masks = (a[: 300_000 // masks[0].size] for a in (images, masks))
    padded = numpy.pad(images[:, 0], ((0, 0), (4, 4), (4, 4)), mode="edge")
    windows = numpy.lib.stride_tricks.sliding_window_view(padded, (9, 9), axis=(1, 2))
    return windows.reshape(-1, 81), masks.reshape(-1)


def ngram_bits(train: Any, held_out: Any, order: int) -> float:
    """Bits per character of an interpolated n-gram model (Witten and Bell, 1991).

    A context of n − 1 characters that was followed by `kinds` different ones in `total` places
    gives kinds / (kinds + total) of its weight to the next shorter context.
    """
    text = stream(train)
    counts: list[dict[tuple[int, ...], Counter[int]]] = []
    for length in range(order):
        table: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
        for i in range(length, len(text)):
            table[tuple(text[i - length : i])][text[i]] += 1
        counts.append(table)
    size = max(text) + 1
    text = stream(held_out)
    bits = 0.0
    for i in range(order - 1, len(text)):
        chance = 1 / size
        for length in range(order):
            seen = counts[length].get(tuple(text[i - length : i]))
            if seen is None:
                break
            total = seen.total()
            chance = (seen[text[i]] + len(seen) * chance) / (total + len(seen))
        bits -= math.log2(chance)
    return bits / (len(text) - order + 1)


def stream(part: Any) -> list[int]:
    """The characters of windows that lie side by side, one after the other."""
    return part.tensors[0].numpy().reshape(-1).tolist()
