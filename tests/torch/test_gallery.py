"""Every broken PyTorch model yields the right kind at the right line; no healthy one an alarm."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from localgrad.ledger.model import KINDS
from tests.torch.gallery import BROKEN, HEALTHY, Case, record


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.name)
def test_a_broken_model_is_found_out(case: Case) -> None:
    found = record(case).findings()
    named = [(finding.kind, finding.where) for finding in found]
    assert (case.kind, case.where) in named, "\n".join(
        f"{f.kind} {f.where}: {f.message}" for f in found
    )
    finding = found[named.index((case.kind, case.where))]
    assert finding.message and finding.advice and finding.evidence


@pytest.mark.parametrize("case", HEALTHY, ids=lambda case: case.name)
def test_a_healthy_model_raises_no_alarm(case: Case) -> None:
    found = record(case).findings()
    assert not found, "\n".join(f"{f.kind} {f.where}: {f.message}" for f in found)


def test_the_gallery_is_large_enough_and_covers_every_kind() -> None:
    assert len(BROKEN) >= 25
    assert len(HEALTHY) >= len(BROKEN)
    assert {case.kind for case in BROKEN} == set(KINDS)
