"""A vision transformer: attention and the way around it, block by block.

python examples/vit.py
"""

import localgrad as lg
from localgrad import data
from localgrad.nn import functional as F
from localgrad.train.recipes.vit import Network

lg.manual_seed(0)
train, _ = data.digits()
images, labels = next(iter(data.DataLoader(train, batch_size=32, shuffle=True)))
network = Network(8, 8)

with lg.Ledger(network, level="edges") as ledger:
    loss = F.cross_entropy(network(images), labels)
    loss.backward()

for block in range(3):
    print(f"block {block}: what comes back to its input")
    first = ledger.of(f"blocks.{block}.norm1")
    (edge,) = [e for e in ledger.edges if e.consumer == first.id and e.name == "x"]
    for arrived in ledger.record.arrived(ledger.record.node_of(edge)):
        print(f"  {arrived.share:+.0%} through {ledger.nodes[arrived.consumer].place}")
