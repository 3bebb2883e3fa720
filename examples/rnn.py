"""A recurrent network: one weight, sixty-four consumers.

python examples/rnn.py
"""

import localgrad as lg
from localgrad import data, nn
from localgrad.nn import functional as F

STEPS = 64

lg.manual_seed(0)
text = data.characters(data.standard_library(50_000), length=STEPS)
inputs, targets = next(iter(data.DataLoader(text.train, batch_size=4, shuffle=True)))
embedding = nn.Embedding(len(text.vocabulary), 16)
cell = nn.RNNCell(16, 32)
classifier = nn.Linear(32, len(text.vocabulary))

with lg.Ledger(cell, level="edges") as ledger:
    state = None
    for step in range(STEPS):
        state = cell(embedding(inputs[:, step]), state)
    last = state[0] if isinstance(state, tuple) else state
    loss = F.cross_entropy(classifier(last), targets[:, -1])
    loss.backward()

uses = ledger.record.arrived(ledger.of("weight_hh"))
print("the recurrent weight's gradient, by how many steps before the loss it was used:")
for back in (0, 1, 2, 4, 8, 16, 32, 63):
    print(f"  {back:>2} steps back: norm {uses[back].norm:.2e}, share {uses[back].share:+.1%}")
