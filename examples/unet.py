"""A U-Net: what the way down gets back directly, and what through the way around.

python examples/unet.py
"""

from pathlib import Path

import localgrad as lg
from localgrad.data import DataLoader
from localgrad.train import catalogue

for pictures in (None, Path("tissue"), Path("land")):
    lg.manual_seed(0)
    recipe = catalogue.recipe("unet")
    train, _ = recipe.data(pictures)
    network = recipe.network(train)
    batch = next(iter(DataLoader(train, batch_size=8, shuffle=True)))

    with lg.Ledger(network, level="edges") as ledger:
        loss, _ = recipe.loss(network, batch)
        loss.backward()

    print(f"pictures of {pictures or 'digits'}")
    for name in ("down1", "down2"):
        print(f"  the output of {name}:")
        for edge in ledger.record.arrived(ledger.of(name)):
            print(f"    {edge.share:+.0%} through {ledger.nodes[edge.consumer].place}")
