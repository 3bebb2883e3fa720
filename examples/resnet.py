"""A residual network: what comes back through the skip, and what through the branch.

python examples/resnet.py
"""

import localgrad as lg
from localgrad import data
from localgrad.nn import functional as F
from localgrad.train.recipes.resnet import Network

lg.manual_seed(0)
train, _ = data.digits()
images, labels = next(iter(data.DataLoader(train, batch_size=32, shuffle=True)))
network = Network()

with lg.Ledger(network, level="edges") as ledger:
    loss = F.cross_entropy(network(images), labels)
    loss.backward()

for block in range(4):
    print(f"the output of block {block} is used twice in block {block + 1}:")
    for edge in ledger.record.arrived(ledger.of(f"blocks.{block}")):
        print(f"  {edge.share:+.0%} of its gradient through {ledger.nodes[edge.consumer].place}")
