"""Lecture 3's exercises, which batchnorm_mlp.py runs: what initial weights decide, a network of zeros, folding.

The network itself, and its training, are in batchnorm_mlp.py.
"""

import copy
import dataclasses
import math

import numpy as np
from shared import common

import tinytensor as tt
from tinytensor import nn
from tinytensor.diagnostics import health

GAINS = (0.5, 1.0, 5 / 3, 3.0, 8.0)


def untrained(build, s, x, y) -> tuple[float, health.Seen]:
    """The loss of an untrained network, and its tanh layers, for one batch."""
    model = build(s, tt.Generator(s.seed))
    with health.watch(model, nn.Tanh) as seen:
        loss = tt.cross_entropy(model(x), y)
        loss.backward()
    return loss.item(), seen


def show_start(build, s, x, y, V: int) -> None:
    """A confident start, and how activations and gradients depend on the scale of the weights without BatchNorm."""
    modest, sure = (untrained(build, dataclasses.replace(s, last=last), x, y)[0] for last in (s.last, 1.0))
    print(f"initial loss: {modest:.4f}, but {sure:.4f} if the last layer keeps its drawn scale; "
          f"expected -log(1/{V}) = {math.log(V):.4f}")
    print("std of the first and the last tanh, saturated units, ratio of the first one's gradient to the last one's:")
    print(" gain |        without BatchNorm        |          with BatchNorm")
    for gain in GAINS:
        cells = []
        for batchnorm in (False, True):
            scaled = dataclasses.replace(s, gain=gain, batchnorm=batchnorm)
            rows = untrained(build, scaled, x, y)[1].report()
            cells.append(f"{rows[0].std:.2f}  {rows[-1].std:.2f}  {np.mean([row.saturated for row in rows]):6.1%}  "
                         f"{rows[0].grad_std / rows[-1].grad_std:8.3f}")
        print(f"{gain:5.2f} | {cells[0]:^31} | {cells[1]:^31}")


def zero_init(model, train, s, V: int, data) -> int:
    """E01: all weights and gains are 0. Which parameters learn, and why?"""
    for m in model:
        for p in (m.parameters() if isinstance(m, nn.Linear | nn.BatchNorm1d) else ()):
            p.data[...] = 0
    before, (X, Y) = model.state_dict(), data["train"]
    run = train(model, s, X, Y, tt.Generator(s.seed))
    losses = run.progress.losses
    moved = [name for name, p in model.named_parameters() if (p.data != before[name]).any()]
    share = np.bincount(Y, minlength=V) / len(Y)
    entropy = -(share * np.log(np.where(share, share, 1))).sum()
    print(health.table(health.parameters(model)))
    print(f"initial loss {losses[0]:.4f}; after {len(losses):,} steps dev {common.evaluate(model, *data['dev']):.4f}")
    print(f"parameters that changed: {', '.join(moved)}. Every layer returns 0, so the gradient of each matrix, "
          f"a product with 0, is 0, and none flows further back;\nonly the bias that is added last learns, and it "
          f"learns how frequent each character is. The loss can't get below the entropy of that, {entropy:.4f}")
    return run.progress.status


@tt.no_grad()
def show_folding(model, data) -> None:
    """E02: the same outputs without BatchNorm; and the loss by running statistics and by those of the whole set."""
    exact = copy.deepcopy(model).train()
    for norm in (m for m in exact if isinstance(m, nn.BatchNorm1d)):
        norm.momentum, norm.num_batches_tracked.data[...] = None, 0  # the mean over all batches
    X, _ = data["train"]
    for i in range(0, len(X) - 1, 8192):
        exact(X[i : i + 8192])
    running, calibrated = (common.evaluate(m, *data["dev"]) for m in (model, exact))
    print(f"\ndev loss with running statistics {running:.4f}, with those of the training set {calibrated:.4f}")
    model.eval()
    a, b = (m(data["dev"][0]).data for m in (model, nn.fold_batchnorm(model)))  # (N, V)
    model.train()
    print(f"with BatchNorm folded into Linear, logits differ by at most {np.abs(a - b).max():.1e}, "
          f"{np.abs(a - b).max() / np.abs(a).max():.1e} of the largest")
