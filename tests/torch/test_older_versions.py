"""What PyTorch 2.4 does not tell, a ledger finds out, or says which version does."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from localgrad.errors_of_ledgers import LedgerError  # noqa: E402
from localgrad.torch import Ledger, sweep, through, walk  # noqa: E402

nn = torch.nn


def shapes() -> list[Any]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 4), nn.Unflatten(1, (2, 2)), nn.Tanh(), nn.Flatten())
    with Ledger(model) as ledger:
        model(torch.ones(3, 6)).square().mean().backward()
    return [(node.label, node.shape, node.dtype, node.upstream.norm) for node in ledger.nodes]


def test_shapes_are_those_of_the_gradients_where_nodes_do_not_tell_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = shapes()
    for module in (walk, sweep):
        monkeypatch.setattr(module, "TELLS_SHAPES", False)
    assert shapes() == told
    assert any(shape == [3, 2, 2] for _, shape, *_ in told)


def test_through_says_which_version_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.ones(3, requires_grad=True)
    with Ledger(level="edges") as ledger:
        (x * x).sum().backward()
    monkeypatch.setattr(through, "BEGINS_INSIDE", False)
    with pytest.raises(LedgerError, match=r"through\(\) needs PyTorch 2.5 or newer"):
        ledger.through(ledger.edges[-1])
