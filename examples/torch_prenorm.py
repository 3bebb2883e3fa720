"""Pre-norm against post-norm at 24 layers, two PyTorch runs in one report.

python examples/torch_prenorm.py     writes prenorm-postnorm.html
"""

import torch
from torch import nn

from localgrad.torch import Ledger

LAYERS, WIDTH, SHOWN = 24, 32, (0, 5, 11, 17, 23)


def run(norm_first):
    """The ledger of the first step of a transformer; the same draws for both."""
    torch.manual_seed(0)
    layers = [
        nn.TransformerEncoderLayer(WIDTH, 4, 64, 0.0, batch_first=True, norm_first=norm_first)
        for _ in range(LAYERS)
    ]
    model = nn.Sequential(*layers, nn.Linear(WIDTH, 4))
    x, y = torch.randn(8, 16, WIDTH), torch.randint(4, (8,))
    with Ledger(model) as ledger:
        nn.functional.cross_entropy(model(x).mean(1), y).backward()
    ledger.record.title = f"{'pre' if norm_first else 'post'}-norm, {LAYERS} layers"
    return ledger


torch.set_num_threads(1)
pre, post = run(True), run(False)
for ledger in (pre, post):
    norms = [ledger.of(f"{layer}.linear1.weight").upstream.norm for layer in SHOWN]
    print(f"{ledger.record.title}: gradient of linear1.weight")
    print("  " + "   ".join(f"layer {at} {norm:.2g}" for at, norm in zip(SHOWN, norms)))
    print(f"  first to last: {norms[0] / norms[-1]:.2g}")
pre.findings()
both = Ledger.compare(pre, post)
print(both.compare.message)
print("report:", both.to_html("prenorm-postnorm.html").name)
