"""A PyTorch training script with a fault, and the one line that finds it.

python examples/torch_fault.py       writes report.html

Some rows of the data are empty. The author normalises each row to length one and hides the 0/0 of
the empty ones by `where`. That helps on the way up, the loss is finite; on the way down it does
not, and after one step every weight of the first layer is NaN.
"""

import torch
from torch import nn

from localgrad.torch import Ledger


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(8, 16, bias=False)
        self.second = nn.Linear(16, 2)

    def forward(self, x):
        h = torch.tanh(self.first(x))
        length = torch.sqrt((h * h).sum(-1, keepdim=True))
        return self.second(torch.where(length > 0, h / length, 0.0))


torch.manual_seed(0)
torch.set_num_threads(1)
model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x, y = torch.randn(64, 8), torch.randint(2, (64,))
x[::10] = 0.0

with Ledger(model) as ledger:  # the added line
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()

print(f"loss {loss.item():.3f}")
for finding in ledger.findings():
    print(f"{finding.kind} at {finding.where}: {finding.message}\n  {finding.advice}")
print("report:", ledger.to_html("report.html").name)
