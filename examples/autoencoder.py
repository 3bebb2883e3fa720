"""An autoencoder: what passes through the bottleneck on the way back.

python examples/autoencoder.py
"""

import localgrad as lg
from localgrad import data
from localgrad.nn import functional as F
from localgrad.train.recipes.autoencoder import Network

lg.manual_seed(0)
train, _ = data.digits()
images, _ = next(iter(data.DataLoader(train, batch_size=32, shuffle=True)))
pixels = images.reshape(32, 64)
network = Network(64)

with lg.Ledger(network, level="edges") as ledger:
    loss = F.mse_loss(network(pixels), pixels)
    loss.backward()

print("the gradient's norm and size, layer by layer, from the picture back to the picture:")
for name in ("decoder.4", "decoder.2", "decoder.0", "encoder.4", "encoder.2", "encoder.0"):
    node = ledger.of(name)
    width = node.shape[-1]
    print(f"  {name:<10} {width:>4} numbers an image, norm {node.upstream.norm:.3g}")
