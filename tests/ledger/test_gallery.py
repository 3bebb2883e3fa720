"""Every broken model yields the right kind at the right line; no healthy one a false alarm."""

from __future__ import annotations

import numpy as np
import pytest

import localgrad as lg
from tests.ledger.gallery import BROKEN, HEALTHY, Case


def record(case: Case) -> lg.Ledger:
    lg.manual_seed(0)
    model, step = case.build()
    ledger = lg.Ledger(model)
    with np.errstate(all="ignore"):
        try:
            with ledger:
                step()
        except lg.GraphError:
            assert case.kind in ("mutated", "cut")
        if case.audited:
            ledger.audit()
    return ledger


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
    from localgrad.ledger.model import KINDS

    assert len(BROKEN) >= 25
    assert len(HEALTHY) >= len(BROKEN)
    assert {case.kind for case in BROKEN} == set(KINDS)
