"""A transformer: queries, keys and values from one source, and the way around attention.

python examples/transformer.py
"""

import localgrad as lg
from localgrad import data
from localgrad.nn import functional as F
from localgrad.train.recipes.transformer import Network

lg.manual_seed(0)
text = data.characters(data.standard_library(50_000), length=64)
inputs, targets = next(iter(data.DataLoader(text.train, batch_size=8, shuffle=True)))
network = Network(len(text.vocabulary), 64)

with lg.Ledger(network, level="edges") as ledger:
    logits = network(inputs)
    loss = F.cross_entropy(logits.reshape(-1, len(text.vocabulary)), targets.reshape(-1))
    loss.backward()

for block in range(3):
    linear = ledger.of(f"blocks.{block}.queries_keys_values")
    split = ledger.nodes[ledger.record.arrived(linear)[0].consumer]
    parts = ledger.record.arrived(split)
    print(f"block {block}: what returns through queries, keys and values (norms)")
    print("  " + ", ".join(f"{edge.norm:.2g}" for edge in sorted(parts, key=lambda e: e.consumer)))
