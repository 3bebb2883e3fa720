"""A long short-term memory: the gates that a gradient passes on its way through 64 time steps.

python examples/lstm.py
"""

import localgrad as lg
from localgrad import data, nn
from localgrad.nn import functional as F


class Network(nn.Module):
    def __init__(self, characters: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(characters, 32)
        self.lstm = nn.LSTM(32, 64, batch_first=True)
        self.classifier = nn.Linear(64, characters)

    def forward(self, numbers: lg.Tensor) -> lg.Tensor:
        states, _ = self.lstm(self.embedding(numbers))
        return self.classifier(states)


def loss_of(network: Network, inputs: lg.Tensor, targets: lg.Tensor) -> lg.Tensor:
    logits = network(inputs)
    return F.cross_entropy(logits.reshape(-1, logits.shape[-1]), targets.reshape(-1))


def show(network: Network, inputs: lg.Tensor, targets: lg.Tensor) -> None:
    """The last character's loss alone: what arrives at the cell has come all the way."""
    network.zero_grad()
    with lg.Ledger(network, level="edges", inside=["lstm"]) as ledger:
        loss = F.cross_entropy(network(inputs)[:, -1], targets[:, -1])
        loss.backward()
    at = {(node.label, node.step): node for node in ledger.nodes if node.module == "lstm"}
    print("  steps back   at the cell   by the forget gate   its mean opening   at the gate")
    for back in (0, 1, 2, 4, 8, 16, 32, 63):
        cell, gate = at["c", 63 - back], at["forget_gate", 63 - back]
        kept = sum(
            edge.share
            for edge in ledger.record.arrived(cell)
            if ledger.nodes[edge.consumer].op == "multiply"  # forget_gate · c, a step later
        )
        norm, opening = cell.upstream.norm, gate.value.mean
        print(f"  {back:>10}   {norm:11.2e}   {kept:18.0%}   {opening:16.2f}   ", end="")
        print(f"{gate.upstream.norm:11.2e}")


lg.manual_seed(0)
text = data.characters(data.standard_library(200_000), length=64)
batches = data.DataLoader(text.train, batch_size=32, shuffle=True)
network = Network(len(text.vocabulary))
probe = next(iter(batches))

print("before training")
show(network, *probe)
optimizer = lg.optim.AdamW(network.parameters(), lr=1e-2)
for inputs, targets in batches:
    optimizer.zero_grad()
    loss_of(network, inputs, targets).backward()
    optimizer.step()
print(f"after {len(batches)} steps of training")
show(network, *probe)
