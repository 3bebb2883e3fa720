"""A long short-term memory: the cell carries a gradient through sixty-four steps.

python examples/lstm.py
"""

import localgrad as lg
from localgrad import data, nn
from localgrad.nn import functional as F

STEPS = 64

lg.manual_seed(0)
text = data.characters(data.standard_library(50_000), length=STEPS)
inputs, targets = next(iter(data.DataLoader(text.train, batch_size=4, shuffle=True)))
embedding = nn.Embedding(len(text.vocabulary), 16)
cell = nn.LSTMCell(16, 32)
classifier = nn.Linear(32, len(text.vocabulary))

with lg.Ledger(cell, level="edges") as ledger:
    state = None
    for step in range(STEPS):
        state = cell(embedding(inputs[:, step]), state)
    last = state[0] if isinstance(state, tuple) else state
    loss = F.cross_entropy(classifier(last), targets[:, -1])
    loss.backward()

cells = [node for node in ledger.nodes if node.op == "add" and node.shape == [4, 32]]
print("the gradient at the cell, by how many steps before the loss:")
for back in range(0, STEPS - 1, 7):
    node = cells[-1 - back]
    print(f"  {back:>2}: norm {node.upstream.norm:.3g}")
forget = [node for node in ledger.nodes if node.op == "sigmoid"]
print(f"gates recorded: {len(forget)}, three for each of {STEPS} steps")
