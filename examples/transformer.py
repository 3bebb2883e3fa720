"""A transformer: queries, keys and values from one source, and the way around attention.

python examples/transformer.py
"""

import numpy as np

import localgrad as lg
from localgrad import data
from localgrad.nn import functional as F
from localgrad.train.recipes.transformer import Network

lg.manual_seed(0)
text = data.characters(data.standard_library(50_000), length=64)
inputs, targets = next(iter(data.DataLoader(text.train, batch_size=8, shuffle=True)))
network = Network(len(text.vocabulary), 64)

with lg.Ledger(network, level="values") as ledger:
    logits = network(inputs)
    loss = F.cross_entropy(logits.reshape(-1, len(text.vocabulary)), targets.reshape(-1))
    loss.backward()

for number, block in enumerate(network.blocks):
    linear = ledger.of(f"blocks.{number}.queries_keys_values")
    parts = ledger.nodes[ledger.record.arrived(linear)[0].consumer]
    weight = block.queries_keys_values.weight.numpy()
    # What comes back through each of the three, carried on through its rows of the weight.
    slices = sorted(ledger.record.arrived(parts), key=lambda edge: edge.consumer)
    returned = [np.reshape(edge.contribution, (-1, len(weight))) @ weight for edge in slices]
    whole = sum(returned)
    shares = [np.vdot(part, whole) / np.vdot(whole, whole) for part in returned]
    print(f"block {number}: what returns to the source of queries, keys and values")
    for name, share, part in zip(("queries", "keys", "values"), shares, returned):
        print(f"  {share:+7.1%} through the {name:<8} norm {np.linalg.norm(part):.2g}")
