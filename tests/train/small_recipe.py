"""A recipe that trains in a moment and has everything a resumption must restore."""

from localgrad import data, nn, optim
from localgrad.nn import functional as F
from localgrad.train import Recipe, accuracy


class Small(Recipe):
    """A small network with dropout, batch norm, momentum and a schedule."""

    epochs = 2
    batch_size = 16
    lr = 1e-2
    clip = 1.0

    def data(self, source):
        train, held_out = data.digits()
        return data.Subset(train, range(100)), data.Subset(held_out, range(40))

    def network(self, train):
        return nn.Sequential(
            nn.Flatten(),
            nn.Linear(64, 32),
            nn.BatchNorm1d(32),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Linear(32, 10),
        )

    def scheduler(self, optimizer, steps):
        return optim.lr_scheduler.OneCycleLR(optimizer, max_lr=self.lr, total_steps=steps)

    def loss(self, network, batch):
        images, labels = batch
        logits = network(images)
        return F.cross_entropy(logits, labels), {"accuracy": accuracy(logits, labels)}
