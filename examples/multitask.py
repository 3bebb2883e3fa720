"""Three heads on one backbone: which of them the backbone follows, at first and later.

python examples/multitask.py
"""

from itertools import islice

import localgrad as lg
from localgrad.data import DataLoader
from localgrad.train import catalogue

HEADS = {"deep": "the class", "box": "the box", "mask": "the mask"}

lg.manual_seed(0)
recipe = catalogue.recipe("multitask")
train, _ = recipe.data(None)
network = recipe.network(train)
batches = DataLoader(train, batch_size=32, shuffle=True)
probe = next(iter(batches))


def show() -> None:
    network.zero_grad()
    with lg.Ledger(network, level="edges") as ledger:
        loss, _ = recipe.loss(network, probe)
        loss.backward()
    for edge in ledger.record.arrived(ledger.of("backbone")):
        head = HEADS[ledger.nodes[edge.consumer].module.split(".")[0]]
        print(f"  {head:<10} share {edge.share:+6.1%}, cosine with the sum {edge.cosine:+.2f}")


print("the backbone's features have three consumers; before training")
show()
optimizer = recipe.optimizer(network, 1e-3)
for batch in islice(batches, 100):
    optimizer.zero_grad()
    recipe.loss(network, batch)[0].backward()
    optimizer.step()
print("after 100 steps")
show()
