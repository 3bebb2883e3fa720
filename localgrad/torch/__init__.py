"""The same ledger for a PyTorch model as it stands.

    from localgrad.torch import Ledger

    with Ledger(model) as ledger:
        loss = loss_fn(model(x), y)
        loss.backward()
    ledger.to_html("report.html")

This package alone imports PyTorch.
"""

from localgrad.torch.ledger import Ledger

__all__ = ["Ledger"]
