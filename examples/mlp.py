"""A multi-layer perceptron: one element of one gradient, term by term.

python examples/mlp.py
"""

import localgrad as lg
from localgrad import data, nn
from localgrad.nn import functional as F

lg.manual_seed(0)
train, _ = data.digits()
images, labels = next(iter(data.DataLoader(train, batch_size=8, shuffle=True)))
network = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))

with lg.Ledger(network, level="values") as ledger:
    loss = F.cross_entropy(network(images), labels)
    loss.backward()

ledger.explain("3.weight", (4, 7))
