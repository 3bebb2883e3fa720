"""The zip code network of 1989: each map of the first layer is seen by some maps of the second.

python examples/lecun1989.py
"""

import localgrad as lg
from localgrad.data import DataLoader
from localgrad.train import catalogue

lg.manual_seed(0)
recipe = catalogue.recipe("lecun1989")
train, _ = recipe.data(None)
network = recipe.network(train)

with lg.Ledger(network, level="edges") as ledger:
    loss, _ = recipe.loss(network, next(iter(DataLoader(train, batch_size=32, shuffle=True))))
    loss.backward()

print("what returns to the twelve maps of the first layer, by the third of the second layer:")
squashed = ledger.of("bias1")  # the bias is added, and the sum is squashed to the maps
for _ in range(4):
    squashed = ledger.nodes[ledger.record.arrived(squashed)[0].consumer]
for third, edge in enumerate(ledger.record.arrived(squashed)):
    print(f"  {edge.share:+.0%} through the eight maps that third {third} looks at")
