"""The ledger: the record of a backward pass, as a bookkeeper would keep it."""

from localgrad.ledger.ledger import Ledger
from localgrad.ledger.model import (
    Cut,
    EdgeRecord,
    Finding,
    LedgerRecord,
    Mutation,
    NodeRecord,
    Stats,
)
from localgrad.ledger.paths import Route
from localgrad.ledger.steps import StepLog, attach
from localgrad.ledger.thresholds import Thresholds

__all__ = [
    "Cut",
    "EdgeRecord",
    "Finding",
    "Ledger",
    "LedgerRecord",
    "Mutation",
    "NodeRecord",
    "Route",
    "Stats",
    "StepLog",
    "Thresholds",
    "attach",
]
