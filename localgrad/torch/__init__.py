"""The same ledger for a PyTorch model as it stands.

    from localgrad.torch import Ledger

    with Ledger(model) as ledger:
        loss = loss_fn(model(x), y)
        loss.backward()
    ledger.to_html("report.html")

This package alone imports PyTorch. `localgrad.torch.lightning` and `localgrad.torch.transformers`
hold a callback each, and alone import those packages.
"""

from localgrad.torch.ledger import Ledger
from localgrad.torch.steps import StepLog

__all__ = ["Ledger", "StepLog"]
