"""A U-Net: what the way down gets back directly, and what through the way around.

python examples/unet.py
"""

import localgrad as lg
from localgrad.data import DataLoader
from localgrad.train import catalogue

lg.manual_seed(0)
recipe = catalogue.recipe("unet")
train, _ = recipe.data(None)
network = recipe.network(train)

with lg.Ledger(network, level="edges") as ledger:
    loss, _ = recipe.loss(network, next(iter(DataLoader(train, batch_size=8, shuffle=True))))
    loss.backward()

for name in ("down1", "down2"):
    print(f"the output of {name}:")
    for edge in ledger.record.arrived(ledger.of(name)):
        print(f"  {edge.share:+.0%} through {ledger.nodes[edge.consumer].place}")
