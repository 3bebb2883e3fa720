"""A small PyTorch GPT whose input and output embeddings are one matrix: its gradient, split by use.

python examples/torch_tied.py
"""

import torch
from torch import nn

from localgrad.torch import Ledger

WORDS, WIDTH, LENGTH = 40, 32, 16


class GPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(WORDS, WIDTH)
        self.position = nn.Parameter(0.02 * torch.randn(LENGTH, WIDTH))
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(WIDTH, 4, 64, 0.0, "gelu", batch_first=True, norm_first=True)
            for _ in range(2)
        )
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, WORDS, bias=False)
        self.head.weight = self.embed.weight
        nn.init.normal_(self.embed.weight, std=0.02)

    def forward(self, tokens):
        mask = nn.Transformer.generate_square_subsequent_mask(LENGTH)
        x = self.embed(tokens) + self.position
        for block in self.blocks:
            x = block(x, src_mask=mask)
        return self.head(self.norm(x))


torch.manual_seed(0)
torch.set_num_threads(1)
model = GPT()
text = torch.randint(WORDS, (8, 1)) + torch.arange(LENGTH + 1)
tokens, following = text[:, :-1] % WORDS, text[:, 1:] % WORDS
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)

for step in range(101):
    optimizer.zero_grad()
    with Ledger(model) as ledger:
        loss = nn.functional.cross_entropy(model(tokens).transpose(1, 2), following)
        loss.backward()
    optimizer.step()
    if step in (0, 20, 100):
        node = ledger.of("embed.weight")
        print(f"step {step}, loss {loss.item():.3f}: {' = '.join(node.names)}")
        for edge in ledger.record.arrived(node):
            use = ledger.nodes[edge.consumer]
            print(
                f"  {edge.share:+7.1%} from {use.module} ({use.op}), norm {edge.norm:.3g}, "
                f"{use.where}"
            )
