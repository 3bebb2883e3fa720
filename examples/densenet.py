"""A dense block: the earlier a value, the more consumers it has.

python examples/densenet.py
"""

import localgrad as lg
from localgrad import data
from localgrad.nn import functional as F
from localgrad.train.recipes.densenet import Network

lg.manual_seed(0)
train, _ = data.digits()
images, labels = next(iter(data.DataLoader(train, batch_size=32, shuffle=True)))
network = Network()

with lg.Ledger(network, level="edges") as ledger:
    loss = F.cross_entropy(network(images), labels)
    loss.backward()

print("what arrives at each layer's output in the first dense block:")
for name in ("stem", *(f"block1.layers.{i}" for i in range(4))):
    node = ledger.of(name)
    shares = [f"{edge.share:+.0%}" for edge in ledger.record.arrived(node)]
    print(
        f"  {name:<16} norm {node.upstream.norm:.3g}, {len(shares)} consumers: {', '.join(shares)}"
    )
