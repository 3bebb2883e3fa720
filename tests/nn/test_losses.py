"""Every loss against PyTorch: each reduction, each option, as function and as module."""

from typing import Any

import numpy as np
import pytest

import localgrad as lg
from localgrad.errors import LocalgradError
from tests.nn.twins import compare_calls

torch = pytest.importorskip("torch")

RANDOM = np.random.default_rng(0)


def normal(*shape: int) -> Any:
    return RANDOM.standard_normal(shape)


def labels(*shape: int, classes: int = 5) -> Any:
    return RANDOM.integers(0, classes, shape)


def signs(*shape: int) -> Any:
    return RANDOM.integers(0, 2, shape) * 2 - 1


def unit(*shape: int) -> Any:
    return RANDOM.uniform(0.05, 0.95, shape)


def simplex(*shape: int) -> Any:
    raised = np.exp(normal(*shape))
    return raised / raised.sum(axis=1, keepdims=True)


LISTED = np.array([[3, 1, -1, 2, 0], [-1, 0, 1, 2, 3], [0, 1, 2, 3, 4]])
LOG = np.log(simplex(4, 5))
WEIGHT = unit(5)

# name in F: the options that are arrays stand among the arguments, by name
CASES: dict[str, tuple[str, list[Any], dict[str, Any]]] = {
    "cross entropy": ("cross_entropy", [normal(6, 5), labels(6)], {}),
    "cross entropy, weighted": (
        "cross_entropy", [normal(6, 5), labels(6)], {"weight": WEIGHT, "label_smoothing": 0.1},
    ),
    "cross entropy, ignoring": (
        "cross_entropy", [normal(6, 5), labels(6)], {"ignore_index": 2, "weight": WEIGHT},
    ),
    "cross entropy, ignoring and smooth": (
        "cross_entropy", [normal(6, 5), labels(6)], {"ignore_index": 2, "label_smoothing": 0.2},
    ),
    "cross entropy of images": (
        "cross_entropy", [normal(2, 5, 3, 4), labels(2, 3, 4)], {"weight": WEIGHT},
    ),
    "cross entropy of one example": ("cross_entropy", [normal(5), labels()], {}),
    "cross entropy of probabilities": (
        "cross_entropy", [normal(6, 5), simplex(6, 5)],
        {"weight": WEIGHT, "label_smoothing": 0.1},
    ),
    "cross entropy of probabilities of images": (
        "cross_entropy", [normal(2, 5, 3, 4), simplex(2, 5, 3, 4)], {},
    ),
    "nll": ("nll_loss", [normal(6, 5), labels(6)], {}),
    "nll, weighted and ignoring": (
        "nll_loss", [normal(6, 5), labels(6)], {"weight": WEIGHT, "ignore_index": 1},
    ),
    "nll of images": ("nll_loss", [normal(2, 5, 3, 4), labels(2, 3, 4)], {"weight": WEIGHT}),
    "nll of one example": ("nll_loss", [normal(5), labels()], {}),
    "mse": ("mse_loss", [normal(4, 5), normal(4, 5)], {}),
    "mse, weighted": ("mse_loss", [normal(4, 5), normal(4, 5)], {"weight": unit(4, 5)}),
    "l1": ("l1_loss", [normal(4, 5), normal(4, 5)], {}),
    "l1, weighted": ("l1_loss", [normal(4, 5), normal(4, 5)], {"weight": unit(4, 5)}),
    "smooth l1": ("smooth_l1_loss", [normal(4, 5), normal(4, 5)], {"beta": 0.7}),
    "smooth l1 without a bend": ("smooth_l1_loss", [normal(4, 5), normal(4, 5)], {"beta": 0}),
    "huber": ("huber_loss", [normal(4, 5), normal(4, 5)], {"delta": 0.7}),
    "huber, weighted": ("huber_loss", [normal(4, 5), normal(4, 5)], {"weight": unit(4, 5)}),
    "bce": ("binary_cross_entropy", [unit(4, 5), unit(4, 5)], {"weight": unit(4, 5)}),
    "bce with logits": ("binary_cross_entropy_with_logits", [normal(4, 5), unit(4, 5)], {}),
    "bce with logits, weighted": (
        "binary_cross_entropy_with_logits", [normal(4, 5), unit(4, 5)],
        {"weight": unit(5), "pos_weight": unit(5)},
    ),
    "kl": ("kl_div", [LOG, simplex(4, 5)], {}),
    "kl of logarithms": ("kl_div", [LOG, np.log(simplex(4, 5))], {"log_target": True}),
    "poisson": ("poisson_nll_loss", [normal(4, 5), labels(4, 5) + 1.0], {"full": True}),
    "poisson of rates": (
        "poisson_nll_loss", [unit(4, 5), labels(4, 5).astype(float)], {"log_input": False},
    ),
    "gaussian": (
        "gaussian_nll_loss", [normal(4, 5), normal(4, 5), unit(4, 5)], {"full": True},
    ),
    "cosine embedding": (
        "cosine_embedding_loss", [normal(6, 5), normal(6, 5), signs(6)], {"margin": -0.5},
    ),
    "cosine embedding of one pair": (
        "cosine_embedding_loss", [normal(5), normal(5), np.array(1)], {},
    ),
    "triplet": ("triplet_margin_loss", [normal(6, 5), normal(6, 5), normal(6, 5)], {}),
    "triplet, swapped": (
        "triplet_margin_loss", [normal(6, 5), normal(6, 5), normal(6, 5)],
        {"swap": True, "p": 1, "margin": 3.0},
    ),
    "triplet by a distance": (
        "triplet_margin_with_distance_loss", [normal(6, 5), normal(6, 5), normal(6, 5)],
        {"swap": True, "distance_function": lambda a, b: ((a - b) ** 2).sum(-1)},
    ),
    "ranking": ("margin_ranking_loss", [normal(6), normal(6), signs(6)], {"margin": 0.3}),
    "hinge": ("hinge_embedding_loss", [normal(6, 5), signs(6, 5)], {"margin": 0.3}),
    "soft margin": ("soft_margin_loss", [normal(4, 5), signs(4, 5)], {}),
    "many margins": ("multi_margin_loss", [normal(6, 5), labels(6)], {"margin": 0.7}),
    "many margins, squared": (
        "multi_margin_loss", [normal(6, 5), labels(6)], {"p": 2, "weight": WEIGHT},
    ),
    "many margins of one example": ("multi_margin_loss", [normal(5), labels()], {}),
    "margins of many labels": ("multilabel_margin_loss", [normal(3, 5), LISTED], {}),
    "margins of one example's labels": ("multilabel_margin_loss", [normal(5), LISTED[0]], {}),
    "soft margins of many labels": (
        "multilabel_soft_margin_loss", [normal(4, 5), labels(4, 5, classes=2)],
        {"weight": WEIGHT},
    ),
}  # fmt: skip

MODULES = {
    "cross_entropy": "CrossEntropyLoss", "nll_loss": "NLLLoss", "mse_loss": "MSELoss",
    "l1_loss": "L1Loss", "smooth_l1_loss": "SmoothL1Loss", "huber_loss": "HuberLoss",
    "binary_cross_entropy": "BCELoss", "binary_cross_entropy_with_logits": "BCEWithLogitsLoss",
    "kl_div": "KLDivLoss", "poisson_nll_loss": "PoissonNLLLoss",
    "gaussian_nll_loss": "GaussianNLLLoss", "cosine_embedding_loss": "CosineEmbeddingLoss",
    "triplet_margin_loss": "TripletMarginLoss",
    "triplet_margin_with_distance_loss": "TripletMarginWithDistanceLoss",
    "margin_ranking_loss": "MarginRankingLoss", "hinge_embedding_loss": "HingeEmbeddingLoss",
    "soft_margin_loss": "SoftMarginLoss", "multi_margin_loss": "MultiMarginLoss",
    "multilabel_margin_loss": "MultiLabelMarginLoss",
    "multilabel_soft_margin_loss": "MultiLabelSoftMarginLoss",
}  # fmt: skip


def wrapped(options: dict[str, Any], library: Any) -> dict[str, Any]:
    make = lg.asarray if library is lg else torch.tensor
    return {k: make(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")
def test_a_loss_agrees_with_pytorch(case: str, reduction: str) -> None:
    name, arguments, options = CASES[case]
    compare_calls(
        lambda *a: getattr(lg.nn.functional, name)(*a, **wrapped(options, lg), reduction=reduction),
        lambda *a: getattr(torch.nn.functional, name)(
            *a, **wrapped(options, torch), reduction=reduction
        ),
        arguments,
    )


@pytest.mark.parametrize("case", [c for c in CASES if c not in ("mse, weighted", "l1, weighted")])
@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")
def test_a_loss_is_a_module_too(case: str) -> None:
    name, arguments, options = CASES[case]
    if name == "huber_loss":
        options = {k: v for k, v in options.items() if k != "weight"}  # of the function alone
    ours = getattr(lg.nn, MODULES[name])(**wrapped(options, lg))
    theirs = getattr(torch.nn, MODULES[name])(**wrapped(options, torch))
    assert sorted(ours.state_dict()) == sorted(theirs.state_dict())
    compare_calls(ours, theirs, arguments)


@pytest.mark.parametrize("words", [(True, None), (False, None), (None, False), (False, True)])
@pytest.mark.parametrize("name", ["mse_loss", "kl_div", "soft_margin_loss", "smooth_l1_loss"])
@pytest.mark.filterwarnings("ignore")  # PyTorch calls the two words deprecated
def test_the_two_older_words_for_a_reduction(name: str, words: Any) -> None:
    arguments = [normal(4, 5), signs(4, 5) if name == "soft_margin_loss" else unit(4, 5)]
    options = dict(zip(("size_average", "reduce"), words))
    for library in ("functional", MODULES[name]):
        ours, theirs = getattr(lg.nn, library), getattr(torch.nn, library)
        if library == "functional":
            call = lambda room: lambda *a: getattr(room, name)(*a, **options)
        else:
            call = lambda kind: kind(**options)
        compare_calls(call(ours), call(theirs), arguments)


def test_batchmean_divides_by_the_batch() -> None:
    compare_calls(
        lambda *a: lg.nn.functional.kl_div(*a, reduction="batchmean"),
        lambda *a: torch.nn.functional.kl_div(*a, reduction="batchmean"),
        [LOG, simplex(4, 5)],
    )


def test_dice_is_its_formula() -> None:
    """PyTorch has no such loss; its formula, written with PyTorch."""

    def formula(p: Any, t: Any) -> Any:
        p, t = p.flatten(1), t.flatten(1)
        return (1 - (2 * (p * t).sum(1) + 0.5) / (p.sum(1) + t.sum(1) + 0.5)).mean()

    masks = labels(3, 4, 5, classes=2).astype(float)
    compare_calls(lg.nn.DiceLoss(smooth=0.5), formula, [unit(3, 4, 5), masks])
    whole = lg.nn.functional.dice_loss(lg.asarray(masks), lg.asarray(masks), reduction="none")
    np.testing.assert_allclose(whole.numpy(), 0, atol=1e-15)


def test_probabilities_of_zero_and_one_cost_a_hundred_and_can_be_learned_from() -> None:
    p, t = np.array([0.0, 1.0, 0.0, 1.0]), np.array([1.0, 0.0, 0.0, 1.0])
    ours, theirs = lg.asarray(p, requires_grad=True), torch.tensor(p, requires_grad=True)
    found = lg.nn.functional.binary_cross_entropy(ours, lg.asarray(t), reduction="none")
    wanted = torch.nn.functional.binary_cross_entropy(theirs, torch.tensor(t), reduction="none")
    assert found.tolist() == wanted.tolist() == [100.0, 100.0, 0.0, 0.0]
    found.sum().backward(), wanted.sum().backward()
    assert ours.grad.tolist() == [-1e12, 1e12, 0.0, 0.0]
    np.testing.assert_allclose(theirs.grad.numpy(), ours.grad.numpy(), rtol=1e-6)


def test_everything_ignored_is_no_number() -> None:
    x, t = lg.asarray(normal(2, 5)), lg.asarray([-100, -100])
    with np.errstate(invalid="ignore"):
        assert np.isnan(float(lg.nn.functional.cross_entropy(x, t)))


def test_distances() -> None:
    for name, options in (
        ("cosine_similarity", {"dim": 1}),
        ("cosine_similarity", {"dim": -1, "eps": 0.01}),
        ("pairwise_distance", {"p": 1.0, "keepdim": True}),
        ("pairwise_distance", {}),
    ):
        compare_calls(
            lambda *a: getattr(lg.nn.functional, name)(*a, **options),  # noqa: B023
            lambda *a: getattr(torch.nn.functional, name)(*a, **options),  # noqa: B023
            [normal(3, 4), normal(3, 4)],
        )
    modules = [m.nn.CosineSimilarity(dim=0) for m in (lg, torch)]
    compare_calls(*modules, [normal(3, 4), normal(3, 4)])
    modules = [m.nn.PairwiseDistance(p=3.0, keepdim=True) for m in (lg, torch)]
    compare_calls(*modules, [normal(3, 4), normal(3, 4)])


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda F, x: F.mse_loss(x, x[0]), "element with element"),
        (lambda F, x: F.mse_loss(x, x, weight=x[0]), "element with element"),
        (lambda F, x: F.dice_loss(x, x[0]), "element with element"),
        (lambda F, x: F.l1_loss(x, x, reduction="average"), "Did you mean|reduction"),
        (lambda F, x: F.cross_entropy(x, lg.asarray([0, 1, 5])), "the target 5 names no class"),
        (lambda F, x: F.cross_entropy(x, lg.asarray([0, -1, 2])), "the target -1 names no class"),
        (
            lambda F, x: F.cross_entropy(lg.ones((99, 4)), lg.asarray([0, *[3] * 97, 4])),
            "the target 4 names no class",
        ),
        (lambda F, x: F.nll_loss(x, lg.asarray([0, 1, 5])), "the target 5 names no class"),
        (
            lambda F, x: F.cross_entropy(x, lg.zeros((3,))),
            r"whole numbers, not float32.*\n.*astype",
        ),
        (lambda F, x: F.multi_margin_loss(x, lg.asarray([0, 1, 4])), "the target 4 names no class"),
        (lambda F, x: F.multi_margin_loss(x, lg.asarray([0, 1, 2]), p=3), "p=1 or p=2"),
        (lambda F, x: F.triplet_margin_loss(x, x, x, margin=0), "greater than 0"),
    ],
)
def test_what_does_not_fit_is_refused(call: Any, words: str) -> None:
    with pytest.raises(LocalgradError, match=words):
        call(lg.nn.functional, lg.asarray(normal(3, 4)))


def test_labels_none_of_which_counts_have_no_mean_and_send_zeros() -> None:
    logs = lg.asarray(np.log(np.full((2, 3), 1 / 3)), requires_grad=True)
    loss = lg.nn.functional.nll_loss(logs, lg.asarray([-100, -100]))
    loss.backward()
    assert np.isnan(loss.item()) and not logs.grad.numpy().any()


def test_the_curvature_of_huber_where_target_and_input_agree() -> None:
    x = lg.asarray([0.0, 0.5, 3.0], requires_grad=True)
    loss = lg.nn.functional.huber_loss(x, lg.asarray([0.0, 0.0, 0.0]), reduction="sum")
    slope = lg.gradients(loss, x, create_graph=True)
    assert slope.tolist() == [0.0, 0.5, 1.0]
    assert lg.gradients(slope.sum(), x).tolist() == [1.0, 1.0, 0.0]


@pytest.mark.parametrize("dim", [0, 1])
def test_cosines_are_those_of_the_common_shape(dim: int) -> None:
    drawn = np.random.default_rng(0)
    compare_calls(
        lambda a, b: lg.nn.functional.cosine_similarity(a, b, dim),
        lambda a, b: torch.nn.functional.cosine_similarity(a, b, dim),
        [drawn.standard_normal((4, 3)), drawn.standard_normal((1, 3))],
    )
