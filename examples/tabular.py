"""A network on a table: which columns the gradient reaches most.

python examples/tabular.py
"""

import numpy as np

import localgrad as lg
from localgrad.train import catalogue

lg.manual_seed(0)
recipe = catalogue.recipe("tabular")
train, _ = recipe.data(None)
network = recipe.network(train)
rows, labels = train.tensors
rows.requires_grad_()

loss, _ = recipe.loss(network, (rows, labels))
loss.backward()

pull = np.abs(rows.grad.numpy()).mean(axis=0)
print("the columns that the loss depends on most, before training:")
for column in np.argsort(-pull)[:5]:
    print(f"  column {column:>2}: mean |∂loss/∂x| {pull[column]:.2e}")
