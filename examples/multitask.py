"""Three heads on one backbone: which of them the backbone follows.

python examples/multitask.py
"""

import localgrad as lg
from localgrad.data import DataLoader
from localgrad.train import catalogue

lg.manual_seed(0)
recipe = catalogue.recipe("multitask")
train, _ = recipe.data(None)
network = recipe.network(train)

with lg.Ledger(network, level="edges") as ledger:
    loss, _ = recipe.loss(network, next(iter(DataLoader(train, batch_size=16, shuffle=True))))
    loss.backward()

heads = {"deep": "the class", "box": "the box", "mask": "the mask"}
print("the backbone's features have three consumers:")
for edge in ledger.record.arrived(ledger.of("backbone")):
    head = heads[ledger.nodes[edge.consumer].module.split(".")[0]]
    print(f"  {head:<10} share {edge.share:+.0%}, cosine with the sum {edge.cosine:+.2f}")
