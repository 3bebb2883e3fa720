"""A PyTorch residual network with zero-initialised last norms: all skip, then the branches wake.

python examples/torch_residual.py
"""

import torch
from torch import nn

from localgrad.torch import Ledger

BLOCKS = 4


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        nn.init.zeros_(self.norm2.weight)

    def forward(self, x):
        h = torch.relu(self.norm1(self.conv1(x)))
        h = self.norm2(self.conv2(h))
        h += x
        return torch.relu_(h)


def shares(model, ledger):
    """Of the gradient that arrives at each block's input: what came by the skip, what by conv1."""
    found = []
    for number in range(BLOCKS):
        weight = ledger.of(f"{number + 1}.conv1.weight")
        conv = ledger.nodes[ledger.record.arrived(weight)[0].consumer]
        meeting = next(
            node for node in ledger.nodes
            if len(node.arrived) == 2
            and any(edge.consumer == conv.id for edge in ledger.record.arrived(node))
        )  # fmt: skip
        branch, skip = sorted(
            ledger.record.arrived(meeting), key=lambda edge: edge.consumer != conv.id
        )
        found.append((skip.share, branch.share))
    return found


torch.manual_seed(0)
torch.set_num_threads(1)
width = 8
model = nn.Sequential(
    nn.Conv2d(1, width, 3, padding=1),
    *[Block(width) for _ in range(BLOCKS)],
    nn.AdaptiveAvgPool2d(1),
    nn.Flatten(),
    nn.Linear(width, 4),
)
x = torch.randn(32, 1, 8, 8)
y = (x[:, 0, :4].mean((1, 2)) > 0).long() + 2 * (x[:, 0, :, :4].mean((1, 2)) > 0).long()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

print("gradient at the input of each block, skip / branch:")
for step in range(61):
    optimizer.zero_grad()
    if step in (0, 1, 5, 20, 60):
        with Ledger(model) as ledger:
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
        row = "   ".join(f"{skip:7.2%} / {branch:6.2%}" for skip, branch in shares(model, ledger))
        print(f"step {step:2}  loss {loss.item():.3f}   {row}")
    else:
        nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()
