"""Minibatches, the best weights, plateaus, tables of a model, how it is doing, and pictures of graphs."""

from typing import Any, assert_type

import numpy as np
import numpy.typing as npt

import tinytensor as tt
from tinytensor import Tensor, nn, optim
from tinytensor.diagnostics import graph, health
from tinytensor.nn import functional as F

X = np.ones((40, 3), np.float32)
Y = np.zeros(40, np.int64)
model = nn.Sequential(nn.Linear(3, 4, rng=0), nn.Tanh(), nn.Linear(4, 2, rng=1))
opt = optim.Adam(model.parameters(), lr=1e-2)
plateau = optim.ReduceLROnPlateau(opt, factor=0.5, patience=2)
best = optim.KeepBest(model)
batches = tt.Minibatches(X, Y, batch_size=16, rng=0)
assert_type(len(batches), int)
for x, y in batches:
    loss = F.cross_entropy(model(x), y, label_smoothing=0.1)
    assert_type(loss, Tensor)
    opt.zero_grad()
    loss.backward()
    opt.step()
    plateau.step(loss.item())
    improved: bool = best.update(loss.item())
best.restore()
assert_type(F.relu(model(X)), Tensor)
assert_type(F.mse_loss(model(X), tt.zeros(40, 2)), Tensor)

parts = nn.ModuleDict({"body": nn.Linear(3, 4), "head": nn.Linear(4, 2)})
for name, part in parts.items():
    print(name, part(tt.ones(1, part.in_features)).shape)
print(model.summary(X))
with health.watch(model, nn.Tanh) as seen:
    F.cross_entropy(model(X), Y).backward()
print(health.table(seen.report()))
text: str = graph.svg(model(X).sum())
first = model[0].weight
arrays: dict[str, npt.NDArray[Any]] = model.state_dict()
