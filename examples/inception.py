"""An Inception module: four branches over one input, whose gradients add.

python examples/inception.py
"""

import localgrad as lg
from localgrad import data
from localgrad.nn import functional as F
from localgrad.train.recipes.inception import Network

lg.manual_seed(0)
train, _ = data.digits()
images, labels = next(iter(data.DataLoader(train, batch_size=32, shuffle=True)))
network = Network()

with lg.Ledger(network, level="edges") as ledger:
    loss = F.cross_entropy(network(images), labels)
    loss.backward()

for module in ("inception1", "inception2"):
    convolution = ledger.of(f"{module}.point.0")
    (edge,) = [e for e in ledger.edges if e.consumer == convolution.id and e.name in ("x", "input")]
    print(f"what returns to the input of {module}, by branch:")
    for arrived in ledger.record.arrived(ledger.record.node_of(edge)):
        branch = ledger.nodes[arrived.consumer].module.removeprefix(f"{module}.")
        print(f"  {arrived.share:+.0%} through {branch.replace(module, 'the pooled branch')}")
