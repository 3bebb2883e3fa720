"""LeNet-5: how much each layer passes on, from the loss down to the first convolution.

python examples/lenet.py
"""

import localgrad as lg
from localgrad import data
from localgrad.nn import functional as F
from localgrad.train.recipes.lenet import Network

lg.manual_seed(0)
train, _ = data.digits()
images, labels = next(iter(data.DataLoader(train, batch_size=32, shuffle=True)))
network = Network(8, 8)

with lg.Ledger(network, level="edges") as ledger:
    loss = F.cross_entropy(network(images), labels)
    loss.backward()

print("the gradient's norm at each layer's output, and what the layer made of it:")
for name in ("classifier", "linear2", "linear1", "conv2", "conv1"):
    node = ledger.of(name)
    gains = {edge.name: f"{edge.gain:.2g}" for edge in ledger.record.downstream(node)}
    print(f"  {name:<10} {node.upstream.norm:.3g}   gain by argument: {gains}")
